"""Loads the emotion network to be measured: released, published, or still in training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.detection.turned import TurnedFaceDetector
from emotion_core.errors import UnknownModelError
from emotion_core.local_analyzer import LocalAnalyzer, fetch_first, load_runtime, make_detector
from emotion_core.models import local
from emotion_core.models.card import AnalyzerInfo, ModelCard, Task, WeightFile
from emotion_core.models.hub import TRANSFORMERS, load_transformers_module, resolve_models
from emotion_core.models.local import describe_file, read_file_card, unreadable
from emotion_core.models.runtime import TorchNetwork, pick_device
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.evaluation.profile import NetworkSize, count_module, count_onnx

if TYPE_CHECKING:
    from emotion_core.models.runtime import Network
    from emotion_core.networks.emotion_net import EmotionNet
    from emotion_core.types import Device

FILES = (*local.FILES, ".pt")
"""Suffixes that distinguish a path from the name of a model."""


@dataclass(frozen=True, eq=False, slots=True)
class LoadedModel:
    """A network, ready to be measured.

    Attributes:
        classifier: As in the product.
        network: What ``classifier`` runs.
        path: The file that it came from.
        notices: One sentence per preferred network that is not available.
    """

    classifier: EmotionClassifier
    network: Network
    path: Path
    notices: tuple[str, ...] = ()

    def count(self) -> NetworkSize:
        """Parameters, multiply-adds and size of the file."""
        how = self.classifier.preprocessing
        shape = (1, len(how.mean), how.size_px, how.size_px)
        if self.path.suffix == ".onnx":
            return count_onnx(self.path, shape)
        return count_module(_load_module(self.classifier.card, self.path), shape, self.path)


def load_model(model: str | None, device: str = "auto") -> LoadedModel:
    """Loads a network.

    Args:
        model: A name in the registry, a Hub repository as ``owner/name[@commit]``, or a path: to a
            released ``.safetensors`` or ``.onnx`` with metadata, or to a ``.pt`` of a training run,
            whose averaged weights are taken without calibration. ``None``: the first default that
            is available.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        UnknownModelError: There is no such name.
        WeightsUnavailableError: The file is not available.
        WeightsMismatchError: The file is not what it should be.
        EmotionError: The device does not exist here, or a package is missing.
    """
    where = pick_device(device)
    if model is not None and (Path(model).suffix in FILES or Path(model).is_file()):
        return _load_file(Path(model), where)
    found = fetch_first(resolve_models(model, Task.EMOTION), where)
    network = load_runtime(found.card, found.file.path, where)
    classifier = EmotionClassifier(network, found.card)
    return LoadedModel(classifier, network, found.file.path, found.notices)


def load_pipeline(model: LoadedModel, detector: str | None, device: str = "auto") -> LocalAnalyzer:
    """Puts a network behind a face detector, as the product does.

    Args:
        model: The emotion network.
        detector: See ``find_model``; ``None``: the first default that is available.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        UnknownModelError: There is no such detector.
        WeightsUnavailableError: Its file is not available.
        WeightsMismatchError: Its file is not what it should be.
    """
    where = pick_device(device)
    found = fetch_first(resolve_models(detector, Task.DETECTION), where)
    info = AnalyzerInfo(
        model.classifier.card, found.card, model.network.device, notices=found.notices
    )
    finder = TurnedFaceDetector(make_detector(found.card, found.file.path, where))
    return LocalAnalyzer(finder, model.classifier, info)


def _load_file(path: Path, device: Device) -> LoadedModel:
    if path.suffix == ".pt" and path.is_file():
        module, config, saved = load_averaged(path)
        card = make_card(config, describe_file(path), f"{path}, epoch {saved['epoch']}")
        network: Network = TorchNetwork(module, device)
    elif path.is_file() and path.suffix not in FILES:
        raise UnknownModelError(f"{path.name} is no network; give one of: {', '.join(FILES)}.")
    else:
        card = read_file_card(path, Task.EMOTION)
        network = load_runtime(card, path, device)
    return LoadedModel(EmotionClassifier(network, card), network, path)


def load_averaged(path: Path) -> tuple[EmotionNet, TrainConfig, dict[str, Any]]:
    """Loads the averaged network of a run onto the CPU, with its configuration and checkpoint.

    Raises:
        WeightsUnavailableError: There is no such file.
        WeightsMismatchError: It is no checkpoint of an emotion network.
    """
    from emotion_core.networks.emotion_net import make_network as build
    from emotion_core.training.engine.checkpoint import load_checkpoint

    with unreadable(path, "is no checkpoint of a training run"):
        saved = load_checkpoint(path)
        config = TrainConfig.from_json(saved["config"])
        network = build(
            config.architecture,
            len(LABELS),
            has_va=config.has_va,
            has_actions=config.has_actions,
        )
        network.load_state_dict(saved["averaged"])
    return network.eval(), config, saved


def _load_module(card: ModelCard, path: Path) -> Any:
    if card.architecture == TRANSFORMERS:
        return load_transformers_module(card)
    if path.suffix == ".pt":
        return load_averaged(path)[0]
    from emotion_core.networks.emotion_net import load_network

    return load_network(path)


def make_card(config: TrainConfig, weights: WeightFile, source: str) -> ModelCard:
    """Describes a network in training, which is not calibrated."""
    return ModelCard(
        name=weights.filename,
        task=Task.EMOTION,
        architecture=config.architecture,
        weights=weights,
        licence="not stated",
        source=source,
        labels=LABELS,
        has_va=config.has_va,
        preprocessing=config.preprocessing,
    )


def make_classifier(network: Any, config: TrainConfig, device: Device) -> EmotionClassifier:
    """Puts an ``EmotionNet`` into the product's classifier, in evaluation mode and uncalibrated."""
    card = make_card(config, WeightFile("checkpoint", "0" * 64), "a training run")
    return EmotionClassifier(TorchNetwork(network, device), card)
