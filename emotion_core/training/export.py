"""A checkpoint to the two files that are released: safetensors, and the ONNX made from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from emotion_core.errors import WeightsMismatchError, WeightsUnavailableError
from emotion_core.model_card import Preprocessing
from emotion_core.models import load_network, make_network
from emotion_core.preprocess import to_input
from emotion_core.training.config import LABELS, TrainConfig
from emotion_core.training.loop import load_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from emotion_core.training.datasets import FaceSet
    from emotion_core.types import FloatArray

_OPSET = 18
_BATCH_SIZE = 256


def predict_checkpoint(checkpoint: Path, faces: FaceSet) -> FloatArray:
    """Run the averaged weights of a checkpoint on whole grey faces: ``(N, 9)`` logits."""
    saved = load_checkpoint(checkpoint)
    config = TrainConfig.from_json(saved["config"])
    network = make_network(config.architecture, len(LABELS)).eval()
    network.load_state_dict(saved["averaged"])
    with torch.inference_mode():
        logits = [
            network(torch.from_numpy(to_input(crops, config.preprocessing)))
            for crops in _iter_crops(faces)
        ]
    return np.asarray(torch.cat(logits).numpy(), np.float32)


def predict_onnx(path: Path, faces: FaceSet) -> tuple[FloatArray, float]:
    """Run a released network on whole grey faces, as the product runs it on its crops.

    Args:
        path: What ``export_onnx`` wrote.
        faces: At the size of the network's input.

    Returns:
        ``(N, C)`` logits, and the temperature by which they are to be divided.

    Raises:
        WeightsUnavailableError: The file is not there.
        WeightsMismatchError: The file lacks what ``export_onnx`` writes into it.
    """
    if not path.is_file():
        raise WeightsUnavailableError(f"There is no weight file {path}.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    if "preprocessing" not in metadata:
        raise WeightsMismatchError(f"{path.name} does not say how faces become its input.")
    preprocessing = Preprocessing(**json.loads(metadata["preprocessing"]))
    logits = [
        session.run(["logits"], {"faces": to_input(crops, preprocessing)})[0]
        for crops in _iter_crops(faces)
    ]
    return np.concatenate(logits).astype(np.float32), float(metadata["temperature"])


def export_safetensors(checkpoint: Path, path: Path, temperature: float) -> None:
    """Write the averaged weights of a checkpoint, with all that is needed to use them as metadata.

    Args:
        checkpoint: What a ``Trainer`` saved.
        path: Where to write.
        temperature: Fitted on validation faces; written down, not folded into the weights.
    """
    saved = load_checkpoint(checkpoint)
    config = TrainConfig.from_json(saved["config"])
    metadata = {
        "architecture": config.architecture,
        "labels": ",".join(LABELS),
        "preprocessing": json.dumps(asdict(config.preprocessing)),
        "temperature": str(temperature),
        "train_config": saved["config"],
        "epoch": str(saved["epoch"]),
    }
    state = {key: value.contiguous() for key, value in saved["averaged"].items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata)


def export_onnx(weights: Path, path: Path) -> None:
    """Make the ONNX of a safetensors file: "faces" ``(N, 1, S, S)`` to "logits" ``(N, 9)``.

    The metadata goes along.
    """
    network = load_network(weights)
    with safe_open(weights, framework="pt") as file:
        metadata: dict[str, str] = file.metadata()
    size_px = json.loads(metadata["preprocessing"])["size_px"]
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 1, size_px, size_px),),
        input_names=["faces"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        opset_version=_OPSET,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise WeightsMismatchError(f"{weights.name} could not be translated to ONNX.")
    model = program.model_proto
    for noted in (*model.graph.node, *model.graph.value_info, model.graph):
        noted.ClearField("metadata_props")  # source lines and paths of the exporting machine
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)


def _iter_crops(faces: FaceSet) -> Iterator[npt.NDArray[np.uint8]]:
    for start in range(0, len(faces), _BATCH_SIZE):
        yield np.repeat(faces.faces[start : start + _BATCH_SIZE, :, :, None], 3, axis=3)
