"""Size and speed of a network."""

from __future__ import annotations

import os
import platform
import time
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.models.runtime import Network
    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.types import Image

BATCH = 32
"""Faces per batch when measuring speed."""

_WARM_UPS, _SINGLES, _BATCHES, _LIMIT_S = 3, 100, 20, 5.0


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """What a network takes.

    Attributes:
        parameters: Of an ONNX graph, all floating-point numbers that it stores: fewer than of its
            torch module if batch normalisation was folded into the convolutions.
        multiply_adds: Of convolutions and matrix products for one face; ``None`` if shapes of the
            graph are unknown.
        file_bytes: Size of the file.
    """

    parameters: int
    multiply_adds: int | None
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over runs on real crops, from crop to probabilities.

    Attributes:
        processor: Where it ran.
        threads: Number of CPU threads.
        one_ms: Milliseconds for a single face.
        batch_ms: Milliseconds per face in batches of ``BATCH``.
    """

    processor: str
    threads: int
    one_ms: float
    batch_ms: float


def count_onnx(path: Path, shape: tuple[int, ...]) -> NetworkSize:
    """Measures an ONNX graph with an input of ``shape``, ``(1, C, S, S)``."""
    import onnx
    from onnx import TensorProto

    model = onnx.load(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    parameters = sum(prod(t.dims) for t in model.graph.initializer if t.data_type in floats)
    inputs = [i for i in model.graph.input if i.name not in constants]
    for dim, size in zip(inputs[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")  # they may name the batch that is fixed now
    del model.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        dims = value.type.tensor_type.shape.dim
        shapes[value.name] = tuple(d.dim_value for d in dims)
    counts = [_multiply_adds(node, shapes) for node in inferred.graph.node]
    known = [count for count in counts if count is not None]
    total = sum(known) if len(known) == len(counts) else None
    return NetworkSize(parameters, total, path.stat().st_size)


def _multiply_adds(node: Any, shapes: dict[str, tuple[int, ...]]) -> int | None:
    """Multiply-adds of one node; ``None`` if its shapes are unknown."""
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    first, second, result = (
        shapes.get(name, ()) for name in (node.input[0], node.input[1], node.output[0])
    )
    if not (first and second and result) or 0 in (*first, *second, *result):
        return None
    if node.op_type == "Conv":
        return prod(result) * prod(second[1:])
    if node.op_type == "ConvTranspose":
        return prod(first) * prod(second[1:])
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return prod(result) * first[0 if transposed else -1]


def count_module(module: Any, shape: tuple[int, ...], file: Path) -> NetworkSize:
    """Measures a torch module in evaluation mode on the CPU, with an input of ``(1, C, S, S)``."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(torch.zeros(shape))
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return NetworkSize(parameters, counter.get_total_flops() // 2, file.stat().st_size)


def measure_emotion_speed(
    classifier: EmotionClassifier, network: Network, crops: Image
) -> Speed | None:
    """Times a network face by face and in batches; ``None`` without a face.

    Args:
        classifier: Runs ``network``.
        network: Has the device.
        crops: ``(N, S, S, 3)`` RGB faces; fewer than ``BATCH`` are repeated.
    """
    if not len(crops):
        return None
    batch = crops[np.arange(BATCH) % len(crops)]
    singles = [batch[i : i + 1] for i in range(BATCH)]
    one_s = _median_s(classifier, singles, _SINGLES)
    batch_s = _median_s(classifier, [batch], _BATCHES)
    processor, threads = _processor(network)
    return Speed(processor, threads, one_s * 1e3, batch_s * 1e3 / BATCH)


def _median_s(classifier: EmotionClassifier, inputs: list[Image], runs: int) -> float:
    """Median seconds of ``runs``, of fewer if they take longer than ``_LIMIT_S`` in total."""
    times: list[float] = []
    start_s = time.perf_counter()
    for run in range(_WARM_UPS + runs):
        before_s = time.perf_counter()
        classifier.classify_crops(inputs[run % len(inputs)])
        after_s = time.perf_counter()
        times.append(after_s - before_s)
        if run >= _WARM_UPS and after_s - start_s > _LIMIT_S:
            break
    return float(np.median(times[_WARM_UPS:]))


def _processor(network: Network) -> tuple[str, int]:
    from emotion_core.models.runtime import OnnxNetwork, usable_cores

    if isinstance(network, OnnxNetwork):
        return f"{_cpu_name()}, ONNX Runtime", usable_cores()
    import torch

    if network.device == "cuda":
        return f"{torch.cuda.get_device_name()}, torch", torch.get_num_threads()
    return f"{_cpu_name()}, torch", torch.get_num_threads()


def _cpu_name() -> str:
    """Name of the processor according to Linux, elsewhere to Python."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@contextmanager
def limited_cores(n: int) -> Iterator[None]:
    """Limits this process to ``n`` CPU cores, whichever library computes.

    Where the system cannot limit cores, only the threads of torch and OpenCV are limited.
    """
    import cv2
    import torch

    threads, opencv = torch.get_num_threads(), cv2.getNumThreads()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, sorted(cores)[:n])
    torch.set_num_threads(n)
    cv2.setNumThreads(n)
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
        torch.set_num_threads(threads)
        cv2.setNumThreads(opencv)
