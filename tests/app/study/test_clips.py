"""The queue of a study's videos: one after another, each cancelled and retried alone."""

import threading
from types import SimpleNamespace

import pytest

from emotion_core.errors import VideoDecodeError
from emotion_core.study.assignment import StudyVideo
from emotion_core.video.types import VideoInfo, VideoProgress, VideoSettings
from streamlit_app.shared_file import SharedTempFile
from streamlit_app.study import clips as study_clips
from streamlit_app.study.clips import StudyClip
from streamlit_app.study.runner import StudyRunner
from streamlit_app.video.job_queue import JobQueue, JobState
from tests.app.video.test_job import until
from tests.study.studies import make_frames

INFO = VideoInfo((96, 64), 10.0, 1.0, 10, "h264", "")


def make_result(valence):
    return SimpleNamespace(
        info=INFO, fault="", n_frames=10, n_analyzed=10, model="m", detector="d",
        frames=make_frames(valence),
    )  # fmt: skip


def make_clip(name, data=b"\x05"):
    file = SharedTempFile()
    with file.in_use() as path:
        path.write_bytes(data)
    return StudyClip(name, file)


class Tabulator:
    """Stands for ``tabulate_video``: waits for its turn; a file of ``!`` is no video."""

    def __init__(self):
        self.may_go, self.order = threading.Semaphore(0), []

    def __call__(self, path, _analyzer, _settings, *, on_progress):
        data = path.read_bytes()
        self.order.append(data)
        while not self.may_go.acquire(timeout=0.01):
            on_progress(VideoProgress(1, 10, 0.1, 10.0, 0.9))
        if data == b"!":
            raise VideoDecodeError("This is no video.")
        return make_result([data[0] / 10] * 10)

    def let_go(self, n=100):
        for _ in range(n):
            self.may_go.release()


@pytest.fixture
def tabulate(monkeypatch):
    tabulator = Tabulator()
    monkeypatch.setattr(study_clips, "tabulate_video", tabulator)
    yield tabulator
    tabulator.let_go()
    until(lambda: not [t for t in threading.enumerate() if t.name == "study-runner"])


@pytest.fixture
def clips():
    made = [
        make_clip(f"{name}.mp4", data) for name, data in [("a", b"\1"), ("b", b"!"), ("c", b"\3")]
    ]
    yield made
    for clip in made:
        clip.close()


def start(clips, queue=None):
    runner = StudyRunner(queue or JobQueue(1), None, VideoSettings())
    runner.add(clips)
    return runner


def states(clips):
    return [str(clip.state) for clip in clips]


def test_videos_are_analysed_one_after_another_and_failures_stop_nothing(tabulate, clips):
    start(clips)
    until(lambda: clips[0].progress)
    assert states(clips) == ["running", "waiting", "waiting"]
    tabulate.let_go()
    until(lambda: clips[2].state is JobState.DONE)
    assert states(clips) == ["done", "failed", "done"]
    assert clips[1].error == "This is no video."
    assert clips[0].n_people == 1
    record = clips[2].record(StudyVideo("c.mp4", "P", "S"))
    assert record.load()["valence"].tolist() == pytest.approx([0.3] * 10)
    assert record.load().attrs["end_s"] == 1.0
    assert len(record.sha256) == 64
    assert clips[1].record(StudyVideo("b.mp4", "P", "T")).error == "This is no video."


def test_one_is_cancelled_and_retried_alone(tabulate, clips):
    runner = start(clips)
    until(lambda: clips[0].progress)
    clips[0].cancel()
    clips[2].cancel()
    until(lambda: clips[1].progress)
    tabulate.let_go()
    until(lambda: clips[1].state is JobState.FAILED)
    assert states(clips) == ["cancelled", "failed", "cancelled"]
    assert clips[0].record(StudyVideo("a.mp4", "P", "S")).error == "The analysis was cancelled."
    assert clips[2].retry()
    assert not clips[2].retry()
    runner.add([clips[2]])
    until(lambda: clips[2].state is JobState.DONE)
    assert states(clips) == ["cancelled", "failed", "done"]


def test_pause_puts_the_running_one_back_and_goes_on_with_it(tabulate, clips):
    runner = start(clips)
    until(lambda: clips[0].progress)
    runner.pause()
    until(lambda: clips[0].state is JobState.WAITING)
    assert states(clips) == ["waiting"] * 3
    tabulate.let_go()
    runner.resume()
    until(lambda: clips[2].state is JobState.DONE)
    assert tabulate.order == [b"\1", b"\1", b"!", b"\3"]


def test_a_visitor_who_is_away_gives_way_only_if_others_wait(tabulate, clips):
    queue = JobQueue(1)
    runner = start(clips, queue)
    until(lambda: clips[0].progress)
    runner.give_way()
    assert not runner.is_paused
    queue.join(SimpleNamespace(cancel=None, raise_if_cancelled=None))
    runner.give_way()
    assert runner.is_paused
    until(lambda: clips[0].state is JobState.WAITING)
    assert tabulate.order == [b"\1"]


def test_a_video_is_freed_with_its_last_owner(tabulate, clips):
    tabulate.let_go()
    start(clips)
    until(lambda: clips[2].state is JobState.DONE)
    again = clips[0].share()
    clips[0].close()
    assert again.readings().frames["valence"].notna().all()
    again.close()
    assert again.n_bytes == 0


def test_nothing_is_begun_once_the_process_ends(tabulate, clips):
    queue = JobQueue(1)
    start(clips, queue)
    until(lambda: clips[0].progress)
    queue.end_all()
    until(lambda: clips[2].state is JobState.CANCELLED)
    assert tabulate.order == [b"\1"]
