"""ONNX Runtime without telemetry, and graphs made to take batches of any size."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_core.errors import WeightsMismatchError

if TYPE_CHECKING:
    from emotion_core.types import FloatArray


def load_onnxruntime() -> Any:
    """Imports ONNX Runtime without telemetry; the only place that imports it.

    Since 1.29 it reports each network (its file name, its hashes) and the machine to Microsoft,
    also on Linux, and keeps an identifier of the machine in the user's cache and a file in the
    folder of temporary files. The variable must be set before the import; an existing value is
    respected.

    Source: https://github.com/microsoft/onnxruntime/pull/27379.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


@dataclass(frozen=True, slots=True)
class DynamicBatchGraph:
    """An ONNX file's bytes, and whether it takes any number of inputs at once."""

    graph: bytes
    any_batch: bool


def make_batch_dynamic(data: bytes) -> DynamicBatchGraph:
    """Lets a graph take any batch size, if its results stay the same.

    The batch dimension of inputs and outputs is freed, and so is a leading 1 in the target shape of
    a ``Reshape`` of activations. The changed graph is used only if two random inputs give the same
    results, within 1e-4 of the largest value, in one pass as one by one.

    Raises:
        WeightsMismatchError: The bytes are no ONNX graph.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(data)
    except DecodeError as error:
        raise WeightsMismatchError("The file is not an ONNX graph.") from error
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    if not inputs or not inputs[0].type.tensor_type.shape.dim:
        raise WeightsMismatchError("The file is not an ONNX graph with an input.")
    shape = inputs[0].type.tensor_type.shape.dim
    if not shape[0].dim_value:
        return DynamicBatchGraph(data, any_batch=True)
    for value in [*inputs, *model.graph.output]:
        for first in value.type.tensor_type.shape.dim[:1]:  # an output may have no shape
            first.dim_param = "batch"
    del model.graph.value_info[:]
    _free_reshapes(model, constants)
    freed = model.SerializeToString()
    size = tuple(d.dim_value for d in shape[1:])
    if all(size) and _same_results(data, freed, size):  # else there is no size to try it with
        return DynamicBatchGraph(freed, any_batch=True)
    return DynamicBatchGraph(data, any_batch=False)


def run_errors() -> tuple[type[Exception], ...]:
    """Errors of ONNX Runtime for graphs that cannot be loaded or run; they have no common base."""
    state = load_onnxruntime().capi.onnxruntime_pybind11_state
    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    )


def _free_reshapes(model: Any, constants: set[str]) -> None:
    """Turns a leading 1 in Reshape targets into 0, which means "as in the input"."""
    from onnx import numpy_helper

    targets = {
        node.input[1]
        for node in model.graph.node
        if node.op_type == "Reshape" and node.input[0] not in constants
    }
    for tensor in model.graph.initializer:
        if tensor.name in targets:
            shape = numpy_helper.to_array(tensor).copy()
            if shape.size and shape[0] == 1:
                shape[0] = 0
                tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))


def _same_results(original: bytes, freed: bytes, size: tuple[int, ...]) -> bool:
    onnxruntime = load_onnxruntime()
    rng = np.random.default_rng(0)
    batch: FloatArray = rng.uniform(-1, 1, (2, *size)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        one, two = (
            onnxruntime.InferenceSession(g, options, providers=["CPUExecutionProvider"])
            for g in (original, freed)
        )
        name = one.get_inputs()[0].name
        singles = [one.run(None, {name: item[None]}) for item in batch]
        together = two.run(None, {name: batch})
    except run_errors():
        return False
    expected = [np.concatenate(parts) for parts in zip(*singles, strict=True)]
    return all(
        a.shape == b.shape and np.abs(a - b).max() <= 1e-4 * max(1.0, float(np.abs(a).max()))
        for a, b in zip(expected, together, strict=True)
    )
