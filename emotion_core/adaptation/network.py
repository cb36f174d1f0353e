"""A network's features and last layer from its ONNX graph, and its files with another last layer.

Nothing is trained or exported by torch: the weights of the last layer are exchanged in both files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_core.adaptation.head import EmotionHead
from emotion_core.errors import WeightsMismatchError
from emotion_core.files.save import save_file
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.local_analyzer import fetch_first
from emotion_core.models.card import Task
from emotion_core.models.download import fetch
from emotion_core.models.hub import resolve_models
from emotion_core.models.local import read_graph, unreadable
from emotion_core.models.onnx_graph import load_onnxruntime
from emotion_core.recognition.alignment import crop_faces, to_input
from emotion_core.recognition.classifier import BATCH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from emotion_core.models.card import ModelCard, Preprocessing
    from emotion_core.types import Faces, FloatArray, Image

_HEAD, _VA = "head.1", "va_head"
"""Names of the layers in ``EmotionNet``, in both files."""

_NAMES = frozenset(f"{layer}.{part}" for layer in (_HEAD, _VA) for part in ("weight", "bias"))

_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False, slots=True)
class BaseNetwork:
    """A network of this project, cut before its last layer.

    Attributes:
        card: Of the network.
        head: Its last layer.
        graph: Its ONNX file.
        weights: Its safetensors file.
    """

    card: ModelCard
    head: EmotionHead
    graph: Path
    weights: Path
    _session: Any
    _input: str

    @property
    def preprocessing(self) -> Preprocessing:
        """How a face becomes its input."""
        if self.card.preprocessing is None:
            raise ValueError(f"{self.card.name} has no preprocessing.")
        return self.card.preprocessing

    def read_features(self, image: Image, faces: Faces) -> FloatArray:
        """The features of faces of an image.

        Args:
            image: RGB ``(H, W, 3)``.
            faces: N faces in its pixels.

        Returns:
            ``(N, D)``.
        """
        parts = [
            self._session.run(
                None,
                {
                    self._input: to_input(
                        crop_faces(image, faces[i : i + BATCH], self.preprocessing),
                        self.preprocessing,
                    )
                },
            )[0]
            for i in range(0, len(faces), BATCH)
        ]
        return np.concatenate([np.empty((0, self.head.weight.shape[1]), np.float32), *parts])


def load_base(model: str | None) -> BaseNetwork:
    """Loads a network that can be adapted, for the CPU.

    Args:
        model: A name in the registry, the path of an exported file, or a repository of this project
            on the Hub; ``None`` for the default.

    Raises:
        WeightsMismatchError: The network is another project's, or a file of it is missing or not
            what it should be.
        EmotionError: See ``find_model`` and ``fetch_first``.
    """
    found = fetch_first(resolve_models(model, Task.EMOTION), "cpu")
    card, graph = found.card, found.file.path
    if card.torch_weights is None or graph.suffix != ".onnx" or card.labels != ALL_EMOTIONS:
        raise WeightsMismatchError(
            f"{card.name} cannot be adapted; choose a network of Emoscope, with its .onnx and its "
            ".safetensors file beside each other."
        )
    return read_base(card, graph, fetch(card, card.torch_weights).path)


def read_base(card: ModelCard, graph: Path, weights: Path) -> BaseNetwork:
    """Reads a network from its two files; see ``load_base``."""
    import onnx

    model = onnx.load(graph)
    tensors = _read_tensors(model)
    nodes = {node.input[1]: node for node in model.graph.node if node.op_type == "Gemm"}
    if f"{_HEAD}.weight" not in nodes or f"{_HEAD}.weight" not in tensors:
        raise WeightsMismatchError(
            f"{card.name} cannot be adapted: its graph has no last layer {_HEAD!r}."
        )
    head = _to_head(tensors, card.temperature)
    del model.graph.output[:]
    name = nodes[f"{_HEAD}.weight"].input[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, None))
    session = load_onnxruntime().InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return BaseNetwork(card, head, graph, weights, session, session.get_inputs()[0].name)


def write_network(
    base: BaseNetwork, head: EmotionHead, path: Path, notes: Mapping[str, object]
) -> None:
    """Writes both files of a network with another last layer; the ONNX goes beside ``path``.

    Args:
        base: The network.
        head: The last layer.
        path: The safetensors file.
        notes: What to say of it in the metadata of both files, under ``adapted``.

    Raises:
        WeightsMismatchError: The graph that was made gives other results than it should.
        EmotionError: A file cannot be written.
    """
    import onnx
    from safetensors import safe_open
    from safetensors.numpy import save

    changed = {f"{_HEAD}.weight": head.weight, f"{_HEAD}.bias": head.bias}
    if head.va_weight is not None and head.va_bias is not None:
        changed |= {f"{_VA}.weight": head.va_weight, f"{_VA}.bias": head.va_bias}
    with safe_open(base.weights, framework="np") as file:
        metadata: dict[str, str] = dict(sorted(file.metadata().items()))  # the same bytes each time
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata |= {"temperature": str(head.temperature), "adapted": json.dumps(notes)}
    model = onnx.load(base.graph)
    for tensor in model.graph.initializer:
        if tensor.name in changed:
            tensor.CopyFrom(onnx.numpy_helper.from_array(changed[tensor.name], tensor.name))
    onnx.helper.set_model_props(model, metadata)
    graph = model.SerializeToString()
    _check(base, head, graph)
    save_file(path, save({**state, **changed}, metadata))
    save_file(path.with_suffix(".onnx"), graph)


def _check(base: BaseNetwork, head: EmotionHead, graph: bytes) -> None:
    """Compares a new graph with the old features and the new last layer, on random input."""
    how = base.preprocessing
    rng = np.random.default_rng(0)
    shape = (2, len(how.mean), how.size_px, how.size_px)
    faces: FloatArray = rng.normal(size=shape).astype(np.float32)
    session = load_onnxruntime().InferenceSession(graph, providers=["CPUExecutionProvider"])
    logits = session.run(None, {session.get_inputs()[0].name: faces})[0]
    features = base._session.run(None, {base._input: faces})[0]
    expected = head.to_scaled_logits(features) * head.temperature
    if np.abs(logits - expected).max() > _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise WeightsMismatchError(f"The adapted graph of {base.card.name} gives wrong results.")


def read_head(path: Path, temperature: float) -> EmotionHead:
    """Reads the last layer from either file of a network; runs nothing that is in it.

    Raises:
        WeightsMismatchError: It has no such layer.
    """
    with unreadable(path, f"has no last layer {_HEAD!r}"):
        if path.suffix == ".onnx":
            tensors = _read_tensors(read_graph(path))
        else:
            from safetensors import safe_open

            with safe_open(path, framework="np") as file:
                names = _NAMES & set(file.keys())
                tensors = {n: np.asarray(file.get_tensor(n), np.float32) for n in names}
        return _to_head(tensors, temperature)


def _to_head(tensors: Mapping[str, FloatArray], temperature: float) -> EmotionHead:
    has_va = f"{_VA}.weight" in tensors
    return EmotionHead(
        tensors[f"{_HEAD}.weight"],
        tensors[f"{_HEAD}.bias"],
        tensors[f"{_VA}.weight"] if has_va else None,
        tensors[f"{_VA}.bias"] if has_va else None,
        temperature,
    )


def _read_tensors(model: Any) -> dict[str, FloatArray]:
    """The last layer's tensors; those whose data are said to be in another file are left out."""
    from onnx import numpy_helper
    from onnx.external_data_helper import uses_external_data

    return {
        tensor.name: np.asarray(numpy_helper.to_array(tensor), np.float32)
        for tensor in model.graph.initializer
        if tensor.name in _NAMES and not uses_external_data(tensor)
    }
