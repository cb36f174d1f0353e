"""Networks that a user names by a path, as ``export`` and ``export-detector`` write them."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.errors import EmotionError, WeightsMismatchError, WeightsUnavailableError
from emotion_core.labels import to_label_set
from emotion_core.models.adapted_from import AdaptedFrom
from emotion_core.models.card import ModelCard, Preprocessing, Task, WeightFile
from emotion_core.models.card_json import to_tuples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import onnx

    from emotion_core.models.runtime import Network

FILES = (".safetensors", ".onnx")
"""Suffixes that distinguish a path from the name of a network."""


def is_path(name: str) -> bool:
    """Whether what a user typed is a path, not a name."""
    return Path(name).suffix in FILES


def read_file_card(path: Path, task: Task) -> ModelCard:
    """Describes a network by its file.

    Args:
        path: An exported ``.safetensors`` or ``.onnx``, or a YuNet's ``.onnx``. On a GPU an emotion
            network's safetensors file is used instead of the graph of the same name beside it, if
            their metadata are equal.
        task: Emotions or detection.

    Raises:
        WeightsUnavailableError: There is no such file.
        WeightsMismatchError: The file lacks metadata that are needed to use it.
    """
    if not path.is_file():
        raise WeightsUnavailableError(f"There is no weight file {path}.")
    make = partial(
        ModelCard,
        name=path.name,
        task=task,
        weights=describe_file(path),
        licence="not stated",
        source=f"the file {path.name}",
        folder=str(path.resolve().parent),
    )
    if task is Task.DETECTION:
        if path.suffix == ".safetensors" and "config" not in read_metadata(path):
            raise WeightsMismatchError(f"{path.name} is no face network: it lacks 'config'.")
        is_yunet = path.suffix == ".onnx" and _is_yunet(path)
        return make(architecture="opencv-yunet" if is_yunet else "onnx")
    metadata = read_metadata(path)
    with unreadable(path, "lacks its labels and its input, as `export` writes them"):
        preprocessing = json.loads(metadata["preprocessing"])
        return _with_adaptation(metadata.get("adapted"), make)(
            architecture="onnx" if path.suffix == ".onnx" else metadata["architecture"],
            torch_weights=_find_twin(path, metadata),
            labels=to_label_set(metadata["labels"].split(",")),
            has_va=metadata.get("has_va") == "True",
            has_actions=metadata.get("has_actions") == "True",
            preprocessing=Preprocessing(**{k: to_tuples(v) for k, v in preprocessing.items()}),
            temperature=float(metadata["temperature"]),
        )


def read_released_card(path: Path) -> ModelCard:
    """Describes a network that ``export`` wrote, so that it can be published.

    Args:
        path: Either of its two files; the other lies beside it.

    Raises:
        WeightsUnavailableError: A file is missing.
        WeightsMismatchError: The files lack their labels and input, or contradict each other.
    """
    graph, weights = path.with_suffix(".onnx"), path.with_suffix(".safetensors")
    for file in (graph, weights):
        if not file.is_file():
            raise WeightsUnavailableError(f"There is no weight file {file}; `export` makes it.")
    card = read_file_card(graph, Task.EMOTION)
    if card.torch_weights is None:
        raise WeightsMismatchError(
            f"{graph.name} and {weights.name} have different metadata; run `export` again."
        )
    source = card.source if card.note else "trained with Emoscope by its publisher"
    return replace(card, name=path.stem, source=source)


def validate_io(network: Network, card: ModelCard) -> None:
    """Runs a network on a grey face, and checks that its outputs fit its card.

    Raises:
        WeightsMismatchError: They do not.
    """
    preprocessing = card.preprocessing
    if preprocessing is None:
        raise ValueError(f"{card.name} has no preprocessing.")
    face = np.zeros(
        (1, len(preprocessing.mean), preprocessing.size_px, preprocessing.size_px), np.float32
    )
    expected = [(1, width) for width in card.output_widths]
    try:
        shapes = [output.shape for output in network.run(face)]
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise WeightsMismatchError(
            f"{card.name} does not take its declared input ({reason})."
        ) from error
    if shapes[: len(expected)] != expected:
        raise WeightsMismatchError(
            f"{card.name} does not give its declared output: {shapes} instead of {expected}."
        )


def describe_file(path: Path) -> WeightFile:
    """Name, hash and size of a file.

    Raises:
        WeightsUnavailableError: It cannot be read.
    """
    with _readable(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return WeightFile(path.name, digest, path.stat().st_size)


@contextmanager
def unreadable(path: Path, what: str) -> Iterator[None]:
    """Turns errors from reading a foreign or damaged file into a ``WeightsMismatchError``."""
    try:
        yield
    except EmotionError:
        raise
    except KeyError as error:
        raise WeightsMismatchError(f"{path.name} {what}; it lacks {error}.") from error
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsMismatchError(f"{path.name} {what} ({reason}).") from error


def _with_adaptation(text: str | None, make: partial[ModelCard]) -> partial[ModelCard]:
    """Adds to a card what ``adapt`` wrote about the labels, if it did."""
    if text is None:
        return make
    notes = json.loads(text)
    adapted = AdaptedFrom.from_notes(notes)
    figures = {
        f"cross-validated {str(name)[:40].replace('_', ' ')}, own labels": float(figure["after"])
        for name, figure in notes["figures"].items()
    }
    base, n = adapted.base, adapted.n_labels
    note = f"Adapted from {base} to {n} labels of {adapted.n_units} people or photos."
    source = f"adapted with Emoscope from {base}, SHA-256 {adapted.sha256}"
    return partial(make, note=note, source=source, metrics=figures, adapted=adapted)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WeightsUnavailableError(
            f"{path} cannot be read ({error.strerror or error})."
        ) from error


def _find_twin(path: Path, metadata: Mapping[str, str]) -> WeightFile | None:
    """The safetensors file beside a graph of the same network, if it exists."""
    beside = path.with_suffix(".safetensors")
    if path.suffix != ".onnx" or not beside.is_file():
        return None
    return describe_file(beside) if read_metadata(beside) == metadata else None


def read_metadata(path: Path) -> Mapping[str, str]:
    """The metadata of an exported file; may be empty.

    Raises:
        WeightsMismatchError: It is no such file.
    """
    if path.suffix == ".onnx":
        return {entry.key: entry.value for entry in read_graph(path).metadata_props}
    from safetensors import SafetensorError, safe_open

    try:
        with _readable(path), safe_open(path, framework="np") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise WeightsMismatchError(f"{path.name} is no safetensors file: {error}.") from error


def read_graph(path: Path) -> onnx.ModelProto:
    """A graph, without weights in external files.

    Raises:
        WeightsMismatchError: The file is no graph.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        with _readable(path):
            return onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise WeightsMismatchError(f"{path.name} is not an ONNX graph.") from error


def _is_yunet(path: Path) -> bool:
    """Whether a graph is a YuNet's rather than one of this project's detectors.

    Raises:
        WeightsMismatchError: It is neither.
    """
    names = {output.name for output in read_graph(path).graph.output}
    if names >= {"scores", "boxes", "landmarks"}:
        return False
    if names >= {"cls_8", "obj_8", "bbox_8", "kps_8"}:
        return True
    raise WeightsMismatchError(
        f"{path.name} is no face detector: its graph gives {', '.join(sorted(names)) or 'nothing'}."
        " Give a YuNet's, or one that `export-detector` wrote."
    )
