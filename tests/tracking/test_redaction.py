"""What is blurred beside what is reported."""

import numpy as np
import pytest

from emotion_core.tracking.redaction import FaceRedactor, widen_for_redaction
from emotion_core.types import AnalyzeOptions
from tests.factories import make_analysis, make_image

BOXES = [(10, 10, 40, 50), (50, 10, 56, 30), (70, 10, 100, 45)]  # scores 0.95, 0.825, 0.7


@pytest.mark.parametrize(
    ("asked", "blur", "searched"),
    [
        ((0.9, 40), False, (0.9, 40)),
        ((0.9, 40), True, (0.45, 8)),
        ((0.3, 4), True, (0.3, 4)),
    ],
)
def test_more_is_searched_where_faces_are_to_be_blurred(asked, blur, searched):
    expected = AnalyzeOptions(*searched, for_redaction=blur)
    assert widen_for_redaction(AnalyzeOptions(*asked), blur=blur) == expected


@pytest.mark.parametrize(
    ("asked", "left"),
    [((0.0, 1), [10, 50, 70]), ((0.8, 1), [10, 50]), ((0.0, 6.5), [10, 70]), ((0.96, 1), [])],
)
def test_only_what_counts_is_reported(asked, left):
    analysis = make_analysis(BOXES, (120, 60))
    reported = AnalyzeOptions(*asked).select(analysis)
    assert reported.faces.boxes[:, 0].tolist() == left
    assert len(reported.predictions) == len(left)


def test_a_face_that_is_missed_is_still_hidden_for_a_while():
    cover, image = FaceRedactor(), make_image(120, 60)
    seen = make_analysis(BOXES[:1], (120, 60))
    none = make_analysis((), (120, 60))
    hidden = cover.update(seen, 0.0, image).at(0.0, (120, 60))
    np.testing.assert_allclose(hidden, [BOXES[0]], atol=0.01)
    (later,) = cover.update(none, 0.2, image).at(0.2, (120, 60))
    assert (later[:2] < BOXES[0][:2]).all()
    assert (later[2:] > BOXES[0][2:]).all()
    assert len(cover.update(none, 1.5, image).boxes) == 0
