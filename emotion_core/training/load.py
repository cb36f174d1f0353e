"""The network that is to be measured: released, published, or still in training."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.analyzer import LocalAnalyzer, fetch_first, make_detector, make_network
from emotion_core.analyzer_info import AnalyzerInfo
from emotion_core.catalog import candidates
from emotion_core.classifier import EmotionClassifier
from emotion_core.errors import (
    EmotionError,
    UnknownModelError,
    WeightsMismatchError,
    WeightsUnavailableError,
)
from emotion_core.hub_models import TRANSFORMERS, find_model, load_transformers_module
from emotion_core.labels import to_label_set
from emotion_core.model_card import ModelCard, Preprocessing, Task, WeightFile
from emotion_core.runtime import TorchNetwork, pick_device
from emotion_core.training.face_set import LABELS
from emotion_core.training.network_size import NetworkSize, count_module, count_onnx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from emotion_core.model_card import FivePoints
    from emotion_core.runtime import Network
    from emotion_core.types import Device

FILES = (".safetensors", ".onnx", ".pt")
"""Endings by which a path is told from the name of a model."""


@dataclass(frozen=True, eq=False, slots=True)
class LoadedModel:
    """A network, ready to be measured.

    Attributes:
        classifier: The product's own, around it.
        network: What ``classifier`` runs.
        path: The file that it came from.
        notices: One sentence per network that would have been preferred and is out of reach.
    """

    classifier: EmotionClassifier
    network: Network
    path: Path
    notices: tuple[str, ...] = ()

    def count(self) -> NetworkSize:
        """Parameters, multiply-adds and size of the file."""
        card = self.classifier.card
        preprocessing = card.preprocessing
        if preprocessing is None:
            raise ValueError(f"{card.name} has no preprocessing.")
        shape = (1, len(preprocessing.mean), preprocessing.size_px, preprocessing.size_px)
        if self.path.suffix == ".onnx":
            return count_onnx(self.path, shape)
        return count_module(_load_module(card, self.path), shape, self.path)


def load_model(model: str | None, device: str = "auto") -> LoadedModel:
    """Load a network by what a user typed.

    Args:
        model: A name of the catalog, a Hub repository as ``owner/name[@commit]``, or a path: to a
            released ``.safetensors`` or ``.onnx``, whose metadata tells its labels and its input,
            or to a ``.pt`` of a training run, whose averaged weights are taken without
            calibration. ``None``: the first of the product's defaults that is to be had.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        UnknownModelError: No such name.
        WeightsUnavailableError: The file is not to be had.
        WeightsMismatchError: The file is not what it should be.
        EmotionError: The device does not exist here, or a package is missing.
    """
    where = pick_device(device)
    if model is not None and (Path(model).suffix in FILES or Path(model).is_file()):
        return _load_file(Path(model), where)
    cards = candidates(Task.EMOTION) if model is None else [find_model(model, Task.EMOTION)]
    found = fetch_first(cards, where)
    network = make_network(found.card, found.file.path, where)
    classifier = EmotionClassifier(network, found.card)
    return LoadedModel(classifier, network, found.file.path, found.notices)


def load_pipeline(model: LoadedModel, detector: str | None, device: str = "auto") -> LocalAnalyzer:
    """Put a network behind a face detector, as the product does.

    Args:
        model: The emotion network.
        detector: A name of the catalog; ``None``: the first default that is to be had.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        UnknownModelError: There is no such detector.
        WeightsUnavailableError: Its file is not to be had.
        WeightsMismatchError: Its file is not what it should be.
    """
    where = pick_device(device)
    cards = (
        candidates(Task.DETECTION) if detector is None else [find_model(detector, Task.DETECTION)]
    )
    found = fetch_first(cards, where)
    info = AnalyzerInfo(
        model.classifier.card, found.card, model.network.device, notices=found.notices
    )
    finder = make_detector(found.card, found.file.path, where)
    return LocalAnalyzer(finder, model.classifier, info)


def read_released_card(path: Path) -> ModelCard:
    """Describe a network that ``export`` wrote, so that it can be published.

    Args:
        path: Either of its two files; the other lies beside it.

    Raises:
        WeightsUnavailableError: A file is missing.
        WeightsMismatchError: The files do not tell their labels and their input.
    """
    graph, weights = path.with_suffix(".onnx"), path.with_suffix(".safetensors")
    for file in (graph, weights):
        if not file.is_file():
            raise WeightsUnavailableError(f"There is no weight file {file}; `export` makes it.")
    card = _to_card(graph, _read_metadata(graph))
    source = "trained with Emoscope by whoever publishes it"
    return replace(card, name=path.stem, source=source, torch_weights=_describe(weights))


def _load_file(path: Path, device: Device) -> LoadedModel:
    if not path.is_file():
        raise WeightsUnavailableError(f"There is no weight file {path}.")
    if path.suffix not in FILES:
        raise UnknownModelError(f"{path.name} is no network; give one of: {', '.join(FILES)}.")
    if path.suffix == ".pt":
        card, module = _read_checkpoint(path)
        network: Network = TorchNetwork(module, device)
    else:
        card = _to_card(path, _read_metadata(path))
        network = make_network(card, path, device)
    return LoadedModel(EmotionClassifier(network, card), network, path)


def _read_metadata(path: Path) -> Mapping[str, str]:
    """What an export wrote beside the weights; empty if there is nothing."""
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as file:
                return file.metadata() or {}
        except SafetensorError as error:
            raise WeightsMismatchError(f"{path.name} is no safetensors file: {error}.") from error
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    except DecodeError as error:
        raise WeightsMismatchError(f"{path.name} is not an ONNX graph.") from error


def _to_card(path: Path, metadata: Mapping[str, str]) -> ModelCard:
    """Describe a file by its metadata."""
    with _unreadable(path, "does not tell its labels and its input, as `export` writes them"):
        preprocessing = json.loads(metadata["preprocessing"])
        template = preprocessing.get("template")
        return ModelCard(
            name=path.name,
            task=Task.EMOTION,
            architecture="onnx" if path.suffix == ".onnx" else metadata["architecture"],
            weights=_describe(path),
            licence="not stated",
            source=str(path),
            labels=to_label_set(metadata["labels"].split(",")),
            has_va=metadata.get("has_va") == "True",
            preprocessing=Preprocessing(
                size_px=preprocessing["size_px"],
                mean=tuple(preprocessing["mean"]),
                std=tuple(preprocessing["std"]),
                margin=preprocessing.get("margin", 0.0),
                template=_to_five_points(template) if template else None,
            ),
            temperature=float(metadata["temperature"]),
        )


def _to_five_points(points: Sequence[Sequence[float]]) -> FivePoints:
    a, b, c, d, e = ((float(x), float(y)) for x, y in points)
    return a, b, c, d, e


def _read_checkpoint(path: Path) -> tuple[ModelCard, Any]:
    """The averaged network of a training run, on the CPU, and its description."""
    from emotion_core.models import make_network as build
    from emotion_core.training.checkpoint import load_checkpoint
    from emotion_core.training.config import TrainConfig

    with _unreadable(path, "is no checkpoint of a training run"):
        saved = load_checkpoint(path)
        config = TrainConfig.from_json(saved["config"])
        network = build(config.architecture, len(LABELS), has_va=config.has_va)
        network.load_state_dict(saved["averaged"])
    card = ModelCard(
        name=path.name,
        task=Task.EMOTION,
        architecture=config.architecture,
        weights=_describe(path),
        licence="not stated",
        source=f"{path}, epoch {saved['epoch']}",
        labels=LABELS,
        has_va=config.has_va,
        preprocessing=config.preprocessing,
    )
    return card, network.eval()


def _load_module(card: ModelCard, path: Path) -> Any:
    if card.architecture == TRANSFORMERS:
        return load_transformers_module(card)
    if path.suffix == ".pt":
        return _read_checkpoint(path)[1]
    from emotion_core.models import load_network

    return load_network(path)


def _describe(path: Path) -> WeightFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return WeightFile(path.name, digest, path.stat().st_size)


@contextmanager
def _unreadable(path: Path, what: str) -> Iterator[None]:
    """Turn what a foreign or damaged file makes readers raise into one sentence."""
    try:
        yield
    except EmotionError:
        raise
    except KeyError as error:
        raise WeightsMismatchError(f"{path.name} {what}; it lacks {error}.") from error
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsMismatchError(f"{path.name} {what} ({reason}).") from error
