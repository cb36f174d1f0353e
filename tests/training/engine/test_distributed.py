"""Processes that train one network together; two real ones, over gloo on the CPU."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from emotion_core.errors import EmotionError
from emotion_core.training.emotion.loader import epoch_rngs, iter_emotion_batches, split_order
from emotion_core.training.emotion.trainer import EmotionTrainer
from emotion_core.training.engine.checkpoint import CheckpointPolicy, load_checkpoint
from emotion_core.training.engine.distributed import (
    DistributedContext,
    join_processes,
    share_object,
    share_tensor,
)
from tests.paths import ROOT
from tests.training.synthetic import TINY, make_faces

TOGETHER = """
import gc, multiprocessing, os, sys, torch, torch._dynamo
from dataclasses import replace
from pathlib import Path
from emotion_core.training.engine.checkpoint import CheckpointPolicy
from emotion_core.training.engine.distributed import join_processes
from emotion_core.training.emotion.trainer import EmotionTrainer
from tests.training.synthetic import TINY, make_faces
torch.set_num_threads(1)
def main(folder, rank):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    config = replace(TINY, epochs=4)
    faces, held_out = make_faces(66), make_faces(16, seed=1)
    with join_processes("cpu") as place:
        trainer = EmotionTrainer(config, CheckpointPolicy(folder / "unbroken"), place)
        reports = list(trainer.iter_epochs(faces, held_out))
        cut = EmotionTrainer(config, CheckpointPolicy(folder / "cut"), place)
        cut = cut.iter_epochs(faces, held_out)
        next(cut), next(cut)
        resumed = EmotionTrainer(config, CheckpointPolicy(folder / "cut"), place)
        n_left = len(list(resumed.iter_epochs(faces, held_out)))
        end = {
            "averaged": trainer.averaged.state_dict(),
            "losses": [report.loss for report in reports],
            "figures": [report.metrics is not None for report in reports],
            "history": trainer.history,
            "resumed": resumed.averaged.state_dict(),
            "n_left": n_left,
        }
        torch.save(end, folder / f"rank{place.rank}.pt")
    del trainer, cut, resumed
    gc.collect()  # whatever has threads of its own ends before Python does
store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
os.environ |= {
    "WORLD_SIZE": "2",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": str(store.port),
    "TORCHELASTIC_USE_AGENT_STORE": "True",
}
fork = multiprocessing.get_context("fork")
both = [fork.Process(target=main, args=(Path(sys.argv[1]), rank)) for rank in (0, 1)]
for process in both:
    process.start()
for process in both:
    process.join()
sys.exit(any(process.exitcode for process in both))
"""
"""What ``torchrun`` does, with one import of torch instead of three."""


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder of the runs, and what each process ends with."""
    folder = tmp_path_factory.mktemp("together")
    done = subprocess.run(
        [sys.executable, "-c", TOGETHER, str(folder)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, *[torch.load(folder / f"rank{rank}.pt") for rank in (0, 1)]


def _assert_equal(state, expected):
    for key, value in state.items():
        assert torch.equal(value, expected[key]), key


@pytest.mark.slow
def test_both_processes_end_with_the_same_averaged_weights(together):
    folder, first, second = together
    _assert_equal(first["averaged"], second["averaged"])
    _assert_equal(load_checkpoint(folder / "unbroken" / "last.pt")["averaged"], first["averaged"])


@pytest.mark.slow
def test_loss_falls_in_both_processes_on_different_faces(together):
    _, first, second = together
    for end in (first, second):
        assert len(end["losses"]) == 4
        assert end["losses"][-1] < 0.8 * end["losses"][0]
    assert first["losses"] != second["losses"]


@pytest.mark.slow
def test_first_process_validates_and_tells_the_other(together):
    _, first, second = together
    assert first["figures"] == [True] * 4
    assert second["figures"] == [False] * 4
    assert first["history"] == second["history"]


@pytest.mark.slow
def test_run_of_two_processes_resumes_with_the_same_result(together):
    for end in together[1:]:
        assert end["n_left"] == 2
        _assert_equal(end["resumed"], end["averaged"])


def test_each_process_learns_from_faces_of_its_own():
    faces = make_faces(8)
    faces.va[:] = np.arange(8)[:, None]
    steps = split_order(np.arange(8), 4, 2)
    seen = [
        [batch.va[:, 0].tolist() for batch in iter_emotion_batches(faces, steps, TINY, place)]
        for place in (DistributedContext(0, 2), DistributedContext(1, 2))
    ]
    assert seen == [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]


def test_processes_draw_one_order_and_changes_of_their_own():
    first, second = (epoch_rngs(0, 1, DistributedContext(rank, 2)) for rank in (0, 1))
    assert first.order.random() == second.order.random()
    assert first.mixing.random() != second.mixing.random()
    draws = [torch.rand(1, generator=rngs.augmentation) for rngs in (first, second)]
    assert draws[0] != draws[1]


def test_another_process_than_the_first_neither_validates_nor_writes(tmp_path):
    trainer = EmotionTrainer(TINY, CheckpointPolicy(tmp_path), DistributedContext(rank=1))
    report = next(trainer.iter_epochs(make_faces(16), make_faces(4)))
    assert report.metrics is None
    assert not list(tmp_path.iterdir())


def test_one_process_needs_no_group(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_processes("cpu") as place:
        assert place == DistributedContext(0, 1, "cpu")
        assert place.is_first
        assert not torch.distributed.is_initialized()
        tensor = torch.ones(2)
        assert share_tensor(tensor, place) is tensor
        assert share_object("row", place) == "row"


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with (
        pytest.raises(EmotionError, match="more processes than GPUs; use --nproc-per-node 2"),
        join_processes("cuda"),
    ):
        pytest.fail("never reached")
