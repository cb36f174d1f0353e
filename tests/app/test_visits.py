"""Visits: what comes back after a reload, for how long, and that nothing else does."""

from io import BytesIO
from types import SimpleNamespace

import pytest

from emotion_core.errors import EmotionError
from emotion_core.photos.cropped import CroppedPhoto
from emotion_core.photos.tables import PhotoRecord
from streamlit_app.photos.state import Photo, PhotosState
from streamlit_app.study.state import StudyState
from streamlit_app.video.state import VideoState
from streamlit_app.visits import Visit, VisitReaper
from tests.app.video.test_job import until
from tests.live.fakes import ManualClock


class Things:
    """What a visitor has on a page."""

    def __init__(self, n_bytes=1, return_s=0.06):
        self.n_bytes, self.is_there, self.has_given_way = n_bytes, True, False
        self.return_s = return_s

    def fork(self):
        return Things(self.n_bytes)

    def give_way(self):
        self.has_given_way = True

    def clear(self):
        self.n_bytes, self.is_there = 0, False


@pytest.fixture
def away():
    """Visits of people who are away, by name, and what frees them when the clock is moved."""
    clock = ManualClock()
    states, here, looks = {}, set(), []

    def is_here(name):
        looks.append(name)
        return name in here

    reaper = VisitReaper(is_here, clock, max_bytes=10, early_s=0.02)

    def leave(name, n_bytes=1):
        states[name] = Things(n_bytes)
        visit = Visit({"things": states[name]})
        reaper.register(name, visit)
        until(lambda: name in looks)
        return visit

    yield SimpleNamespace(leave=leave, states=states, here=here, clock=clock)
    here.clear()

    def are_all_gone():
        clock.now_s += 0.1
        return not any(state.is_there for state in states.values())

    until(are_all_gone)


def test_everything_is_kept_until_the_time_is_over_but_others_need_not_wait(away):
    away.leave("anna")
    state = away.states["anna"]
    away.clock.now_s += 0.03
    until(lambda: state.has_given_way)
    assert state.is_there
    away.clock.now_s += 0.04
    until(lambda: not state.is_there)


def test_where_too_much_is_kept_the_first_to_leave_loses_it(away):
    away.here.add("here")
    for name in ("first", "second", "here"):
        away.leave(name, n_bytes=6)
    away.clock.now_s += 0.03
    until(lambda: not away.states["first"].is_there)
    until(lambda: away.states["second"].has_given_way)
    assert away.states["second"].is_there
    assert away.states["here"].is_there


def test_a_visit_that_goes_on_in_another_window_is_soon_freed_in_the_first(away):
    visit = away.leave("before the reload")
    after = visit.fork()
    away.clock.now_s += 0.03
    until(lambda: not away.states["before the reload"].is_there)
    assert after.states["things"].is_there
    assert after.token != visit.token
    assert len(visit.token) >= 128 / 6


def test_what_one_window_removes_stays_in_the_other():
    before = PhotosState(kept=[Photo("a.jpg", bytes, "1", 5)])
    before.results["1"] = CroppedPhoto(PhotoRecord("a.jpg"), (b"ab", b"c"))
    after = before.fork()
    before.clear()
    assert [photo.name for photo in after.kept] == ["a.jpg"]
    assert after.n_bytes == 8
    assert before.n_bytes == 0


def test_a_video_is_freed_with_the_last_window():
    before = VideoState()
    before.put("a.mp4", BytesIO(b"bytes"))
    file, after = before.clip.file, before.fork()
    before.clear()
    assert (after.n_bytes, after.clip.file.read()) == (5, b"bytes")
    after.clear()
    with pytest.raises(EmotionError, match="no longer here"):
        file.read()
    assert before.fork().clip is None


def test_a_study_stays_longer_than_photos_of_the_same_visit(away):
    visit = away.leave("ann")
    study = visit.states["study"] = Things(return_s=0.2)
    away.clock.now_s += 0.07
    until(lambda: not away.states["ann"].is_there)
    assert study.is_there
    away.clock.now_s += 0.2
    until(lambda: not study.is_there)


def test_a_study_is_kept_for_an_hour_and_other_pages_for_ten_minutes():
    kinds = (PhotosState, VideoState, StudyState)
    assert [kind.return_s for kind in kinds] == [600.0, 600.0, 3600.0]
