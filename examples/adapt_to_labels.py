"""Adapts the network to the labels.csv of a folder of photos, if that helps.

python -m examples.adapt_to_labels photos/ mine.safetensors
"""

import sys
from pathlib import Path

import emotion_core as emo
from emotion_core.adaptation.adapt import Adaptation, adapt
from emotion_core.adaptation.faces import read_labelled_faces
from emotion_core.adaptation.network import load_base
from emotion_core.adaptation.write import write_adapted
from emotion_core.training.datasets.photo_labels import read_photo_labels


def main(folder: str, target: str) -> Adaptation:
    """Prints what changes for faces that were left out, and writes the adapted network."""
    labels = read_photo_labels(Path(folder))  # image, emotion; see docs/labels.md
    detector = emo.load_analyzer().detector
    base = load_base("emoscope-fer-m")
    faces = read_labelled_faces(base, detector, Path(folder), labels)
    found = adapt(base.head, faces)
    for one in found.differences:
        print(f"{one.name}: {one.first:.2f}, adapted {one.second:.2f}")
    if found.refusal:
        print(found.refusal)
    else:
        write_adapted(base, found, Path(target))
        print(f"Use it: emo.load_analyzer({str(Path(target).with_suffix('.onnx'))!r})")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
