"""A checkpoint to the two files that are released: safetensors, and the ONNX made from it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save

from emotion_core.errors import EmotionError, WeightsMismatchError
from emotion_core.models.onnx_graph import load_onnxruntime
from emotion_core.networks.face_net import DecodedFaceNetwork, load_face_network
from emotion_core.training.detector.evaluate import judge_large
from emotion_core.training.detector.load import load_average, wrap_network
from emotion_core.training.detector.metrics import threshold_for
from emotion_core.training.engine.atomic_write import save_file
from emotion_core.training.engine.release import ReleasedFile, check_release
from emotion_core.types import DEFAULT_MIN_SCORE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emotion_core.networks.face_net import FaceNetwork
    from emotion_core.training.detector.samples import DetectionSample

_OPSET = 18
_TOLERANCE = 1e-4


def release_detector(
    checkpoint: Path, path: Path, *, shift: float = 0.0
) -> tuple[ReleasedFile, ReleasedFile]:
    """Write the averaged weights of a checkpoint as both files, and compare them.

    Args:
        checkpoint: What a ``DetectorTrainer`` saved.
        path: The safetensors file; the ONNX goes beside it.
        shift: Added to the logit of every score.

    Raises:
        EmotionError: The checkpoint or the file's name does not fit, a package is missing, or a
            file cannot be written.
    """
    check_release(path)
    network = load_average(checkpoint, shift=shift)
    graph = path.with_suffix(".onnx")
    metadata = {"config": json.dumps(asdict(network.config)), "shift": str(shift)}
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(path, save(state, metadata))
    export_detector_onnx(network, graph)
    check_detector_onnx(path, graph)
    return ReleasedFile.of(path), ReleasedFile.of(graph)


def find_shift(checkpoint: Path, pictures: Sequence[DetectionSample], precision: float) -> float:
    """The shift of all scores that brings a precision to the product's threshold.

    Args:
        checkpoint: What a ``DetectorTrainer`` saved.
        pictures: Held out, marked by hand. What is measured on them afterwards flatters.
        precision: Of faces from 16 px, 0-1.

    Returns:
        Rounded down to thousandths, so that the precision is at least as wanted.

    Raises:
        EmotionError: There is no such picture, or no threshold gives that precision.
    """
    if not pictures:
        raise EmotionError("--precision needs pictures marked by hand: --boxes or --wider.")
    judged = judge_large(wrap_network(load_average(checkpoint), "cpu", checkpoint), pictures)
    score = threshold_for(judged, precision)
    if score is None:
        raise EmotionError(f"No threshold gives a precision of {precision:g}; ask for less.")
    return math.floor(1000 * (_logit(DEFAULT_MIN_SCORE) - _logit(score))) / 1000


def export_detector_onnx(network: FaceNetwork, path: Path) -> None:
    """Write a network as ONNX with boxes decoded, for any batch, height and width.

    Args:
        network: In evaluation mode.
        path: Where to write.

    Raises:
        WeightsMismatchError: The network could not be translated.
    """
    rows, columns = torch.export.Dim("rows", min=1), torch.export.Dim("columns", min=1)
    program = torch.onnx.export(
        DecodedFaceNetwork(network).eval(),
        (torch.zeros(2, 3, 256, 320),),
        input_names=["images"],
        output_names=["scores", "boxes", "landmarks"],
        dynamic_shapes={
            "images": {0: torch.export.Dim("batch", min=1), 2: 32 * rows, 3: 32 * columns}
        },
        opset_version=_OPSET,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise WeightsMismatchError(f"{path.stem} could not be translated to ONNX.")
    graph = program.model_proto
    for node in graph.graph.node:
        del node.metadata_props[:]  # stack traces of the exporter, with paths of this machine
    del graph.graph.value_info[:]
    save_file(path, graph.SerializeToString())


def check_detector_onnx(weights: Path, graph: Path) -> None:
    """Compare both files on random pictures, one and three.

    Raises:
        WeightsMismatchError: An output is off by more than 1e-4, or 1e-4 of its largest value.
    """
    onnxruntime = load_onnxruntime()
    network = load_face_network(weights)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for n in (1, 3):
        images = torch.rand(n, 3, 64, 96, generator=torch.Generator().manual_seed(n)) * 255
        with torch.inference_mode():
            expected = network(images)
        for ours, its in zip(expected, session.run(None, {"images": images.numpy()}), strict=True):
            gap = float(np.abs(ours.numpy() - its).max())
            if gap > _TOLERANCE * max(1.0, float(ours.abs().max())):
                raise WeightsMismatchError(f"{graph.name} is off by {gap:.1e} from {weights.name}.")


def _logit(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(share / (1 - share))
