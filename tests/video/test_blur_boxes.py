"""What is blurred in a file: also a face that is not found yet."""

import numpy as np

from emotion_core.tracking.redaction import FaceRedactor
from emotion_core.video.blur_boxes import BlurBoxes
from tests.factories import make_analysis, make_image

SIZE_WH, FACE = (120, 60), (50, 20, 70, 45)


def test_a_face_is_hidden_a_little_before_it_is_first_found_and_not_long_before():
    redactor, hidden, image = FaceRedactor(), BlurBoxes(), make_image(*SIZE_WH)
    for index in range(11):
        found = make_analysis([FACE] if index >= 8 else (), SIZE_WH)
        hidden.add(index, index / 8, redactor.update(found, index / 8, image), SIZE_WH)
    assert [len(hidden.boxes[i]) for i in range(11)] == [0] * 6 + [1] * 5
    np.testing.assert_allclose(hidden.boxes[8], [FACE], atol=0.01)
    before, long_before = hidden.boxes[7][0], hidden.boxes[6][0]
    assert (before[:2] < FACE[:2]).all()
    assert (before[2:] > FACE[2:]).all()
    assert (long_before[:2] < before[:2]).all()
