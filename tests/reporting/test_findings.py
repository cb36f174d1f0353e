"""What a video shows of a person, in a sentence."""

import pytest

from emotion_core.reporting.findings import describe_course, find_stretches
from tests.video.frame_tables import THREE, make_none, make_one, make_table

N, H, S = THREE


def course(*parts, fps=10):
    """A table of one person: an emotion, seconds and valence each."""
    shown = [(emotion, v) for emotion, seconds, v in parts for _ in range(round(seconds * fps))]
    return make_table(
        [
            (i, i / fps, make_none() if emotion is None else make_one(1, emotion, (v, 0.0)))
            for i, (emotion, v) in enumerate(shown)
        ]
    )


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        pytest.param([(H, 3, 0.5)], "happiness; valence +0.5", id="one emotion"),
        pytest.param(
            [(S, 9, -0.8), (H, 5, 1.0)],
            "sadness, then happiness at 0:09; valence \u22120.8 to +1.0",
            id="change",
        ),
        pytest.param(
            [(S, 3, -0.8), (N, 3, 0.0), (H, 4, 0.9)],
            "sadness, then neutral at 0:03 and happiness at 0:06; valence \u22120.8 to +0.9",
            id="two changes",
        ),
        pytest.param(
            [(S, 3, -0.8), (N, 0.3, 0.0), (S, 3, -0.8)],
            "mostly sadness; valence \u22120.8 to 0.0",
            id="flicker",
        ),
        pytest.param(
            [(N, 5, 0.0), (None, 5, 0.0), (H, 5, 0.02)],
            "neutral, then happiness at 0:10; valence 0.0",
            id="gap",
        ),
        pytest.param(
            [(N, 0.4, 0.0), (S, 0.5, 0.0), (N, 0.4, 0.0), (H, 0.3, 0.0)] * 3,
            "mostly neutral (50%) and sadness (31%); valence 0.0",
            id="too often",
        ),
        pytest.param(
            [(N, 0.6, 0.1), (H, 1.8, 1.0)],
            "neutral, then happiness at 0:01; valence +0.1 to +1.0",
            id="short video",
        ),
        pytest.param([(H, 0.1, 0.3)], "happiness; valence +0.3", id="one frame"),
    ],
)
def test_emotions_are_told_in_order_with_the_range_of_valence(parts, words):
    assert describe_course(course(*parts), 1) == words


def test_of_many_stretches_the_longest_are_told():
    parts = [(N, 1, 0), (S, 4, 0), (H, 1, 0), (N, 5, 0), (H, 6, 0)]
    words = describe_course(course(*parts), 1)
    assert words.startswith("sadness, then neutral at 0:06 and happiness at 0:11;")


def test_stretches_have_a_start_and_their_visible_time():
    rows = course((S, 2, 0.0), (H, 1, 0.0)).assign(seen_s=0.1)
    found = [(one.emotion, one.start_s, round(one.seen_s, 6)) for one in find_stretches(rows)]
    assert found == [("sadness", 0.0, 2.0), ("happiness", 2.0, 1.0)]
