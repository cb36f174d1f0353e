"""Where networks run: the one place that decides between ONNX Runtime and torch.

On two CPU cores ONNX Runtime ran the project's emotion network three times as fast as eager torch
for one face and a tenth faster for twenty (``python -m benchmarks.photos`` measures it), and needs
no import of torch; on a GPU torch runs networks in half precision and channels-last. Graphs that
exist only as ONNX stay on the CPU.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, get_args

import numpy as np

from emotion_core.errors import EmotionError, WeightsMismatchError
from emotion_core.models.onnx_graph import load_onnxruntime, make_batch_dynamic, run_errors
from emotion_core.types import Device

if TYPE_CHECKING:
    from emotion_core.types import FloatArray

DEVICES = ("auto", *get_args(Device))
"""Choices of a user."""

_DRIVERS = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}
_AMD_DRIVER = Path("/dev/kfd")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of processor time, and of the period in which they may be used.

Source: the Linux kernel's documentation of control groups, version 2.
"""


class Network(Protocol):
    """A loaded network. Thread-safe."""

    @property
    def device(self) -> Device:
        """The device that it runs on."""

    def run(self, batch: FloatArray) -> list[FloatArray]:
        """One forward pass.

        Args:
            batch: ``(N, C, H, W)`` float32.

        Returns:
            The outputs in their declared order, each ``(N, ...)``.
        """


class OnnxNetwork:
    """An ONNX graph on the CPU.

    A graph with a fixed batch of one face is rewritten for any number; if that cannot be done
    faithfully, faces run one after another.
    """

    device: Device = "cpu"

    def __init__(self, path: Path) -> None:
        onnxruntime = load_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_cores()
        options.log_severity_level = 3
        # A thread that waits for work by spinning takes the core from codecs and other streams.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            model = make_batch_dynamic(path.read_bytes())
            self._session: Any = onnxruntime.InferenceSession(
                model.graph, options, providers=["CPUExecutionProvider"]
            )
        except run_errors() as error:
            raise WeightsMismatchError(f"{path.name} cannot be run: {error}.") from error
        self._one_by_one = not model.any_batch
        self._input: str = self._session.get_inputs()[0].name

    def run(self, batch: FloatArray) -> list[FloatArray]:
        """See ``Network``."""
        if self._one_by_one and len(batch) > 1:
            singles = [self._session.run(None, {self._input: one[None]}) for one in batch]
            return [np.concatenate(parts) for parts in zip(*singles, strict=True)]
        outputs: list[FloatArray] = self._session.run(None, {self._input: batch})
        return outputs


class TorchNetwork:
    """A torch module, in half precision and channels-last where it runs on a GPU."""

    def __init__(self, module: Any, device: Device) -> None:
        import torch

        self.device: Device = device
        self._torch = torch
        self._half = device == "cuda"
        module = module.eval().to(device)
        self._module = module.to(memory_format=torch.channels_last) if self._half else module

    def run(self, batch: FloatArray) -> list[FloatArray]:
        """See ``Network``."""
        torch = self._torch
        tensor = torch.from_numpy(batch).to(self.device)
        if self._half:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        with (
            torch.inference_mode(),
            torch.autocast(self.device, dtype=torch.float16, enabled=self._half),
        ):
            outputs = self._module(tensor)
        if not isinstance(outputs, (tuple, list)):
            outputs = [outputs]
        return [output.float().cpu().numpy() for output in outputs]


def has_gpu_driver() -> bool:
    """Whether there is a driver that torch would need to find a GPU.

    Torch itself is not asked: its import took 1.7 s and 480 MB on a machine without one.
    """
    try:
        ctypes.CDLL(_DRIVERS[sys.platform])
    except (KeyError, OSError):
        return _AMD_DRIVER.exists()
    return True


def pick_device(asked: str = "auto") -> Device:
    """Chooses an existing device.

    Args:
        asked: ``"auto"`` (a GPU if there is one), ``"cpu"`` or ``"cuda"``.

    Raises:
        EmotionError: The word is unknown, or there is no CUDA.
    """
    if asked not in DEVICES:
        raise EmotionError(f"There is no device {asked!r}; choose one of: {', '.join(DEVICES)}.")
    if asked == "cpu" or (asked == "auto" and not has_gpu_driver()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise EmotionError("CUDA was requested, but torch sees no GPU here; use auto or cpu.")
    return "cpu"


def usable_cores() -> int:
    """Cores that this process may use by its affinity and its container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="ascii").split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max": without a limit
        return cores
