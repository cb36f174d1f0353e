"""``emoscope adapt``: labelled faces to a network that reads such faces better."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from emotion_core.cli.arguments import (
    OK,
    add_detector,
    check_parent,
    eprint,
    fetch_chosen,
    network,
    show_download,
)
from emotion_core.errors import EmotionError
from emotion_core.files.save import save_file
from emotion_core.models.card import Task


def add_adapt(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``adapt``; sets ``run``."""
    parser.description = (
        "Adapt the last layer of an emotion network to your labels, in seconds on a processor. "
        "Prints cross-validated figures before and after, and writes FILE.safetensors, FILE.onnx "
        "and a description, which every --model takes; or says why the labels do not help. "
        "docs/labels.md of the project explains it."
    )
    parser.add_argument(
        "labels",
        type=Path,
        metavar="LABELS",
        help="labels.csv, or its folder: image (or video and time_s), emotion and, optionally, "
        "valence, arousal, a box x1, y1, x2, y2 (else the largest face counts), person, rater",
    )
    parser.add_argument(
        "--base",
        type=network,
        metavar="M",
        help="network to adapt: one of ours by its name, a file that `export` or `adapt` wrote, or "
        "owner/name@commit (default: the product's network)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="FILE.safetensors; without it, only figures"
    )
    parser.add_argument(
        "--prior",
        choices=("balanced", "labels"),
        default="balanced",
        help="balanced: all emotions count alike, and mean recall decides whether the labels help "
        "(default); labels: as often as they were labelled, and accuracy decides",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    add_detector(parser)
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from emotion_core.adaptation.adapt import adapt
    from emotion_core.adaptation.faces import read_labelled_faces
    from emotion_core.adaptation.network import load_base
    from emotion_core.adaptation.report import adaptation_notes, adaptation_table
    from emotion_core.adaptation.write import write_adapted
    from emotion_core.detection.turned import TurnedFaceDetector
    from emotion_core.local_analyzer import make_detector
    from emotion_core.training.datasets.photo_labels import (
        find_label_file,
        read_photo_labels,
        to_face_set,
    )

    _check_output(chosen.out, chosen.json)
    labels = read_photo_labels(chosen.labels)
    folder = find_label_file(chosen.labels).parent
    to_face_set(folder, labels, "labels")  # says which photo is missing
    base = load_base(chosen.base)
    found = fetch_chosen(chosen.detector, Task.DETECTION, "cpu", show_download)
    detector = TurnedFaceDetector(make_detector(found.card, found.file.path, "cpu"))
    eprint(f"{base.card.name}, faces by {found.card.name}.")
    faces = read_labelled_faces(base, detector, folder, labels)
    for name, why in faces.unreadable:
        eprint(f"note: {name}: {why}")
    if faces.no_face:
        eprint(
            f"note: {len(faces.no_face)} labelled faces were not found, e.g. {faces.no_face[0]}."
        )
    adaptation = adapt(base.head, faces, chosen.prior)
    sys.stdout.write(adaptation_table(adaptation, base.card.name))
    if chosen.json is not None:
        notes = adaptation_notes(adaptation, base.card)
        save_file(chosen.json, (json.dumps(notes, indent=2) + "\n").encode())
    if adaptation.refusal:
        raise EmotionError(f"Nothing was adapted. {adaptation.refusal}")
    if chosen.out is not None:
        write_adapted(base, adaptation, chosen.out)
        eprint(f"Written: {chosen.out}, {chosen.out.with_suffix('.onnx').name}.")
    return OK


def _check_output(out: Path | None, report: Path | None) -> None:
    """Checks before anything slow that results can be written."""
    if out is not None:
        if out.suffix != ".safetensors":
            raise EmotionError(f"Name the file OUT.safetensors, not {out.name}.")
        check_parent(out)
    if report is not None:
        check_parent(report)
