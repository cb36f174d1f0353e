"""The whole command, but for Ray: an actor in this process does what the plan says."""

from types import SimpleNamespace

import pandas as pd
import pytest

from emotion_core.batch.bulk_run import WorkerConfig, resolve_workers
from emotion_core.errors import EmotionError
from tests.batch.conftest import OPTIONS, SUMMARY, differing, read_parts, run_here


def test_run_tells_what_became_of_the_inputs(undisturbed):
    assert undisturbed.code == 1, undisturbed.said
    assert f'{SUMMARY}; results in "{undisturbed.out}".' in undisturbed.said
    assert "not finished" not in undisturbed.said


def test_every_input_is_in_the_tables_once(undisturbed):
    tables = {t: pd.read_parquet(undisturbed.out / t) for t in ("photos", "videos", "failed")}
    assert sorted(tables["photos"]["source"]) == sorted(
        ["cut.jpg", "empty.jpg", "one pixel.png", "noise?.png"]
        + [f"portrait{i}.jpg" for i in range(4)]
    )
    assert sorted(tables["videos"]["source"]) == ["broken.mov", "clip.mp4"]
    assert sorted(tables["failed"]["source"]) == ["broken.mov", "empty.jpg"]
    faces = pd.read_parquet(undisturbed.out / "faces")
    assert set(faces.loc[faces["source"].str.startswith("portrait"), "emotion"]) == {"happiness"}
    assert set(pd.read_parquet(undisturbed.out / "frames")["track"]) == {1}


def test_nothing_but_results_is_left(undisturbed):
    assert {path.name for path in undisturbed.out.iterdir()} == {
        *("faces", "photos", "frames", "people", "videos", "failed"),
        *("settings.json", "_unfinished", ".lock"),
    }
    assert not list((undisturbed.out / "_unfinished").iterdir())


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(inputs, undisturbed, tmp_path):
    arguments = (inputs, "--out", tmp_path, *OPTIONS)
    stopped = run_here(*arguments, stop_after=4)
    assert isinstance(stopped.code, KeyboardInterrupt)
    assert "Finished results are kept; run the same command to resume." in stopped.said
    assert len(read_parts(tmp_path)) < len(read_parts(undisturbed.out))
    again = run_here(*arguments)
    assert again.code == 1
    assert "5 of 10 inputs were finished before." in again.said
    assert SUMMARY in again.said
    assert differing(tmp_path, undisturbed.out) == []


def make_ray(*nodes):
    return SimpleNamespace(
        nodes=lambda: [{"Alive": True, "Resources": resources} for resources in nodes]
    )


@pytest.mark.parametrize(
    ("nodes", "wanted", "expected"),
    [
        ([{"CPU": 8}], WorkerConfig(0, 0, -1, "auto"), WorkerConfig(4, 2, 0, "cpu")),
        ([{"CPU": 1}], WorkerConfig(0, 0, -1, "auto"), WorkerConfig(1, 1, 0, "cpu")),
        ([{"CPU": 8, "GPU": 2}], WorkerConfig(0, 0, -1, "auto"), WorkerConfig(2, 4, 1, "auto")),
        ([{"CPU": 8, "GPU": 1}], WorkerConfig(4, 0, -1, "auto"), WorkerConfig(4, 2, 0.25, "auto")),
        ([{"CPU": 8, "GPU": 1}], WorkerConfig(2, 3, -1, "cpu"), WorkerConfig(2, 3, 0, "cpu")),
        ([{"CPU": 1}, {"CPU": 1}], WorkerConfig(1, 0, -1, "auto"), WorkerConfig(1, 1, 0, "cpu")),
    ],
    ids=["cores", "one core", "GPUs", "part of a GPU", "no GPU wanted", "small machines"],
)
def test_workforce_follows_from_what_there_is(nodes, wanted, expected):
    assert resolve_workers(make_ray(*nodes), wanted) == expected


def test_actor_that_fits_no_machine_is_refused():
    with pytest.raises(EmotionError, match="No machine has the 4 cores and 0 GPUs that an actor"):
        resolve_workers(make_ray({"CPU": 2}), WorkerConfig(1, 4, -1, "auto"))


@pytest.mark.parametrize(
    ("cause", "reason"),
    [(ValueError("Much before it.\nWhat counts"), "What counts"), (MemoryError(), "MemoryError")],
    ids=["words", "silence"],
)
def test_what_ended_a_run_is_told(inputs, tmp_path, cause, reason):
    from tests.batch.ray_stand_in import RayStandIn

    error = RayStandIn.RayError()
    error.cause = cause
    failed = run_here(inputs, "--out", tmp_path, *OPTIONS, error=error)
    assert isinstance(failed.code, EmotionError)
    assert str(failed.code).startswith(f"The run ended early: {reason}. Finished results are kept")
