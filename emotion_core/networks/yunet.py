"""The published YuNet in torch, filled from its ONNX file, so that it runs in batches on a GPU.

``cv2.FaceDetectorYN`` takes one image at a time, on the CPU, and has state; this is the same
network without these limits. Source: W. Wu, H. Peng, S. Yu, "YuNet: A Tiny Millisecond-level Face
Detector", Machine Intelligence Research 20, 2023, and the graphs that its authors publish
(ShiqiYu/libfacedetection.train); the decoding is that of OpenCV's
``modules/objdetect/src/face_detect.cpp``.

Exporters name the tensors of one network differently from file to file. Only the twelve outputs
have fixed names (OpenCV asks for them), so the layers are matched by walking from each output back
to the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from emotion_core.errors import WeightsMismatchError
from emotion_core.networks.face_net import (
    STRIDES,
    DepthwiseUnit,
    decode_boxes,
    decode_landmarks,
    grid_centres,
    merge_down,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emotion_core.types import FloatArray

HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
"""Outputs of each cell by their names in the graph, with their number of channels."""

_LAYERS = {"Conv": nn.Conv2d, "Relu": nn.ReLU, "MaxPool": nn.MaxPool2d}
_AROUND = ("Sigmoid", "Reshape", "Transpose")  # convert a head's maps to the form of an output


@dataclass(frozen=True, slots=True)
class YuNetConfig:
    """One of the two published networks.

    Attributes:
        name: In the paper.
        middle: Channels between the two stages at stride 4.
        shared: Whether the four outputs of a level share a unit.
    """

    name: str
    middle: int
    shared: bool


YUNETS = (YuNetConfig("YuNet-n", 64, shared=True), YuNetConfig("YuNet-s", 32, shared=False))
"""The published networks. OpenCV's ``face_detection_yunet_2023mar.onnx`` is a YuNet-s."""


class YuNet(nn.Module):
    """Maps RGB images to scores, boxes and landmarks; normalisation is folded into convolutions."""

    def __init__(self, config: YuNetConfig) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(3, 16, 3, stride=2, padding=1),
                    nn.ReLU(inplace=True),
                    *_units(16, 16),
                    nn.MaxPool2d(2),
                    *_units(16, 16, config.middle, config.middle, 64),
                    nn.MaxPool2d(2),
                    *_units(64, 64, 64),
                ),
                *(nn.Sequential(nn.MaxPool2d(2), *_units(64, 64, 64)) for _ in STRIDES[1:]),
            ]
        )
        self.laterals = nn.ModuleList(nn.Sequential(*_units(64, 64)) for _ in STRIDES)
        self.shared = nn.ModuleList(
            nn.Sequential(*(_units(64, 64) if config.shared else ())) for _ in STRIDES
        )
        self.heads = nn.ModuleDict(
            {
                name: nn.ModuleList(DepthwiseUnit(64, size, last=True) for _ in STRIDES)
                for name, size in HEADS.items()
            }
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See ``DecodedFaceNetwork.forward``."""
        features = []
        for stage in self.stages:
            images = stage(images)
            features.append(images)
        merged = merge_down(features, self.laterals)
        outputs = [self._at_level(x, level) for level, x in enumerate(merged)]
        raw = torch.cat(outputs, dim=2).transpose(1, 2).float()  # (B, P, 16)
        size_wh = features[0].shape[3] * STRIDES[0], features[0].shape[2] * STRIDES[0]
        return self._decode(raw, size_wh)

    def layers_to(self, head: str, level: int) -> list[nn.Module]:
        """The layers from the image to one output, in order, without the way down the pyramid."""
        parts = (*self.stages[: level + 1], self.laterals[level], self.shared[level])
        ways = nn.Sequential(*parts, self.heads[head][level])  # type: ignore[index]
        return [module for module in ways.modules() if isinstance(module, tuple(_LAYERS.values()))]

    def _at_level(self, x: Tensor, level: int) -> Tensor:
        x = self.shared[level](x)
        heads = [self.heads[name][level](x) for name in HEADS]  # type: ignore[index]
        return torch.cat(heads, dim=1).flatten(2)  # (B, 16, h * w)

    def _decode(self, raw: Tensor, size_wh: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """Decodes offsets, which count from a cell's upper left corner, not from its centre."""
        corners = grid_centres(size_wh).to(raw.device)
        corners[:, :2] -= corners[:, 2:] / 2
        scores = torch.sqrt(raw[..., 0].sigmoid() * raw[..., 1].sigmoid())
        raw = raw[..., 1:]  # objectness, box, landmarks: the order of the project's own network
        return scores, decode_boxes(raw, corners), decode_landmarks(raw, corners)


def load_yunet(path: Path) -> YuNet:
    """Builds the YuNet of an ONNX file, ready to predict.

    Args:
        path: As published by its authors, OpenCV's model zoo or the Hub, with a fixed or a free
            size.

    Raises:
        WeightsMismatchError: It is no ONNX file, or is neither exactly YuNet-n nor YuNet-s.
    """
    graph = _read_graph(path)
    differences = []
    for config in YUNETS:
        network = YuNet(config)
        difference = _fill(network, graph)
        if difference is None:
            return network.eval()
        differences.append(f"{config.name} ({difference})")
    raise WeightsMismatchError(f"{path.name} holds neither {' nor '.join(differences)}.")


class _Node(NamedTuple):
    kind: str
    inputs: tuple[str, ...]


class _Graph(NamedTuple):
    """The relevant parts of an ONNX graph.

    Attributes:
        makers: Node by the name of its output.
        weights: Floating-point initialisers by name, except for those that give the size of a
            resize.
    """

    makers: dict[str, _Node]
    weights: dict[str, FloatArray]


def _units(*widths: int) -> Iterator[nn.Module]:
    """The paper's units from width to width, normalisation folded into the second convolution."""
    for inputs, outputs in pairwise(widths):
        yield DepthwiseUnit(inputs, outputs, last=True)
        yield nn.ReLU(inplace=True)


def _read_graph(path: Path) -> _Graph:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    try:
        graph = onnx.load_from_string(path.read_bytes()).graph
    except DecodeError as error:
        raise WeightsMismatchError(f"{path.name} is not an ONNX file.") from error
    nodes = [(_Node(n.op_type, tuple(n.input)), n.output) for n in graph.node]
    sizes = {name for node, _ in nodes if node.kind == "Resize" for name in node.inputs}
    return _Graph(
        {name: node for node, outputs in nodes for name in outputs},
        {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in graph.initializer
            if tensor.data_type == onnx.TensorProto.FLOAT and tensor.name not in sizes
        },
    )


def _nodes_to(output: str, makers: dict[str, _Node]) -> list[_Node]:
    """The nodes from the image to an output, in order, without the pyramid's downward path."""
    nodes = []
    name = output
    for _ in makers:  # no path is longer, except in a broken file
        node = makers.get(name)
        if node is None or not node.inputs:
            break
        name = node.inputs[0]
        if node.kind == "Add" and name in makers and makers[name].kind == "Resize":
            name = node.inputs[1]
        if node.kind not in ("Add", *_AROUND):
            nodes.append(node)
    return nodes[::-1]


def _fill(network: YuNet, graph: _Graph) -> str | None:
    """Copies the weights of a graph; returns what does not fit, or ``None``."""
    matched: dict[nn.Module, _Node] = {}
    for level, stride in enumerate(STRIDES):
        for head in HEADS:
            output = f"{head}_{stride}"
            nodes = _nodes_to(output, graph.makers)
            layers = network.layers_to(head, level)
            if [_LAYERS.get(node.kind) for node in nodes] != [type(layer) for layer in layers]:
                return f"other layers before {output}"
            if any(
                matched.setdefault(*pair) is not pair[1] for pair in zip(layers, nodes, strict=True)
            ):
                return f"other ways to {output}"
    convolutions = {m: n.inputs for m, n in matched.items() if isinstance(m, nn.Conv2d)}
    left = set(graph.weights) - {name for names in convolutions.values() for name in names[1:]}
    if left:
        return f"{len(left)} weights too many"
    return next(filter(None, (_copy(m, names, graph) for m, names in convolutions.items())), None)


def _copy(layer: nn.Conv2d, inputs: tuple[str, ...], graph: _Graph) -> str | None:
    """Copies the weight and bias of one convolution; returns what does not fit, or ``None``."""
    names = dict(zip(("weight", "bias"), inputs[1:], strict=False))
    for kind, parameter in layer.named_parameters():
        value = graph.weights.get(names.get(kind, ""))
        if value is None:
            return f"no {kind} of {inputs[0]}"
        if value.shape != parameter.shape:
            return f"{names[kind]} {value.shape} instead of {tuple(parameter.shape)}"
        tensor = torch.from_numpy(value.copy())
        # The published network takes blue, green, red; an image here is red, green, blue.
        parameter.data.copy_(tensor.flip(1) if value.shape[1:2] == (3,) else tensor)
    return None
