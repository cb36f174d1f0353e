"""The strongest moments: the right frame for each kind, few frames made, bounded memory."""

import numpy as np
import pytest

from emotion_core.imaging.codec import decode_image
from emotion_core.video import highlights as module
from emotion_core.video.highlights import MAX_PEOPLE, MIN_FACE_PX, MIN_SCORE, HighlightTracker
from emotion_core.video.types import HighlightKind, VideoFrame
from tests.factories import make_analysis
from tests.video.frame_tables import THREE, make_none, make_one, make_seen

N, H, S = THREE


def make_frame(index, grey=90):
    return VideoFrame(index, index / 10, index, np.full((120, 240, 3), grey, np.uint8))


def keep(frames):
    keeper = HighlightTracker()
    for i, analysis in enumerate(frames):
        frame = make_frame(i, grey=40 + 20 * i)
        keeper.add(frame, analysis, frame.image)
    return keeper


def test_each_kind_has_its_moment_and_frame():
    course = [(0.1, 0.1), (0.9, 0.0), (-0.6, 0.2), (0.5, 0.95), (0.2, 0.0)]
    kept = keep(make_one(7, H if v > 0 else S, (v, a)) for v, a in course).highlights()
    assert [m.kind for m in kept] == list(HighlightKind)
    positive, negative, intense = kept
    assert (positive.frame, positive.time_s, positive.valence) == (1, 0.1, pytest.approx(0.9))
    assert (negative.frame, negative.emotion) == (2, "sadness")
    assert (intense.frame, intense.arousal) == (3, pytest.approx(0.95))
    for moment in kept:
        frame = decode_image(moment.jpeg).pixels
        assert frame.shape == (128, 128, 3)
        assert np.median(frame) == pytest.approx(40 + 20 * moment.frame, abs=3)
        assert moment.track == 7


def test_people_keep_moments_of_their_own():
    probabilities = [[0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]
    both = make_seen([3, 1], probabilities, [[0.5, 0.5], [-0.5, 0.5]])
    kept = keep([both]).highlights()
    assert [(m.track, m.kind) for m in kept] == [(t, k) for t in (1, 3) for k in HighlightKind]
    assert {m.track: m.emotion for m in kept} == {1: "sadness", 3: "happiness"}


def test_the_frame_is_cut_from_what_is_shown():
    keeper = HighlightTracker()
    frame = make_frame(0, grey=20)
    keeper.add(frame, make_one(1, H), np.full_like(frame.image, 200))
    assert np.median(decode_image(keeper.highlights()[0].jpeg).pixels) == pytest.approx(200, abs=3)


@pytest.mark.parametrize(
    ("options", "n"),
    [
        ({"scores": MIN_SCORE}, 3),
        ({"scores": MIN_SCORE - 0.01}, 0),
        ({"boxes": [(10, 10, 10 + MIN_FACE_PX, 80)]}, 3),
        ({"boxes": [(10, 10, 9 + MIN_FACE_PX, 80)]}, 0),
    ],
    ids=["sure", "unsure", "large", "small"],
)
def test_a_face_must_show_something(options, n):
    assert len(keep([make_one(1, H, (0.5, 0.5), **options)]).highlights()) == n


def test_no_face_is_no_moment():
    assert keep([make_none()]).highlights() == ()
    assert HighlightTracker().highlights() == ()


def test_faces_without_tracks_are_refused():
    frame = make_frame(0)
    with pytest.raises(ValueError, match="Faces of a video need track ids"):
        HighlightTracker().add(frame, make_analysis([(0, 0, 40, 40)]), frame.image)


def test_frames_are_made_only_for_records(monkeypatch):
    made = []
    real = module.encode_jpeg
    monkeypatch.setattr(module, "encode_jpeg", lambda *a, **k: made.append(1) or real(*a, **k))
    keep(make_one(1, H, (0.5, 0)) for _ in range(10))
    assert len(made) == 1
    keep(make_one(1, H, (0.5 + 0.001 * i, 0)) for i in range(4))
    assert len(made) == 1 + 4


def test_of_a_crowd_those_seen_shortest_are_forgotten():
    keeper = HighlightTracker()
    frame = make_frame(0)
    for i in range(20):
        keeper.add(make_frame(i), make_one(1, H), frame.image)
    for track in range(2, MAX_PEOPLE + 50):
        keeper.add(make_frame(20 + track), make_one(track, H), frame.image)
    tracks = {moment.track for moment in keeper.highlights()}
    assert len(tracks) == MAX_PEOPLE
    assert {1, MAX_PEOPLE + 49} <= tracks
    assert 2 not in tracks
