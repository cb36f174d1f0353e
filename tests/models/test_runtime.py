"""Devices a user may ask for, and torch modules as networks."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from emotion_core.errors import EmotionError
from emotion_core.models import runtime
from emotion_core.models.runtime import OnnxNetwork, TorchNetwork, pick_device, usable_cores
from tests.factories import make_classifier_onnx
from tests.paths import WEIGHTS


@pytest.mark.parametrize(
    ("asked", "gpu", "expected"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_device(asked, gpu, expected, monkeypatch):
    monkeypatch.setattr(runtime, "has_gpu_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert pick_device(asked) == expected


def test_without_a_driver_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(runtime, "has_gpu_driver", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("torch was asked"))
    assert pick_device("auto") == "cpu"


def test_drivers(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "_AMD_DRIVER", tmp_path / "kfd")
    monkeypatch.setattr(runtime, "_DRIVERS", {sys.platform: "libemoscope-no-driver.so.1"})
    assert not runtime.has_gpu_driver()
    monkeypatch.setattr(runtime, "_DRIVERS", {})  # an unknown system
    assert not runtime.has_gpu_driver()
    (tmp_path / "kfd").touch()
    assert runtime.has_gpu_driver()


@pytest.mark.skipif(sys.platform != "linux", reason="names a library of Linux")
def test_a_driver_that_can_be_loaded_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "_AMD_DRIVER", tmp_path / "kfd")
    monkeypatch.setattr(runtime, "_DRIVERS", {"linux": "libc.so.6"})
    assert runtime.has_gpu_driver()


_WHOLE_CORE = """
import sys
from pathlib import Path
import numpy as np
from emotion_core.models import runtime
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.registry import CARDS
runtime._DRIVERS, runtime._AMD_DRIVER = {}, Path("/nowhere")
cards = [CARDS["emoscope-fer-s"]], [CARDS["emoscope-face-s"]]
analyzer = load_analyzer(*cards, device="auto")
analyzer.analyze([np.zeros((64, 64, 3), np.uint8)])
sys.exit("torch" in sys.modules)
"""


def test_the_core_needs_no_torch_where_there_is_no_gpu():
    """Which saves every process of the product the time and memory of its import."""
    subprocess.run([sys.executable, "-c", _WHOLE_CORE], check=True, timeout=120)


@pytest.mark.parametrize("asked", ["", "gpu", "CPU", "cuda:0"])
def test_unknown_device_lists_the_known(asked):
    with pytest.raises(EmotionError, match=f"no device '{asked}'; choose one of: auto, cpu, cuda"):
        pick_device(asked)


def test_missing_gpu_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EmotionError, match="torch sees no GPU here; use auto or cpu"):
        pick_device("cuda")


def test_usable_cores():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


class Two(torch.nn.Module):
    """Two outputs, and a dropout that must be off."""

    def __init__(self):
        super().__init__()
        self.dropout = torch.nn.Dropout(0.9)

    def forward(self, x):
        flat = self.dropout(x.flatten(1))
        return flat[:, :3], flat.double().sum(dim=1, keepdim=True)


def test_torch_network_gives_arrays_in_evaluation_mode():
    batch = np.random.default_rng(0).normal(0, 1, (4, 1, 2, 2)).astype(np.float32)
    before = batch.copy()
    three, total = TorchNetwork(Two().train(), "cpu").run(batch)
    assert (three.dtype, total.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(three, batch.reshape(4, 4)[:, :3])
    np.testing.assert_allclose(total[:, 0], batch.sum(axis=(1, 2, 3)), rtol=1e-5)
    assert (batch == before).all()


def test_torch_network_with_one_output():
    network = TorchNetwork(torch.nn.Flatten(), "cpu")
    assert [out.shape for out in network.run(np.zeros((1, 1, 1, 1), np.float32))] == [(1, 1)]
    assert network.device == "cpu"


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_networks_are_thread_safe(kind, tmp_path):
    (tmp_path / "tiny.onnx").write_bytes(make_classifier_onnx("fixed"))
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 7))
    network = OnnxNetwork(tmp_path / "tiny.onnx") if kind == "onnx" else TorchNetwork(module, "cpu")
    batches = np.random.default_rng(0).normal(0, 1, (4, 6, 1, 8, 8)).astype(np.float32)
    expected = [network.run(batch)[0] for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: network.run(batches[i % 4])[0], range(80)))
    for i, output in enumerate(found):
        np.testing.assert_allclose(output, expected[i % 4], atol=1e-5)


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000", 8), ("150000 100000", 2), ("10000 100000", 1), ("9900000 100000", 8), ("", 8)],
)
def test_cores_of_a_container_go_by_its_quota(monkeypatch, tmp_path, text, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("emotion_core.models.runtime._CPU_QUOTA", tmp_path / "cpu.max")
    assert usable_cores() == 8
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert usable_cores() == cores


def test_nothing_is_reported_to_the_maker_of_onnx_runtime(tmp_path):
    """What it keeps on the disk for that tells; a proxy that is not there lets nothing out."""
    weights = WEIGHTS / "emoscope-face-s.onnx"
    told = {"ORT_DISABLE_TELEMETRY", "CI", "TF_BUILD", "GITHUB_ACTIONS", "XDG_CACHE_HOME"}
    env = {name: value for name, value in os.environ.items() if name not in told}
    env |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    code = (
        "import sys; from pathlib import Path; from emotion_core.models.runtime import OnnxNetwork;"
        "OnnxNetwork(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, weights], check=True, env=env)
    assert list(tmp_path.rglob("*")) == []
