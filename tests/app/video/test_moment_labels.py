"""Labels of faces in a video: which are asked for, what is kept, what a file brings back."""

import math

import pandas as pd
import pytest

from emotion_core.labels import Emotion
from emotion_core.training.datasets.label_writer import labels_to_csv
from emotion_core.training.datasets.photo_labels import PhotoLabel
from emotion_core.video.types import Highlight, HighlightKind
from streamlit_app.video.moment_labels import Moment, MomentLabels, moments_at, suggest_moments

NAME = "clip.mp4"
BOX = (0.0, 0.0, 20.0, 20.0)


def make_frames(n=40, tracks=(1, 2), hz=10):
    """Two people; person 1 is read surely but at 2.3 s."""
    rows = []
    for i in range(n):
        for track in tracks:
            share = 0.5 if (i, track) == (23, 1) else 0.9
            rows.append(
                {
                    "frame": i,
                    "time_s": i / hz,
                    "track": track,
                    "x1": 40 * track,
                    "y1": 0,
                    "x2": 40 * track + 30,
                    "y2": 30,
                    "p_neutral": share,
                    "p_anger": 1 - share,
                    "emotion": "neutral",
                    "confidence": share,
                    "is_usable": True,
                }
            )
    return pd.DataFrame(rows).astype({"track": "Int64"})


def make_highlight(track, frame):
    return Highlight(track, HighlightKind.POSITIVE, frame, frame / 10, "neutral", 0.5, 0.1, b"")


def test_highlights_are_asked_for_first_then_uncertain_readings():
    found = suggest_moments(make_frames(), [make_highlight(2, 11)], [1, 2])
    assert (found[0].track, found[0].time_s, found[0].kind) == (2, 1.1, "most positive")
    assert (found[1].track, found[1].time_s, found[1].kind) == (1, 2.3, "uncertain")
    assert len(found) == 1 + 4 + 3  # one a second of each person, but where a highlight is
    assert {one.track for one in suggest_moments(make_frames(), [], [2])} == {2}


def test_unusable_faces_are_not_asked_for():
    frames = make_frames().assign(is_usable=False)
    assert suggest_moments(frames, [], [1, 2]) == []


def test_the_faces_at_the_cursor_are_those_of_the_frame_that_is_shown():
    frames = make_frames()
    assert [(one.track, one.time_s) for one in moments_at(frames, 1.17, [1, 2])] == [
        *((1, 1.1), (2, 1.1))
    ]
    assert [one.time_s for one in moments_at(frames, -1.0, [2])] == [0.0]
    assert moments_at(frames.iloc[:0], 1.0, [1]) == []


def test_a_saved_label_tells_the_video_the_time_the_box_the_ratings_the_person_and_the_rater():
    labels = MomentLabels()
    moment = Moment(3, 1234.567891, BOX, "anger", 0.6)
    labels.give(NAME, moment, Emotion.ANGER, "A", (-0.5, math.nan))
    _, row = labels_to_csv(labels.given.values()).decode().split()
    assert row == "clip.mp4,1234.567891,0.0,0.0,20.0,20.0,anger,-0.5,,clip.mp4#3,A"


def test_a_file_brings_labels_of_several_raters_back_and_their_agreement():
    frames, labels = make_frames(), MomentLabels()
    first, second = moments_at(frames, 0.5, [1, 2])
    for moment, word in ((first, Emotion.ANGER), (second, Emotion.FEAR)):
        labels.give(NAME, moment, word, "A")
    others = [
        PhotoLabel(f"sub/{NAME}", Emotion.ANGER, time_s=0.52, box=(41, 1, 70, 30), rater="B"),
        PhotoLabel(NAME, Emotion.FEAR, valence=-0.5, time_s=0.5, box=second.box, rater="B"),
        PhotoLabel(NAME, Emotion.FEAR, time_s=9.9, box=second.box, rater="B"),
        PhotoLabel("other.mp4", Emotion.FEAR, time_s=0.5, box=second.box, rater="B"),
        PhotoLabel(NAME, Emotion.FEAR, time_s=0.5, box=(200, 200, 220, 220), rater="B"),
    ]
    assert labels.agreement() is None
    assert labels.take(others, NAME, frames) == 2
    found = labels.agreement()
    assert (found.n_shared, found.kappa["A", "B"]) == (2, pytest.approx(1))
    assert labels.given[second.face(NAME), "B"].valence == -0.5
