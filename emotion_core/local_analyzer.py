"""The analyzer in this process: a detector and an emotion network, fetched, verified, loaded."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from emotion_core.analyzer import ReadsOneImage
from emotion_core.detection.detector import FaceDetector
from emotion_core.detection.multiscale import MultiScaleFaceModel, MultiScaleRunner
from emotion_core.detection.opencv import OpenCvFaceModel
from emotion_core.errors import UnknownModelError, WeightsUnavailableError
from emotion_core.models.card import AnalyzerInfo, Task
from emotion_core.models.download import fetch
from emotion_core.models.hub import TRANSFORMERS, load_transformers_module, resolve_models
from emotion_core.models.local import validate_io
from emotion_core.models.registry import CARDS
from emotion_core.models.runtime import OnnxNetwork, TorchNetwork, pick_device
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.types import DEFAULT_OPTIONS, Analysis

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emotion_core.detection.multiscale import AnyRunner
    from emotion_core.models.card import ModelCard, WeightFile
    from emotion_core.models.download import FetchedFile, Progress
    from emotion_core.models.runtime import Network
    from emotion_core.types import AnalyzeOptions, Device, Image


class LocalAnalyzer(ReadsOneImage):
    """Detector and classifier in this process."""

    def __init__(
        self, detector: FaceDetector, classifier: EmotionClassifier, info: AnalyzerInfo
    ) -> None:
        self.detector = detector
        self.classifier = classifier
        self.info = info

    def analyze(
        self,
        images: Sequence[Image],
        options: AnalyzeOptions = DEFAULT_OPTIONS,
    ) -> list[Analysis]:
        """See ``Analyzer``."""
        if not images:
            return []
        start = time.perf_counter()
        faces = self.detector.detect(images, options)
        predictions = self.classifier.classify(images, faces)
        time_s = (time.perf_counter() - start) / len(images)
        return [
            Analysis((image.shape[1], image.shape[0]), found, read, self.info.emotion.name, time_s)
            for image, found, read in zip(images, faces, predictions, strict=True)
        ]


def load_analyzer(
    model: str | Sequence[ModelCard] | None = None,
    detector: str | Sequence[ModelCard] | None = None,
    *,
    device: str = "auto",
    on_progress: Progress | None = None,
) -> LocalAnalyzer:
    """Fetch, verify and load a detector and an emotion network.

    Args:
        model: Emotion network: a name from ``emoscope models list``, a path, or a Hub repository
            ``owner/name[@commit]``; by default the project's choice. Cards are tried in order:
            where the files of one cannot be had, the next is taken and ``info.notices`` says so.
        detector: Face detector, in the same way.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        on_progress: Told of downloads.

    Raises:
        UnknownModelError: There is no such network.
        WeightsUnavailableError: None of the candidates' files is to be had.
        WeightsMismatchError: A file is not what its card says.
        EmotionError: The device does not exist here.
    """
    where = pick_device(device)
    faces = fetch_first(_cards(detector, Task.DETECTION), where, on_progress)
    read = fetch_first(_cards(model, Task.EMOTION), where, on_progress)
    network = load_runtime(read.card, read.file.path, where)
    info = AnalyzerInfo(
        read.card,
        faces.card,
        network.device,
        tuple(f"{found.card.name}: {found.file.detail}" for found in (faces, read)),
        (*faces.notices, *read.notices),
    )
    return LocalAnalyzer(
        make_detector(faces.card, faces.file.path, where),
        EmotionClassifier(network, read.card),
        info,
    )


def _cards(wanted: str | Sequence[ModelCard] | None, task: Task) -> Sequence[ModelCard]:
    return resolve_models(wanted, task) if wanted is None or isinstance(wanted, str) else wanted


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """The first of some networks whose file is to be had.

    Attributes:
        card: Which one.
        file: Its file for the device, verified.
        notices: One sentence per network before it that is out of reach.
    """

    card: ModelCard
    file: FetchedFile
    notices: tuple[str, ...]


def fetch_first(
    cards: Sequence[ModelCard], device: Device, on_progress: Progress | None = None
) -> ResolvedModel:
    """Fetch the first card's file that can be had.

    Args:
        cards: In order of preference.
        device: Decides which of a card's files is meant.
        on_progress: Told of downloads.

    Raises:
        WeightsUnavailableError: None of the files is to be had.
        WeightsMismatchError: A file is not what its card says.
    """
    notices: list[str] = []
    for card, following in zip_longest(cards, cards[1:]):
        try:
            fetched = fetch(card, _file_for(card, device), on_progress=on_progress)
        except WeightsUnavailableError as error:
            if following is None:
                raise
            notices.append(f"{error} Using {following.name} instead of {card.name}.")
        else:
            return ResolvedModel(card, fetched, tuple(notices))
    raise UnknownModelError("No model was named.")


def _file_for(card: ModelCard, device: Device) -> WeightFile:
    return card.torch_weights if device == "cuda" and card.torch_weights else card.weights


def load_runtime(card: ModelCard, path: Path, device: Device) -> Network:
    """Load an emotion network's file; ``runtime`` tells what runs it.

    Args:
        card: Says what the file holds.
        path: ``.safetensors`` of this project, or ONNX; not read for a transformers network, whose
            files are looked up by its card.
        device: Where torch runs it; ONNX graphs stay on the CPU.

    Raises:
        WeightsMismatchError: The file is not what the card says.
    """
    if card.architecture == TRANSFORMERS:
        return TorchNetwork(load_transformers_module(card), device)
    network: Network = OnnxNetwork(path) if path.suffix == ".onnx" else _load_torch(path, device)
    if CARDS.get(card.name) != card:  # nobody has tried this file before
        validate_io(network, card)
    return network


def _load_torch(path: Path, device: Device) -> TorchNetwork:
    from emotion_core.networks.emotion_net import load_network  # imports torch, which takes seconds

    return TorchNetwork(load_network(path), device)


def make_detector(card: ModelCard, path: Path, device: Device) -> FaceDetector:
    """Load a face detector's file; arguments and errors as of ``load_runtime``.

    OpenCV runs YuNet on the CPU, where it is faster than eager torch, and torch on a GPU, in
    batches.
    """
    if card.architecture == "opencv-yunet":
        if device == "cpu":
            return FaceDetector(OpenCvFaceModel(path), card)
        from emotion_core.detection.multiscale_torch import TorchMultiScaleRunner
        from emotion_core.networks.yunet import load_yunet

        runner = TorchMultiScaleRunner(load_yunet(path), device)
        return FaceDetector(MultiScaleFaceModel.for_yunet(runner), card)
    return FaceDetector(MultiScaleFaceModel(_make_runner(path, device)), card)


def _make_runner(path: Path, device: Device) -> AnyRunner:
    if path.suffix != ".safetensors":
        return MultiScaleRunner(OnnxNetwork(path))
    from emotion_core.detection.multiscale_torch import TorchMultiScaleRunner
    from emotion_core.networks.face_net import load_face_network

    return TorchMultiScaleRunner(load_face_network(path), device)
