"""Prints what the faces of a photo show, and saves a copy with boxes and words.

python -m examples.read_photo photo.jpg annotated.jpg
"""

import sys

import numpy as np
from PIL import Image, ImageOps

import emotion_core as emo


def main(photo: str, target: str) -> None:
    """Prints a line for each face, from left to right."""
    analyzer = emo.load_analyzer()
    upright = ImageOps.exif_transpose(Image.open(photo))  # as the camera was held
    pixels = np.array(upright.convert("RGB"))
    analysis = analyzer.read(pixels)
    for number, face in enumerate(analysis, 1):
        line = f"face {number}: {face.emotion} ({face.confidence:.0%}), "
        line += f"valence {face.valence:+.2f}, arousal {face.arousal:+.2f}"
        if not face.is_usable:
            line += f", hard to read: {', '.join(face.flags) or 'poor quality'}"
        print(line)
    Image.fromarray(emo.annotate(pixels, analysis)).save(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
