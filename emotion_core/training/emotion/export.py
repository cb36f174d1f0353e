"""Releases a checkpoint as safetensors, and as the ONNX made from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import safe_open

from emotion_core.errors import EmotionError
from emotion_core.files.save import save_file
from emotion_core.networks.emotion_net import load_network
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.emotion.class_balance import to_class_shares
from emotion_core.training.emotion.load import load_averaged, make_classifier
from emotion_core.training.engine.release import (
    ReleasedFile,
    check_release,
    compare_onnx,
    save_network,
    to_onnx,
)
from emotion_core.training.evaluation.evaluate import predict
from emotion_core.training.evaluation.metrics import fit_temperature, nine_class_truth

if TYPE_CHECKING:
    from pathlib import Path

    from emotion_core.networks.emotion_net import EmotionNet
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.emotion.class_balance import Weights
    from emotion_core.training.emotion.config import TrainConfig


@dataclass(frozen=True, eq=False, slots=True)
class Trained:
    """The averaged network of a checkpoint.

    Attributes:
        network: On the CPU, ready to predict.
        config: Of its training.
        metadata: Of its files, except for the temperature.
    """

    network: EmotionNet
    config: TrainConfig
    metadata: dict[str, str]


def release_emotion(
    checkpoint: Path,
    path: Path,
    faces: FaceSet,
    *,
    recall_weight: float = 0.0,
    mixed_in: tuple[Path, float] | None = None,
) -> tuple[ReleasedFile, ReleasedFile]:
    """Calibrates the averaged weights of a checkpoint, writes both files, and compares them.

    Args:
        checkpoint: Saved by an ``EmotionTrainer``.
        path: The safetensors file; the ONNX goes beside it.
        faces: To fit the temperature on, with the shares of emotions that are to be expected; not
            the training faces.
        recall_weight: See ``favour_rare``.
        mixed_in: Another checkpoint and its share of all weights; see ``mix_in``.

    Raises:
        EmotionError: A checkpoint, the file name, the weight or the share is invalid, or a file
            cannot be written.
    """
    check_release(path)
    trained = load_trained(checkpoint)
    if mixed_in:
        mix_in(trained, load_trained(mixed_in[0]), mixed_in[1])
    temperature = calibrate(trained, faces)
    if recall_weight:
        favour_rare(trained, recall_weight, temperature, to_word_shares(faces))
        temperature = calibrate(trained, faces)  # no word changes by it
    graph = path.with_suffix(".onnx")
    export_safetensors(trained, path, temperature)
    export_emotion_onnx(path, graph)
    check_emotion_onnx(path, graph)
    return ReleasedFile.of(path, temperature), ReleasedFile.of(graph, temperature)


def calibrate(trained: Trained, faces: FaceSet) -> float:
    """Fits the temperature of a network to faces that it did not learn from.

    Raises:
        DatasetError: There is no face on whose class more than half agree.
    """
    probabilities, _ = predict(make_classifier(trained.network, trained.config, "cpu"), faces)
    # With temperature 1 these are the logits but for a constant per face, which does not count.
    return fit_temperature(np.log(np.maximum(probabilities, 1e-30)), faces)


def load_trained(checkpoint: Path) -> Trained:
    """Loads the averaged network of a checkpoint.

    Raises:
        WeightsUnavailableError: There is no such file.
        WeightsMismatchError: It is no checkpoint of an emotion network.
    """
    network, config, saved = load_averaged(checkpoint)
    metadata = {
        "architecture": config.architecture,
        "labels": ",".join(LABELS),
        "has_va": str(config.has_va),
        "has_actions": str(config.has_actions),
        "preprocessing": json.dumps(asdict(config.preprocessing)),
        "train_config": saved["config"],
        "epoch": str(saved["epoch"]),
    }
    for key in ("data", "pretrained"):
        if saved.get(key):
            metadata[key] = saved[key]
    return Trained(network, config, metadata)


@torch.no_grad()
def mix_in(trained: Trained, other: Trained, share: float) -> None:
    """Averages the weights of two networks of which one started from the other, or both from one.

    Args:
        trained: Changed in place, and noted in its metadata.
        other: Of the same architecture and outputs.
        share: Of the other's weights, 0-1.

    Raises:
        EmotionError: The share is out of range, or the networks differ.

    Source: M. Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models
    improves accuracy without increasing inference time", ICML 2022.
    """
    if not 0 <= share <= 1:
        raise EmotionError(f"The share of the other weights must lie in 0 to 1, not be {share}.")
    own, others = trained.network.state_dict(), other.network.state_dict()
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in others.items()}:
        raise EmotionError("Only networks of the same architecture and outputs can be averaged.")
    for name, weights in own.items():
        if weights.is_floating_point():
            weights.lerp_(others[name], share)
    trained.metadata["mixed_in"] = json.dumps(
        {"config": other.metadata["train_config"], "share": share}
    )


def to_word_shares(faces: FaceSet) -> Weights:
    """``(9,)`` share of each emotion among the faces on whose emotion more than half agree."""
    _, truth = nine_class_truth(faces)
    return to_class_shares(np.eye(len(LABELS), dtype=np.float32)[truth])


@torch.no_grad()
def favour_rare(trained: Trained, weight: float, temperature: float, shares: Weights) -> None:
    """Makes rare emotions likelier, so that more of them are recalled at the least cost.

    The word of the highest probability maximises the expected accuracy. The word of the highest
    probability times ``1 - weight + weight / (C * share)``, of C emotions with these shares,
    maximises ``1 - weight`` times the expected accuracy plus ``weight`` times the expected mean
    recall: a face counts 1 for the one and ``1 / (C * share)`` for the other if its word is right.
    The logarithms of these factors are folded into the last layer's bias; an emotion that does not
    occur is left as it is.

    Args:
        trained: Changed in place, and noted in its metadata.
        weight: Of the mean recall, 0-1.
        temperature: At which the probabilities are calibrated.
        shares: ``(9,)`` of the emotions among the faces that are to be read.

    Raises:
        EmotionError: The weight is out of range, or the training already favoured rare emotions.

    Source: the Bayes decision for that sum, as derived above.
    """
    if not 0 <= weight <= 1:
        raise EmotionError(f"The weight of the mean recall must lie in 0 to 1, not be {weight}.")
    if trained.config.balance != "none":
        raise EmotionError(
            f"The network was trained with balance {trained.config.balance}, which already makes "
            "rare emotions likelier; leave out --recall-weight."
        )
    factors = torch.ones(len(shares))
    occurs = torch.from_numpy(shares > 0)
    factors[occurs] = 1 - weight + weight / torch.from_numpy(len(shares) * shares).float()[occurs]
    trained.network.state_dict()["head.1.bias"].add_(temperature * factors.log())
    trained.metadata["recall_weight"] = str(weight)


def export_safetensors(trained: Trained, path: Path, temperature: float) -> None:
    """Writes a network with its metadata; the temperature is not folded into the weights."""
    save_network(trained.network, path, trained.metadata | {"temperature": str(temperature)})


def export_emotion_onnx(weights: Path, path: Path) -> None:
    """Makes the ONNX of a safetensors file, with its metadata, for any number of faces.

    Inputs and outputs: "faces" ``(N, 1 or 3, S, S)``, "logits" ``(N, 9)`` and, if the network has
    them, "va" ``(N, 2)``, "actions" ``(N, 51)`` and "pose" ``(N, 3)``.

    Raises:
        WeightsMismatchError: The network could not be translated.
    """
    import onnx

    network, metadata = load_network(weights), _read_metadata(weights)
    sizes = {0: torch.export.Dim("n")}
    model = to_onnx(network, _example(metadata, 2), "faces", list(network.output_names), sizes)
    onnx.helper.set_model_props(model, metadata)
    save_file(path, model.SerializeToString())


def check_emotion_onnx(weights: Path, graph: Path) -> None:
    """Compares both files on random input, for one face and for three; see ``compare_onnx``."""
    inputs = (_example(_read_metadata(weights), n) for n in (1, 3))
    compare_onnx(weights, graph, load_network(weights), inputs)


def _example(metadata: dict[str, str], n: int) -> torch.Tensor:
    """Random input ``(n, C, S, S)`` of the size in the metadata."""
    preprocessing = json.loads(metadata["preprocessing"])
    shape = (n, len(preprocessing["mean"]), *[preprocessing["size_px"]] * 2)
    return torch.randn(shape, generator=torch.Generator().manual_seed(n))


def _read_metadata(weights: Path) -> dict[str, str]:
    with safe_open(weights, framework="pt") as file:
        metadata: dict[str, str] = file.metadata()
    return metadata
