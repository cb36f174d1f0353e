"""``python -m emotion_core evaluate``: quality of a network on data sets and photos."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.cli.arguments import (
    add_detector,
    add_labels,
    add_material,
    check_parent,
    check_report_path,
    count,
    eprint,
    find_labels,
    print_notices,
    write_report,
)
from emotion_core.errors import DatasetError, EmotionError
from emotion_core.models.runtime import DEVICES, usable_cores
from emotion_core.training.datasets import READERS, read_faces
from emotion_core.training.datasets.splits import SplitMissingError

if TYPE_CHECKING:
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.emotion.load import LoadedModel
    from emotion_core.training.evaluation.evaluate import EmotionReport
    from emotion_core.training.evaluation.paired import PairedReport

_PHOTOS = "photos"
_PHOTO_OPTIONS = ("detector", "boxes", "only", "half", "halves", "labels", "by", "second", "worst")


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``evaluate``; sets ``run``."""
    parser.description = (
        "Measure an emotion network. Faces of a data set are used uncropped; `photos` takes the "
        "product's complete pipeline: detector, crop, network. Prints a table; --json also "
        "writes all metrics, and a page of charts beside them."
    )
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        help="ferplus, fer2013, rafdb, affectnet, ..., folders, csv; or photos: a folder of photos "
        "with labels.csv (image, emotion and, if rated, valence and arousal)",
    )
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument(
        "--split",
        help="train, valid, test, or all if there are no splits (default: valid, else test); of "
        "photos, those whose column split says so (default: all)",
    )
    parser.add_argument(
        "--unseen",
        action="store_true",
        help="leave out faces whose image is also in the training split, as are many of FER2013 "
        "and FER+",
    )
    parser.add_argument(
        "--model",
        metavar="M",
        help="a name from `models list`, a Hub repository, owner/name[@commit], a released "
        ".safetensors or .onnx, or a checkpoint .pt (default: the product's network)",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    add_material(parser)
    parser.add_argument(
        "--threads", type=count, metavar="N", help="CPU cores to use (default: all)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="metrics; charts go to FILE's .html"
    )
    parser.add_argument(
        "--calibration-plot", type=Path, metavar="FILE", help="reliability diagram, .svg or .png"
    )
    photos = parser.add_argument_group("photos only")
    add_detector(photos)
    photos.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="CSV of faces marked by hand, instead of a detector: image, x1, y1, x2, y2 and, "
        "optionally, five landmarks lx1, ly1 to lx5, ly5",
    )
    photos.add_argument(
        "--only", type=Path, metavar="FILE", help="CSV: use only the photos in its column image"
    )
    add_labels(photos, "ROOT/labels.csv")
    photos.add_argument(
        "--by",
        nargs="+",
        metavar="COLUMN",
        help="also measure each group of photos with the same value in a column, e.g. age gender",
    )
    photos.add_argument(
        "--second",
        metavar="M",
        help="a second model, on the same faces: differences with intervals, McNemar's test, kappa",
    )
    photos.add_argument(
        "--worst",
        type=count,
        metavar="N",
        help="also print the N readings that are furthest from their labels",
    )
    photos.add_argument(
        "--half", choices=["a", "b"], help="use one of the two halves of `data crop --halves`"
    )
    photos.add_argument(
        "--halves",
        metavar="COLUMN",
        help="column of labels.csv that determines the halves, e.g. person",
    )
    parser.set_defaults(run=run_evaluate_emotion)


def run_evaluate_emotion(chosen: argparse.Namespace) -> int:
    """Measures, prints and writes the figures.

    Returns:
        0, or 1 if photos could not be read (they count as wrong).

    Raises:
        EmotionError: Something that was requested is missing or impossible.
    """
    from emotion_core.training.evaluation.profile import limited_cores

    is_photos = chosen.dataset.lower() == _PHOTOS
    _check_options(chosen, is_photos=is_photos)
    with limited_cores(chosen.threads) if chosen.threads else nullcontext():
        report = _measure_photos(chosen, chosen.model) if is_photos else _measure_faces(chosen)
        second = _measure_photos(chosen, chosen.second) if chosen.second else None
    _write(chosen, report, _pair(report, second) if second else None)
    return 1 if report.missed is not None and report.missed.unreadable else 0


def _pair(first: EmotionReport, second: EmotionReport) -> PairedReport:
    from emotion_core.training.evaluation.paired import compare_readings

    names = (first.card.name, second.card.name)
    return compare_readings(names, first.readings, second.readings, first.faces, first.units)


def _check_options(chosen: argparse.Namespace, *, is_photos: bool) -> None:
    """Refuses invalid combinations of options before anything takes time."""
    if is_photos and chosen.unseen:
        raise EmotionError("--unseen is for data sets with a training split, not for photos.")
    for name in () if is_photos else _PHOTO_OPTIONS:
        if getattr(chosen, name) is not None:
            raise EmotionError(f"--{name} is for `evaluate photos` only.")
    if (chosen.half is None) != (chosen.halves is None):
        raise EmotionError("--half and --halves need each other: --half b --halves person.")
    if chosen.boxes is not None and chosen.detector is not None:
        raise EmotionError("--boxes replaces --detector; leave one of them out.")
    _check_outputs(chosen)


def _check_outputs(chosen: argparse.Namespace) -> None:
    """Checks before a long measurement that it, and writing its results, can succeed."""
    check_report_path(chosen.json)
    plot = chosen.calibration_plot
    if plot is not None:
        if plot.suffix not in (".svg", ".png"):
            raise EmotionError(f"{plot} must end in .svg or .png.")
        check_parent(plot)
    if chosen.threads and not hasattr(os, "sched_setaffinity"):
        raise EmotionError("--threads works on Linux only; leave it out.")
    if chosen.threads and chosen.threads > usable_cores():
        raise EmotionError(f"--threads can be at most {usable_cores()} here.")


def _measure_faces(chosen: argparse.Namespace) -> EmotionReport:
    from emotion_core.training.evaluation.evaluate import evaluate

    faces = _read_split(chosen.dataset, chosen.root, chosen.split)
    if chosen.unseen:
        faces = _leave_out_repeats(faces, chosen.dataset, chosen.root)
    return evaluate(_load(chosen, chosen.model), faces)


def _read_split(dataset: str, root: Path, split: str | None) -> FaceSet:
    """Reads the requested split, by default the validation split, else the test split."""
    if dataset.lower() not in READERS:
        known = ", ".join([*READERS, _PHOTOS])
        raise DatasetError(f"There is no data set {dataset!r}; there are: {known}.")
    if split is not None:
        return read_faces(dataset, root, split)
    try:
        return read_faces(dataset, root, "valid")
    except SplitMissingError as error:
        try:
            faces = read_faces(dataset, root, "test")
        except SplitMissingError:
            raise error from None
        eprint(f"note: {error} The test split is measured.")
        return faces


def _leave_out_repeats(faces: FaceSet, dataset: str, root: Path) -> FaceSet:
    from emotion_core.training.datasets.deduplicate import drop_duplicates

    kept = drop_duplicates(faces, read_faces(dataset, root, "train"))
    eprint(
        f"{len(faces) - len(kept)} of {len(faces)} faces are in the training split, too: left out."
    )
    if not len(kept):
        raise DatasetError(f"All faces of {faces.name} are in the training split; none is left.")
    return kept


def _measure_photos(chosen: argparse.Namespace, name: str | None) -> EmotionReport:
    from emotion_core.training.datasets.photo_labels import (
        keep_half,
        keep_only,
        keep_split,
        read_box_table,
        read_photo_labels,
    )
    from emotion_core.training.emotion.load import load_pipeline
    from emotion_core.training.evaluation.evaluate_photos import (
        evaluate_photos,
        read_in_boxes,
        read_with_detector,
    )

    labels = read_photo_labels(find_labels(chosen.labels, chosen.root))
    if chosen.split is not None:
        labels = keep_split(labels, chosen.split)
    if chosen.only is not None:
        labels = keep_only(labels, chosen.only)
    if chosen.half is not None:
        labels = keep_half(labels, chosen.half, chosen.halves)
    if chosen.boxes is not None:
        boxes = read_box_table(chosen.boxes, [label.image for label in labels])
        model = _load(chosen, name)
        read_photos = read_in_boxes(model.classifier, boxes)
        framing = f"Faces are cut out as {chosen.boxes.name} marks them; no detector is used."
    else:
        model = _load(chosen, name)
        analyzer = load_pipeline(model, chosen.detector, chosen.device)
        print_notices(analyzer.info.notices)
        read_photos = read_with_detector(analyzer)
        detector = analyzer.info.detector.name
        framing = (
            f"Faces are found by {detector}; of each photo the largest counts, or the one in the "
            "label's box."
        )
    folder = chosen.root if chosen.root.is_dir() else chosen.root.parent
    return evaluate_photos(model, read_photos, folder, labels, framing, chosen.by or ())


def _load(chosen: argparse.Namespace, name: str | None) -> LoadedModel:
    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.training.emotion.load import load_model

    model = load_model(name, chosen.device)
    if chosen.material != "everyday":
        card = model.classifier.card.for_material(chosen.material)
        model = replace(model, classifier=EmotionClassifier(model.network, card))
    eprint(f"{model.classifier.card.name} on {model.network.device}.")
    print_notices(model.notices)
    return model


def _write(chosen: argparse.Namespace, report: EmotionReport, paired: PairedReport | None) -> None:
    from emotion_core.training.evaluation.html_page import evaluation_page, save_plot
    from emotion_core.training.evaluation.plots import calibration_chart
    from emotion_core.training.evaluation.report import (
        emotion_report_json,
        emotion_report_table,
        paired_report_table,
        worst_table,
    )
    from emotion_core.training.evaluation.worst import find_worst

    sys.stdout.write(emotion_report_table(report))
    if paired is not None:
        sys.stdout.write(paired_report_table(paired))
    if chosen.worst:
        worst = find_worst(report.faces, report.readings, chosen.worst)
        sys.stdout.write(worst_table(worst))
    if chosen.json is not None:
        write_report(chosen.json, emotion_report_json(report, paired), evaluation_page(report))
    if chosen.calibration_plot is not None:
        save_plot(calibration_chart(report), chosen.calibration_plot)
