"""What the exports of both trainings share: weights, ONNX graphs and checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from safetensors.torch import save

from emotion_core.errors import EmotionError, MissingExtraError, WeightsMismatchError
from emotion_core.files.save import save_file
from emotion_core.models.local import describe_file
from emotion_core.models.onnx_graph import load_onnxruntime

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import onnx

_OPSET = 18
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """A written file with what its model card needs; ``str`` returns one line."""

    path: Path
    size_bytes: int
    sha256: str
    temperature: float | None = None

    @classmethod
    def of(cls, path: Path, temperature: float | None = None) -> Self:
        """Describes an existing file."""
        return cls(path, path.stat().st_size, describe_file(path).sha256, temperature)

    def __str__(self) -> str:
        calibrated = "" if self.temperature is None else f"  temperature {self.temperature}"
        return f"{self.path}  {self.size_bytes} bytes  sha256 {self.sha256}{calibrated}"


def check_release(path: Path) -> None:
    """Checks, before anything slow, that the files can be written.

    Raises:
        EmotionError: The file name is invalid, or onnxscript is not installed.
    """
    if path.suffix != ".safetensors":
        raise EmotionError(f"Name the file OUT.safetensors, not {path.name}.")
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "Making ONNX needs the package onnxscript; `pip install onnxscript` adds it."
        ) from error


def save_network(network: torch.nn.Module, path: Path, metadata: dict[str, str]) -> None:
    """Writes weights as safetensors; raises ``EmotionError`` if that fails."""
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(path, save(state, metadata))


def to_onnx(
    network: torch.nn.Module, images: torch.Tensor, inputs: str, outputs: list[str], sizes: Any
) -> onnx.ModelProto:
    """Translates a network in evaluation mode to an ONNX graph.

    Args:
        network: The network.
        images: An example of its input.
        inputs: Name of the input.
        outputs: Names of the outputs.
        sizes: ``torch.export.Dim`` of the free dimensions of ``images``.

    Raises:
        WeightsMismatchError: The network could not be translated.
    """
    program = torch.onnx.export(
        network,
        (images,),
        input_names=[inputs],
        output_names=outputs,
        dynamic_shapes=(sizes,),
        opset_version=_OPSET,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise WeightsMismatchError("The network could not be translated to ONNX.")
    model = program.model_proto
    for entry in (*model.graph.node, *model.graph.value_info, model.graph):
        entry.ClearField("metadata_props")  # source lines and paths of the exporting machine
    return model


def compare_onnx(
    weights: Path, graph: Path, network: torch.nn.Module, inputs: Iterable[torch.Tensor]
) -> None:
    """Compares the outputs of a graph with those of the network it was made from.

    Raises:
        WeightsMismatchError: An output is off by more than 1e-4, or 1e-4 of its largest value.
    """
    session = load_onnxruntime().InferenceSession(graph, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for images in inputs:
        with torch.inference_mode():
            expected = network(images)
        for ours, its in zip(expected, session.run(None, {name: images.numpy()}), strict=True):
            gap = float(np.abs(ours.numpy() - its).max())
            if gap > _TOLERANCE * max(1.0, float(ours.abs().max())):
                raise WeightsMismatchError(f"{graph.name} is off by {gap:.1e} from {weights.name}.")
