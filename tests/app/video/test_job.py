"""Analyses beside the page: their queue, their end, and what they leave behind (nothing)."""

import tempfile
import threading
import time
import weakref
from concurrent.futures import CancelledError
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from emotion_core.errors import EmotionError, VideoDecodeError
from emotion_core.video.types import VideoProgress, VideoSettings
from streamlit_app.session_cleanup import SessionReaper
from streamlit_app.shared_file import SharedTempFile
from streamlit_app.video import job as video_job
from streamlit_app.video.job import JobSpec, VideoJob
from streamlit_app.video.job_queue import JobQueue, JobState
from streamlit_app.video.selection import TimelineSelection
from streamlit_app.video.state import VideoState
from tests.factories import make_fake_analyzer, make_image
from tests.video.clips import make_clip

SPEC = JobSpec("tiny", "tiny-faces", VideoSettings(), reidentify=False)


def until(condition, limit_s=30.0):
    """Wait for something that comes at once, but for a busy machine."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < limit_s, "it never came"
        time.sleep(0.01)


def job_threads():
    """Threads of the test that runs; pages that other tests opened have some of their own."""
    ours = ("video-job", "session-reaper")
    return [t for t in threading.enumerate() if t.name in ours and t not in earlier_threads]


earlier_threads = weakref.WeakSet()


def open_files():
    """What the process has open, by the numbers of the system."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """The folder for temporary files; at the end of a test it is empty and no thread is left."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    earlier_threads.update(threading.enumerate())
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    until(lambda: not job_threads())
    assert list(folder.iterdir()) == []


@pytest.fixture
def source():
    file = SharedTempFile()
    yield file
    file.close()


class Steps:
    """Stands for ``analyze_video``: goes on, one frame at a time, for minutes if it may."""

    def __init__(self):
        self.go_on = threading.Event()
        self.running = 0
        self.most = 0
        self.order = []

    def __call__(self, _source, _analyzer, settings, *, target, on_progress, **_):
        self.order.append(settings)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            target.write_bytes(b"half a video")
            for i in range(10_000):
                if self.go_on.wait(0.01):
                    return "found"
                on_progress(VideoProgress(i, 10_000, i / 25, 25.0, None))
        finally:
            self.running -= 1


@pytest.fixture
def steps(monkeypatch):
    steps = Steps()
    monkeypatch.setattr(video_job, "analyze_video", steps)
    yield steps
    steps.go_on.set()


def start(source, queue=None, spec=SPEC, analyzer=None):
    return VideoJob(source, spec, analyzer or make_fake_analyzer(), queue or JobQueue(2))


def test_a_job_runs_to_its_end_beside_the_caller(source, steps):
    job = start(source)
    until(lambda: job.progress)
    assert job.state is JobState.RUNNING
    assert job.progress.n_frames == 10_000
    steps.go_on.set()
    assert job.result(5) == "found"
    assert job.state is JobState.DONE
    assert job.video.read() == b"half a video"
    job.cancel()
    assert job.state is JobState.DONE
    job.close()
    with pytest.raises(EmotionError, match="no longer here; upload it again"):
        job.video.read()


@pytest.mark.usefixtures("steps")
def test_cancel_ends_a_job_and_frees_its_file(source):
    job = start(source)
    until(lambda: job.progress)
    job.cancel()
    assert job.state is JobState.CANCELLED
    until(lambda: not job_threads())
    assert job.state is JobState.CANCELLED
    assert job.video.size == 0
    with pytest.raises(CancelledError):
        job.result(1)


def test_cancel_ends_a_real_analysis(source, tmp_path, scratch):
    clip = make_clip(tmp_path / "clip.mp4", [make_image(64, 48)] * 500, fps=25)
    with source.in_use() as path:
        path.write_bytes(clip.read_bytes())
    job = start(source, analyzer=Slow())
    until(lambda: job.progress and job.preview)
    threads = threading.active_count()
    job.cancel()
    until(lambda: not job_threads())
    assert job.state is JobState.CANCELLED
    until(lambda: threading.active_count() < threads)
    assert list(scratch.iterdir()) == []


class Slow:
    """An analyzer that takes a minute for a clip."""

    def __init__(self):
        self._analyzer = make_fake_analyzer()
        self.info = self._analyzer.info

    def analyze(self, images, *options):
        time.sleep(0.1 * len(images))
        return self._analyzer.analyze(images, *options)


def test_failure_is_raised_to_who_asks_and_the_next_job_runs(source, monkeypatch):
    def fail(*_, **__):
        raise VideoDecodeError("The file is empty (0 bytes).")

    monkeypatch.setattr(video_job, "analyze_video", fail)
    queue = JobQueue(1)
    for _ in range(2):
        job = start(source, queue)
        with pytest.raises(VideoDecodeError, match="empty"):
            job.result(5)
        assert job.state is JobState.FAILED
        assert job.video.size == 0


def test_jobs_wait_for_their_turn_in_the_order_in_which_they_came(source, steps):
    queue = JobQueue(1)
    specs = [replace(SPEC, settings=VideoSettings(every=n)) for n in (1, 2, 3)]
    jobs = [start(source, queue, spec) for spec in specs]
    until(lambda: jobs[0].state is JobState.RUNNING)
    assert [job.state for job in jobs[1:]] == [JobState.WAITING] * 2
    assert [job.n_before for job in jobs[1:]] == [0, 1]
    steps.go_on.set()
    for job in jobs:
        job.result(5)
        job.close()
    assert [settings.every for settings in steps.order] == [1, 2, 3]
    assert steps.most == 1


def test_two_jobs_run_at_once_where_two_may(source, steps):
    queue = JobQueue(2)
    jobs = [start(source, queue) for _ in range(3)]
    until(lambda: steps.running == 2)
    assert [job.state for job in jobs].count(JobState.WAITING) == 1
    for job in jobs:
        job.close()
    until(lambda: not job_threads())
    assert steps.most == 2


@pytest.mark.usefixtures("steps")
def test_a_job_that_waits_can_be_cancelled(source):
    queue = JobQueue(1)
    first, second, third = (start(source, queue) for _ in range(3))
    second.cancel()
    until(lambda: second.state is JobState.CANCELLED)
    until(lambda: third.n_before == 0)
    first.close()
    until(lambda: third.state is JobState.RUNNING)
    third.close()


@pytest.mark.usefixtures("steps")
def test_a_job_gives_way_if_others_wait_and_nobody_else_has_it(source):
    queue = JobQueue(1)
    first = start(source, queue)
    first.give_way()
    assert first.state is JobState.RUNNING
    second = start(source, queue)
    first.share().give_way()
    assert first.state is JobState.RUNNING
    first.close()
    first.give_way()
    until(lambda: second.state is JobState.RUNNING)
    second.give_way()
    assert second.state is JobState.RUNNING
    second.close()


def test_a_job_without_a_thread_keeps_no_place_in_the_line(source, monkeypatch, scratch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    queue = JobQueue(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(EmotionError, match="no room for another video"):
            start(source, queue)
    assert list(scratch.iterdir()) == []
    monkeypatch.setattr("streamlit_app.video.job.analyze_video", lambda *_, **__: "done")
    assert start(source, queue).result(5) == "done"


@pytest.mark.usefixtures("steps")
def test_all_jobs_end_with_the_server(source):
    queue = JobQueue(1)
    jobs = [start(source, queue) for _ in range(3)]
    until(lambda: jobs[0].progress)
    queue.end_all()
    until(lambda: not job_threads())
    assert [job.state for job in jobs] == [JobState.CANCELLED] * 3


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param({"settings": VideoSettings(smoothing_s=1.5)}, True, id="smoothing"),
        pytest.param({"settings": VideoSettings(every=3)}, False, id="frames"),
        pytest.param({"settings": VideoSettings(blur=True)}, False, id="blur"),
        pytest.param({"emotion": "another"}, False, id="network"),
        pytest.param({"reidentify": True}, False, id="reidentify"),
    ],
)
def test_only_smoothing_needs_no_new_analysis(other, same):
    assert SPEC.finds_the_same_as(replace(SPEC, **other)) is same


def test_a_held_file_is_freed_when_its_last_user_is_done():
    before = open_files()
    file = SharedTempFile()
    with file.in_use() as path, file.in_use():
        path.write_bytes(b"bytes")
        file.close()
        assert path.read_bytes() == b"bytes"
        with pytest.raises(EmotionError, match="no longer here"):
            file.read()
    assert open_files() == before


@pytest.mark.usefixtures("steps")
def test_the_page_holds_one_video_and_frees_the_one_before():
    before = open_files()
    state = VideoState()
    state.put("first\u202e.mp4", BytesIO(b"first"))
    assert state.clip.name == "first.mp4"
    state.job = job = start(state.clip.file)
    until(lambda: job.progress)
    state.put("second.mp4", BytesIO(b"second"))
    assert (state.clip.file.read(), state.job) == (b"second", None)
    until(lambda: not job_threads())
    state.clear()
    assert state.clip is None
    assert open_files() == before


def test_each_time_that_is_entered_moves_the_cursor():
    selection = TimelineSelection()
    selection.go_to(1.5)
    selection.go_to(None)
    assert selection.seek == (1, 1.5)
    selection.go_to(1.5)
    assert selection.seek == (2, 1.5)
    selection.clear()
    assert selection.seek is None


def test_a_full_disk_is_said(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    state = VideoState()
    with pytest.raises(EmotionError, match=r"No space left on device\). Try a smaller one"):
        state.put("a.mp4", BytesIO(b"bytes"))
    assert state.clip is None


@pytest.mark.usefixtures("steps")
def test_the_state_of_a_visitor_who_has_gone_is_cleared():
    here = {"gone", "stays"}
    reaper = SessionReaper(lambda visitor: visitor in here, grace_s=0.2)
    states = {visitor: VideoState() for visitor in here}
    for visitor, state in states.items():
        state.put("a.mp4", BytesIO(b"bytes"))
        state.job = start(state.clip.file)
        reaper.register(visitor, state)
        reaper.register(visitor, state)
    running = states["gone"].job
    here.remove("gone")
    until(lambda: states["gone"].clip is None)
    assert running.state is JobState.CANCELLED
    assert states["stays"].job.state is JobState.RUNNING
    here.clear()
    until(lambda: states["stays"].clip is None)
