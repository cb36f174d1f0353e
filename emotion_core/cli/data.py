"""``python -m emotion_core data``: download, show and crop data sets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from emotion_core.cli.arguments import (
    OK,
    SOME_FAILED,
    add_detector,
    add_labels,
    eprint,
    fetch_chosen,
    find_labels,
    int_in_range,
)
from emotion_core.errors import DatasetError
from emotion_core.labels import to_emotion
from emotion_core.models.card import Preprocessing, Task
from emotion_core.models.registry import FERPLUS_TEMPLATE
from emotion_core.models.runtime import DEVICES, pick_device

if TYPE_CHECKING:
    from emotion_core.detection.detector import FaceDetector
    from emotion_core.labels import Emotion
    from emotion_core.training.datasets.face_set import FaceSet

_CROP_PX = 112
_DATASETS = "ferplus, fer2013, rafdb, fairface, affectnet, affectnet-automatic, folders or csv"


def add_data(parser: argparse.ArgumentParser) -> None:
    """Adds ``download``, ``show``, ``template`` and ``crop``; each sets ``run``."""
    commands = parser.add_subparsers(title="commands", required=True)
    _add_download(commands.add_parser("download", help="fetch a data set from Kaggle"))
    show = commands.add_parser("show", help="count the faces of a data set by emotion")
    _add_dataset(show)
    show.add_argument("--split", help="train, valid, test or all (default: each that exists)")
    show.set_defaults(run=_run_show)
    template = commands.add_parser(
        "template", help="measure where eyes, nose and mouth lie in a data set's images"
    )
    _add_dataset(template)
    template.add_argument("--split", default="train", help="default train")
    _add_detector(template)
    template.set_defaults(run=_run_template)
    _add_crop(commands.add_parser("crop", help="cut the faces out of a folder of labelled photos"))


def _add_download(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", choices=["fer2013"])
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="target folder (default data/fer2013)"
    )
    parser.add_argument(
        "--source",
        choices=["dataset", "competition"],
        default="dataset",
        help="folders of images (default), or the competition's CSV files, whose rules must be "
        "accepted on Kaggle first",
    )
    parser.set_defaults(run=_run_download)


def _add_crop(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Cut the largest face out of each photo that labels.csv lists, aligned like training "
        "images. OUT/labels.csv labels the crops, so that OUT can be read as data set csv; "
        "OUT/missed.csv lists photos without a face."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="holds the photos")
    add_labels(parser, "FOLDER/labels.csv")
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    parser.add_argument(
        "--size",
        type=int_in_range(8, 1024, "a number of pixels from 8 to 1024"),
        default=_CROP_PX,
        metavar="PX",
        help=f"side of the crops (default {_CROP_PX})",
    )
    parser.add_argument(
        "--halves",
        metavar="COLUMN",
        help="split into OUT/a and OUT/b; no value of this column, e.g. person, is in both",
    )
    parser.add_argument(
        "--skip", nargs="+", default=[], metavar="EMOTION", help="leave out these emotions"
    )
    _add_detector(parser)
    parser.set_defaults(run=_run_crop)


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help=_DATASETS)
    parser.add_argument("root", type=Path, metavar="ROOT", help="its folder, as published")


def _add_detector(parser: argparse.ArgumentParser) -> None:
    add_detector(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")


def _run_download(chosen: argparse.Namespace) -> int:
    from emotion_core.training.datasets.kaggle import SOURCES, download_fer2013

    folder: Path = chosen.to or Path("data", chosen.dataset)
    download_fer2013(folder, SOURCES[chosen.source])
    eprint(f"python -m emotion_core data show {chosen.dataset} {folder} shows its content.")
    sys.stdout.write(f"{folder}\n")
    return OK


def _run_show(chosen: argparse.Namespace) -> int:
    from emotion_core.training.datasets import read_faces
    from emotion_core.training.datasets.splits import SPLITS, SplitMissingError

    shown, failures = [], []
    for split in [chosen.split] if chosen.split else SPLITS:
        try:
            shown.append(read_faces(chosen.dataset, chosen.root, split))
        except DatasetError as error:
            failures.append(error)
    if not shown:
        raise failures[0]
    for faces in shown:
        _show(faces)
    if chosen.dataset.lower() == "fairface":
        eprint(
            "note: A vision-language model rated these faces; docs/fairface_ratings.md says how, "
            "and how far its ratings can be trusted."
        )
    for failure in dict.fromkeys(map(str, failures)):  # an unsplit data set fails twice alike
        eprint(f"note: {failure}")
    is_complete = all(isinstance(failure, SplitMissingError) for failure in failures)
    return OK if is_complete else SOME_FAILED


def _show(faces: FaceSet) -> None:
    from emotion_core.training.datasets.face_set import LABELS, NO_CLASS

    lines = [f"{faces.name}: {len(faces)} faces", f"  {'emotion':12}{'protocol':>9}{'labels':>10}"]
    for i, label in enumerate(LABELS):
        counted = f"{(faces.majority == i).sum()}" if label in faces.classes else "-"
        lines.append(f"  {label:12}{counted:>9}{faces.targets[:, i].sum():>10.1f}")
    rated = (faces.va == faces.va).sum(axis=0)  # NaN is not equal to itself
    lines += [
        f"  left out by the protocol: {(faces.majority == NO_CLASS).sum()}",
        f"  without a label: {(faces.targets.sum(axis=1) == 0).sum()}",
        f"  rated valence: {rated[0]}, arousal: {rated[1]}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _run_template(chosen: argparse.Namespace) -> int:
    from emotion_core.training.datasets import read_faces
    from emotion_core.training.datasets.framing import measure_template

    faces = read_faces(chosen.dataset, chosen.root, chosen.split)
    template = measure_template(faces, _load_detector(chosen))
    eprint(f"Medians over {template.n_found} faces in {template.n_looked_at} images.")
    names = ("left eye", "right eye", "nose tip", "left mouth corner", "right mouth corner")
    for name, (x, y) in zip(names, template.points, strict=True):
        sys.stdout.write(f"{name:18} {x:.3f} {y:.3f}\n")
    return OK


def _run_crop(chosen: argparse.Namespace) -> int:
    from emotion_core.training.datasets.crop_faces import (
        CropCount,
        read_labelled_photos,
        write_crops,
    )

    skip = {_to_emotion(word) for word in chosen.skip}
    photos = read_labelled_photos(find_labels(chosen.labels, chosen.folder), skip=skip)
    folder = chosen.folder if chosen.folder.is_dir() else chosen.folder.parent
    detector = _load_detector(chosen)
    framing = Preprocessing(chosen.size, (127.5,), (127.5,), template=FERPLUS_TEMPLATE)
    count = CropCount()
    crops = write_crops(folder, photos, chosen.out, detector, framing, chosen.halves)
    with tqdm(crops, total=len(photos), unit="photo", disable=None) as bar:
        for count in bar:  # noqa: B007 - the last one counts
            pass
    for half, cut in count.cut.items():
        eprint(f"{cut} crops in {chosen.out / half}.")
    eprint(f"no face found: {count.no_face}, unreadable: {count.unreadable}, of {len(photos)}.")
    return OK if any(count.cut.values()) and not count.unreadable else SOME_FAILED


def _to_emotion(word: str) -> Emotion:
    try:
        return to_emotion(word)
    except ValueError as error:
        raise DatasetError(f"--skip: {error}") from error


def _load_detector(chosen: argparse.Namespace) -> FaceDetector:
    from emotion_core.local_analyzer import make_detector

    device = pick_device(chosen.device)
    found = fetch_chosen(chosen.detector, Task.DETECTION, device)
    eprint(f"Faces by {found.card.name}.")
    return make_detector(found.card, found.file.path, device)
