"""Annotated videos of a study: drawn in the queue of all visitors, current or gone."""

import pytest

from emotion_core.errors import EmotionError
from emotion_core.study.edits import RenamePerson
from emotion_core.video.io.reader import VideoReader
from streamlit_app.study.clips import StudyClip
from streamlit_app.study.drawing import AnnotationJob
from streamlit_app.study.state import StudyState
from streamlit_app.video.job_queue import JobQueue, JobState
from tests.app.study.test_clips import make_clip
from tests.app.video.test_job import until
from tests.factories import make_image
from tests.study.studies import make_record
from tests.video.clips import make_clip as make_video

N_FRAMES = 600


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A minute of a face that is small."""
    path = tmp_path_factory.mktemp("drawing") / "v.mp4"
    return make_video(path, [make_image(64, 48)] * N_FRAMES, fps=10).read_bytes()


@pytest.fixture
def state(video):
    """A study of one video that was analysed and is still here."""
    clip = StudyClip.of_record(make_record("P1", "joy", [0.5] * N_FRAMES))
    clip.file = make_clip("file", video).file
    state = StudyState()
    state.add([clip])
    yield state
    state.clear()


def draw(state, at_once=1):
    state.draw(AnnotationJob(state, state.clips[0], JobQueue(at_once)))
    return state.drawing


def test_a_video_is_drawn_to_a_file_that_counts_and_goes_with_the_study(state):
    job, size = draw(state), state.n_bytes
    job.result(60)
    assert job.state is JobState.DONE
    assert state.n_bytes > size
    with job.video.in_use() as path, VideoReader(path) as reader:
        assert reader.info.duration_s == N_FRAMES / 10
    other = state.fork()
    state.remove(state.clips)
    assert state.drawing is None
    assert other.drawing.video.size
    other.clear()
    assert not job.video.size


def test_drawing_tells_how_far_it_is_and_is_cancelled(state):
    job = draw(state)
    until(lambda: job.progress)
    assert job.progress.n_frames == N_FRAMES
    job.cancel()
    until(lambda: not job.video.size)
    assert job.state is JobState.CANCELLED


def test_drawing_waits_for_its_turn(state):
    job = draw(state, at_once=0)
    assert job.state is JobState.WAITING


def test_a_drawing_is_outdated_once_its_people_change(state):
    job = draw(state, at_once=0)
    state.edit(RenamePerson("other.mp4", 1, "Ben"))
    assert job.is_current(state)
    state.edit(RenamePerson("P1_joy.mp4", 1, "Anna"))
    assert not job.is_current(state)


def test_a_video_of_which_nobody_is_known_is_not_drawn(state):
    state.add([StudyClip.of_record(make_record("P2", "joy", [0.5] * 10))])
    state.names.known["P1_joy.mp4"] = ("", "", "")
    with pytest.raises(EmotionError, match="not known who is in"):
        draw(state)
