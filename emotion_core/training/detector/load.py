"""Networks by name: released weights, checkpoints, detectors of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.detection.detector import FaceDetector
from emotion_core.detection.multiscale import MultiScaleFaceModel
from emotion_core.detection.multiscale_torch import TorchMultiScaleRunner
from emotion_core.errors import WeightsMismatchError
from emotion_core.local_analyzer import fetch_first, make_detector
from emotion_core.models.card import ModelCard, Task, WeightFile
from emotion_core.models.hub import find_model
from emotion_core.models.local import describe_file
from emotion_core.networks.face_net import DecodedFaceNetwork, FaceNetwork, FaceNetworkConfig
from emotion_core.training.detector.config import DetectorTrainConfig
from emotion_core.training.engine.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from emotion_core.types import Device

KEYS = ("config", "network", "average", "optimiser", "step", "network_config")
"""Keys of all checkpoints of detectors, including the oldest ones."""


@dataclass(frozen=True, eq=False, slots=True)
class LoadedDetector:
    """A detector, ready to be measured.

    Attributes:
        detector: As in the product.
        path: Its file.
    """

    detector: FaceDetector
    path: Path

    @property
    def card(self) -> ModelCard:
        """The detector's card."""
        return self.detector.card

    @property
    def sha256(self) -> str:
        """The hash of its file."""
        return describe_file(self.path).sha256


def load_detector(name: str, device: Device) -> LoadedDetector:
    """Loads a detector.

    Args:
        name: See ``find_model``; or a ``.pt`` of a training run, whose averaged weights are taken.
        device: Where torch runs it; ONNX graphs stay on the CPU.

    Raises:
        UnknownModelError: There is no such name.
        WeightsUnavailableError: The file is not available.
        WeightsMismatchError: The file is not what it should be.
    """
    path = Path(name)
    if path.suffix == ".pt":
        return LoadedDetector(wrap_network(load_average(path), device, path), path)
    found = fetch_first([find_model(name, Task.DETECTION)], device)
    return LoadedDetector(make_detector(found.card, found.file.path, device), found.file.path)


def load_average(path: Path, *, shift: float = 0.0) -> FaceNetwork:
    """Loads the averaged network of a checkpoint onto the CPU, ready for use.

    Args:
        path: Checkpoint.
        shift: Added to the logit of every score, which moves the threshold.

    Raises:
        WeightsUnavailableError: There is no such file.
        WeightsMismatchError: It is no checkpoint of a face detector.
    """
    state = load_checkpoint(path, KEYS, "a face detector")
    try:
        network = FaceNetwork(FaceNetworkConfig.from_fields(state["network_config"]))
        network.load_state_dict(state["average"])
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsMismatchError(
            f"{path} does not hold the network that it describes ({reason})."
        ) from error
    for head in network.heads:
        head.get_parameter("1.bias").data[0] += shift
    return network.eval()


def read_train_config(path: Path) -> DetectorTrainConfig:
    """Reads the configuration of the training of a checkpoint.

    Raises:
        WeightsUnavailableError: There is no such file.
        WeightsMismatchError: It is no checkpoint of a face detector, or of an older version, which
            can be exported but not resumed.
    """
    text = load_checkpoint(path, KEYS, "a face detector")["config"]
    if not isinstance(text, str):
        raise WeightsMismatchError(
            f"{path} was written by an older version; export it, and start from the weights: "
            "--init OUT.safetensors."
        )
    return DetectorTrainConfig.from_json(text)


def wrap_network(network: FaceNetwork, device: Device, path: Path) -> FaceDetector:
    """Puts a network in training into the product's detector.

    Args:
        network: Is switched to evaluation.
        device: Where it is to run.
        path: Of its file, for the card; it need not exist.
    """
    runner = TorchMultiScaleRunner(DecodedFaceNetwork(network), device)
    card = ModelCard(
        name=path.name,
        task=Task.DETECTION,
        architecture="onnx",
        weights=describe_file(path) if path.is_file() else WeightFile(path.name, "0" * 64),
        licence="not stated",
        source=f"the file {path.name}",
    )
    return FaceDetector(MultiScaleFaceModel(runner), card)
