"""The local analyzer: a face detector and an emotion network, fetched, verified and loaded."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING

from emotion_core.analyzer import ReadsOneImage, analyze_part
from emotion_core.detection.detector import FaceDetector
from emotion_core.detection.multiscale import MultiScaleFaceModel, MultiScaleRunner
from emotion_core.detection.opencv import OpenCvFaceModel
from emotion_core.detection.paired import PairedDetector
from emotion_core.detection.turned import TurnedFaceDetector
from emotion_core.errors import UnknownModelError, WeightsMismatchError, WeightsUnavailableError
from emotion_core.models.card import AnalyzerInfo, Task
from emotion_core.models.download import fetch, is_available, verify
from emotion_core.models.hub import TRANSFORMERS, load_transformers_module, resolve_models
from emotion_core.models.local import validate_io
from emotion_core.models.registry import CARDS, candidates
from emotion_core.models.runtime import OnnxNetwork, TorchNetwork, pick_device
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.recognition.face_quality import measure_quality
from emotion_core.types import DEFAULT_OPTIONS, Analysis

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emotion_core.detection.paired import Detector
    from emotion_core.models.card import ModelCard
    from emotion_core.models.download import FetchedFile, Progress
    from emotion_core.models.material import Material
    from emotion_core.models.runtime import Network
    from emotion_core.types import AnalyzeOptions, Device, Faces, Image


class LocalAnalyzer(ReadsOneImage):
    """Face detector and emotion classifier in this process."""

    def __init__(
        self, detector: Detector, classifier: EmotionClassifier, info: AnalyzerInfo
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
        if options.region or options.largest_only:
            return analyze_part(self.analyze, images, options)
        start = time.perf_counter()
        found = self.read_found(images, self.detector.detect(images, options), options)
        time_s = (time.perf_counter() - start) / len(images)
        return [replace(one, time_s=time_s) for one in found]

    def read_found(
        self, images: Sequence[Image], faces: Sequence[Faces], options: AnalyzeOptions
    ) -> list[Analysis]:
        """Reads faces that were found before, as ``analyze`` reads those that it finds.

        Args:
            images: As for ``analyze``.
            faces: Of each image.
            options: Whether to tell action features; all faces are read.

        Returns:
            One per image; ``time_s`` is that of the reading alone.
        """
        if not images:
            return []
        start = time.perf_counter()
        readings = self.classifier.read(images, faces)
        qualities = measure_quality(images, faces, [pitch_deg for _, pitch_deg in readings])
        predictions = [
            read if options.actions else replace(read, actions=None) for read, _ in readings
        ]
        time_s = (time.perf_counter() - start) / len(images)
        return [
            Analysis(image.shape[1::-1], found, predicted, self.info.emotion.title, time_s, quality)
            for image, found, predicted, quality in zip(
                images, faces, predictions, qualities, strict=True
            )
        ]


def load_analyzer(
    model: str | Sequence[ModelCard] | None = None,
    detector: str | Sequence[ModelCard] | None = None,
    *,
    device: str = "auto",
    material: Material = "everyday",
    on_progress: Progress | None = None,
) -> LocalAnalyzer:
    """Fetches, verifies and loads a detector and an emotion network.

    Args:
        model: Emotion network: a name from ``emoscope models list``, a path, or a Hub repository
            ``owner/name[@commit]``; by default the project's choice. Cards are tried in order: if
            the files of one are not available, the next is used and ``info.notices`` says so.
        detector: Face detector, in the same way.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        material: ``"everyday"``, as the networks were trained, or ``"posed"``, where all emotions
            are about as frequent, see ``ModelCard.logit_shift``.
        on_progress: Called during downloads.

    Raises:
        UnknownModelError: There is no such network.
        WeightsUnavailableError: No candidate's file is available.
        WeightsMismatchError: A file does not match its card.
        EmotionError: This machine has no such device, or the network cannot be used for the
            material.
    """
    target = pick_device(device)
    found = fetch_first(_cards(detector, Task.DETECTION), target, on_progress)
    emotion = fetch_first(_cards(model, Task.EMOTION), target, on_progress)
    network = load_runtime(emotion.card, emotion.file.path, target)
    card = emotion.card if material == "everyday" else emotion.card.for_material(material)
    info = AnalyzerInfo(
        card,
        found.card,
        network.device,
        tuple(f"{resolved.card.name}: {resolved.file.detail}" for resolved in (found, emotion)),
        (*found.notices, *emotion.notices),
    )
    upright = make_detector(found.card, found.file.path, target)
    load_second = partial(load_second_detector, found.card, target)
    face_detector = PairedDetector(TurnedFaceDetector(upright), load_second)
    return LocalAnalyzer(face_detector, EmotionClassifier(network, card), info)


def _cards(model: str | Sequence[ModelCard] | None, task: Task) -> Sequence[ModelCard]:
    return resolve_models(model, task) if model is None or isinstance(model, str) else model


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """The first of several models whose file is available.

    Attributes:
        card: Which one.
        file: Its file for the device, verified.
        notices: One sentence per unavailable model before it.
    """

    card: ModelCard
    file: FetchedFile
    notices: tuple[str, ...]


def fetch_first(
    cards: Sequence[ModelCard], device: Device, on_progress: Progress | None = None
) -> ResolvedModel:
    """Fetches the file of the first card for which it is available.

    Args:
        cards: In order of preference.
        device: Decides which of a card's files to fetch.
        on_progress: Called during downloads.

    Raises:
        WeightsUnavailableError: None of the files is available.
        WeightsMismatchError: A file does not match its card.
    """
    notices: list[str] = []
    for card, following in zip_longest(cards, cards[1:]):
        weights = card.torch_weights if device == "cuda" and card.torch_weights else card.weights
        try:
            fetched = fetch(card, weights, on_progress=on_progress)
        except WeightsUnavailableError as error:
            if following is None:
                raise
            notices.append(f"{error} Using {following.name} instead of {card.name}.")
        else:
            return ResolvedModel(card, fetched, tuple(notices))
    raise UnknownModelError("No model was named.")


def load_runtime(card: ModelCard, path: Path, device: Device) -> Network:
    """Loads an emotion network's file; ``emotion_core.models.runtime`` has the classes that run it.

    Args:
        card: Describes the file.
        path: ``.safetensors`` of this project, or ONNX; not read for a transformers network, whose
            files are looked up by its card.
        device: Where torch runs it; ONNX graphs stay on the CPU.

    Raises:
        WeightsMismatchError: The file does not match the card.
    """
    if card.architecture == TRANSFORMERS:
        return TorchNetwork(load_transformers_module(card), device)
    network: Network
    if path.suffix == ".onnx":
        network = OnnxNetwork(path)
    else:
        from emotion_core.networks.emotion_net import load_network  # imports torch: seconds

        network = TorchNetwork(load_network(path), device)
    if CARDS.get(card.name) != card:  # nobody has tried this file before
        validate_io(network, card)
    return network


def load_second_detector(first: ModelCard, device: Device) -> FaceDetector | None:
    """Loads a face detector besides another one, if the file of one is on this machine."""
    for card in candidates(Task.DETECTION):
        if card.name == first.name or not is_available(card):
            continue
        try:
            is_torch = device == "cuda" and card.torch_weights
            file = verify(card, card.torch_weights if is_torch else None)
        except (WeightsMismatchError, WeightsUnavailableError):
            continue
        return make_detector(card, file.path, device)
    return None


def make_detector(card: ModelCard, path: Path, device: Device) -> FaceDetector:
    """Loads a face detector's file; arguments and errors as in ``load_runtime``.

    OpenCV runs YuNet on the CPU, where it is faster than eager torch, and torch on a GPU, in
    batches.
    """
    is_yunet = card.architecture == "opencv-yunet"
    if is_yunet and device == "cpu":
        return FaceDetector(OpenCvFaceModel(path), card)
    if not is_yunet and path.suffix != ".safetensors":
        return FaceDetector(MultiScaleFaceModel(MultiScaleRunner(OnnxNetwork(path))), card)
    from emotion_core.detection.multiscale_torch import TorchMultiScaleRunner
    from emotion_core.networks.face_net import load_face_network
    from emotion_core.networks.yunet import load_yunet

    network = load_yunet(path) if is_yunet else load_face_network(path)
    runner = TorchMultiScaleRunner(network, device)
    return FaceDetector(MultiScaleFaceModel(runner, is_yunet=is_yunet), card)
