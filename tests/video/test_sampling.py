"""Which frames are analysed, and how thoroughly each is searched."""

import numpy as np
import pytest

from emotion_core.video.sampling import AdaptiveSearch, FrameSampler
from emotion_core.video.types import VideoFrame, VideoSettings
from tests.factories import make_analysis


def wanted(settings, times):
    schedule = FrameSampler(settings)
    chosen = [i for i, time_s in enumerate(times) if schedule.should_analyze(i, time_s)]
    assert schedule.n_frames == len(times)
    return chosen


@pytest.mark.parametrize(("every", "expected"), [(1, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 3, 6])])
def test_every_n_th_frame(every, expected):
    assert wanted(VideoSettings(every=every), [i / 25 for i in range(7)]) == expected


@pytest.mark.parametrize("settings", [{"every": 5}, {"hz": 2}], ids=str)
def test_first_frame_is_wanted_even_if_those_before_it_were_damaged(settings):
    schedule = FrameSampler(VideoSettings(**settings))
    assert [schedule.should_analyze(i, i / 10) for i in (3, 4, 5)] == [True, False, True]


@pytest.mark.parametrize(
    ("hz", "fps", "per_second"),
    [(5, 25, 5), (10, 25, 10), (3, 25, 3), (24, 25, 24), (1, 29.97, 1), (25, 25, 25)],
)
def test_rate_is_kept_whatever_that_of_the_video(hz, fps, per_second):
    times = [round(i / fps, 3) for i in range(int(20 * fps))]  # as rounded as in some containers
    chosen = wanted(VideoSettings(hz=hz), times)
    assert chosen[0] == 0
    assert abs(len(chosen) - 20 * per_second) <= 1
    gaps = np.diff([times[i] for i in chosen])
    assert gaps.max() <= 1 / hz + 1 / fps + 0.002


@pytest.mark.parametrize("start_ms", [0.0, 0.4, 0.6])
@pytest.mark.parametrize("fps", [24, 30, 60])
def test_rate_is_kept_where_time_stamps_are_whole_milliseconds(fps, start_ms):
    stamps = [round(start_ms + 1000 * i / fps) for i in range(5 * fps)]
    times = [(stamp - stamps[0]) / 1000 for stamp in stamps]
    exact = [i / fps for i in range(5 * fps)]
    for share in (1, 2, 6):
        every = list(range(0, 5 * fps, share))
        assert wanted(VideoSettings(hz=fps / share), times) == every
        assert wanted(VideoSettings(hz=fps / share), exact) == every


def test_rate_above_that_of_the_video_takes_every_frame():
    assert len(wanted(VideoSettings(hz=100), [i / 25 for i in range(50)])) == 50


def test_rate_goes_by_time_where_frames_come_irregularly():
    times = [0, 0.01, 0.02, 0.3, 2.0, 2.01, 2.5, 2.51]
    assert wanted(VideoSettings(hz=2), times) == [0, 4, 6]


@pytest.mark.parametrize(
    ("times", "end_s"), [([], 0), ([0], 0), ([0, 5, 10], 15), ([0, 0.04, 0.08], 0.12)], ids=str
)
def test_the_end_of_the_video_is_that_of_its_last_frame(times, end_s):
    schedule = FrameSampler(VideoSettings(hz=1))
    for index, time_s in enumerate(times):
        schedule.should_analyze(index, time_s)
    assert schedule.end_s == pytest.approx(end_s)


class Scene:
    """A search that finds a face of given shorter side in a 1280 by 720 frame, or not.

    Attributes:
        looks: Of each call: the ``search_px`` and the indices of its frames.
    """

    def __init__(self, boxes, least_px=None):
        self.boxes, self.least_px = boxes, least_px or {}
        self.looks = []

    def search(self, images, search_px):
        indices = [int(image[0, 0, 0]) for image in images]
        self.looks.append((search_px, indices))
        least = self.least_px.get(search_px, 0)
        return [
            make_analysis([b for b in self.boxes(i) if b[2] - b[0] >= least], (1280, 720))
            for i in indices
        ]


def frames(n, fps=10, size_wh=(1280, 720)):
    return [VideoFrame(i, i / fps, i, np.full((*size_wh[::-1], 3), i, np.uint8)) for i in range(n)]


def one_face(_):
    return [(100, 100, 200, 200)]


def test_thorough_search_of_the_first_and_of_one_every_two_seconds():
    scene = Scene(one_face)
    plan = AdaptiveSearch(scene.search)
    shown = frames(50)
    found = [a for i in range(0, 50, 8) for a in plan.analyze(shown[i : i + 8])]
    assert [len(a) for a in found] == [1] * 50
    assert [indices for px, indices in scene.looks if px is None] == [[0], [20], [40]]
    quick = [i for px, indices in scene.looks if px == 640 for i in indices]
    assert quick == list(range(50)), "thorough ones are looked at again, to compare"


def test_frames_for_one_look_are_analysed_together():
    scene = Scene(one_face)
    plan = AdaptiveSearch(scene.search)
    list(plan.analyze(frames(8)))
    assert scene.looks == [(None, [0]), (640, [0]), (640, [1, 2, 3, 4, 5, 6, 7])]


@pytest.mark.parametrize(
    ("least_px", "expected"),
    [
        pytest.param({}, 640, id="the quickest finds it"),
        pytest.param({640: 200}, 1280, id="the quickest misses it"),
        pytest.param({640: 200, 1280: 200}, None, id="both miss it"),
    ],
)
def test_quickest_look_that_finds_all_is_used(least_px, expected):
    scene = Scene(one_face, least_px)
    plan = AdaptiveSearch(scene.search)
    list(plan.analyze(frames(3)))
    assert scene.looks[-1] == (expected, [1, 2])


def test_one_missed_face_of_several_is_enough_for_a_larger_look():
    scene = Scene(lambda _: [(100, 100, 200, 200), (400, 400, 420, 420)], {640: 50})
    plan = AdaptiveSearch(scene.search)
    assert [len(a) for a in plan.analyze(frames(3))] == [2, 2, 2]


def test_look_larger_than_the_frame_is_not_tried():
    scene = Scene(one_face, {640: 200})
    plan = AdaptiveSearch(scene.search)
    list(plan.analyze(frames(2, size_wh=(640, 360))))
    assert [px for px, _ in scene.looks] == [None, 640, None]


def test_plan_follows_what_changes():
    scene = Scene(lambda i: [(0, 0, 40, 40)] if i < 10 else [(0, 0, 300, 300)], {640: 100})
    plan = AdaptiveSearch(scene.search)
    list(plan.analyze(frames(12, fps=5)))
    assert (1280, list(range(1, 10))) in scene.looks
    assert scene.looks[-1] == (640, [11])


def test_frame_after_all_faces_have_gone_is_searched_thoroughly():
    scene = Scene(lambda i: one_face(i) if i < 3 else [])
    plan = AdaptiveSearch(scene.search)
    for frame in frames(8):
        list(plan.analyze([frame]))
    assert [indices for px, indices in scene.looks if px is None] == [[0], [4]]


def test_without_a_face_the_quickest_look_is_used():
    scene = Scene(lambda _: [])
    plan = AdaptiveSearch(scene.search)
    list(plan.analyze(frames(3)))
    assert scene.looks == [(None, [0]), (640, [1, 2])]


def test_nothing_to_analyse():
    assert list(AdaptiveSearch(Scene(one_face).search).analyze([])) == []
