"""Releases a detector's checkpoint as safetensors, and as the ONNX made from it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from emotion_core.errors import EmotionError
from emotion_core.files.save import save_file
from emotion_core.networks.face_net import DecodedFaceNetwork, load_face_network
from emotion_core.training.detector.evaluate import match_large
from emotion_core.training.detector.load import load_average, wrap_network
from emotion_core.training.detector.metrics import threshold_for
from emotion_core.training.engine.release import (
    ReleasedFile,
    check_release,
    compare_onnx,
    save_network,
    to_onnx,
)
from emotion_core.types import DEFAULT_MIN_SCORE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emotion_core.networks.face_net import FaceNetwork
    from emotion_core.training.detector.samples import DetectionSample


def release_detector(
    checkpoint: Path, path: Path, *, shift: float = 0.0
) -> tuple[ReleasedFile, ReleasedFile]:
    """Writes the averaged weights of a checkpoint as both files, and compares them.

    Args:
        checkpoint: Saved by a ``DetectorTrainer``.
        path: The safetensors file; the ONNX goes beside it.
        shift: Added to the logit of every score.

    Raises:
        EmotionError: The checkpoint or the file name is invalid, a package is missing, or a file
            cannot be written.
    """
    check_release(path)
    network = load_average(checkpoint, shift=shift)
    graph = path.with_suffix(".onnx")
    metadata = {"config": json.dumps(asdict(network.config)), "shift": str(shift)}
    save_network(network, path, metadata)
    export_detector_onnx(network, graph)
    check_detector_onnx(path, graph)
    return ReleasedFile.of(path), ReleasedFile.of(graph)


def find_shift(checkpoint: Path, samples: Sequence[DetectionSample], precision: float) -> float:
    """Finds the shift of all scores that gives a precision at the product's threshold.

    Args:
        checkpoint: Saved by a ``DetectorTrainer``.
        samples: Held out, marked by hand; results measured on them afterwards are too good.
        precision: Of faces from 16 px, 0-1.

    Returns:
        Rounded down to thousandths, so that the precision is reached.

    Raises:
        EmotionError: There is no such image, or no threshold gives that precision.
    """
    if not samples:
        raise EmotionError("--precision needs images marked by hand: --boxes or --wider.")
    matches = match_large(wrap_network(load_average(checkpoint), "cpu", checkpoint), samples)
    score = threshold_for(matches, precision)
    if score is None:
        raise EmotionError(f"No threshold gives a precision of {precision:g}; ask for less.")
    return math.floor(1000 * (_logit(DEFAULT_MIN_SCORE) - _logit(score))) / 1000


def export_detector_onnx(network: FaceNetwork, path: Path) -> None:
    """Writes a network as ONNX with decoded boxes, for any batch, height and width.

    Raises:
        WeightsMismatchError: The network could not be translated.
    """
    batch = torch.export.Dim("batch", min=1)
    rows, columns = torch.export.Dim("rows", min=1), torch.export.Dim("columns", min=1)
    decoded, images = DecodedFaceNetwork(network).eval(), torch.zeros(2, 3, 256, 320)
    sizes = {0: batch, 2: 32 * rows, 3: 32 * columns}
    model = to_onnx(decoded, images, "images", ["scores", "boxes", "landmarks"], sizes)
    del model.graph.value_info[:]
    save_file(path, model.SerializeToString())


def check_detector_onnx(weights: Path, graph: Path) -> None:
    """Compares both files on random images, one and three; see ``compare_onnx``."""
    inputs = (
        torch.rand(n, 3, 64, 96, generator=torch.Generator().manual_seed(n)) * 255 for n in (1, 3)
    )
    compare_onnx(weights, graph, load_face_network(weights), inputs)


def _logit(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(share / (1 - share))
