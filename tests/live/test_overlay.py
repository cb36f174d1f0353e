from dataclasses import replace

import numpy as np
import pytest

from emotion_core.live.overlay import render
from emotion_core.live.types import LiveFrame, LiveResult
from emotion_core.tracking.redaction import FaceRedactor
from tests.factories import make_analysis, make_image

SIZE = (640, 480)
BOX = (200, 150, 300, 270)


def reading_of(*boxes, frame_s=10.0, size_wh=SIZE):
    analysis = tracked(boxes, size_wh)
    cover = FaceRedactor().remember(analysis, frame_s)
    frame = LiveFrame(0, frame_s, 0.0, make_image(*size_wh))
    return LiveResult(frame, analysis, analysis, cover)


def tracked(boxes, size_wh=SIZE, ids=None):
    analysis = make_analysis(boxes, size_wh)
    ids = np.arange(1, len(boxes) + 1) if ids is None else np.array(ids)
    return replace(analysis, faces=replace(analysis.faces, track_ids=ids))


def detail(image, box):
    """Mean difference between neighbouring pixels: next to none where it is blurred."""
    x1, y1, x2, y2 = box
    return np.abs(np.diff(image[y1:y2, x1:x2].astype(int), axis=1)).mean()


def test_boxes_are_drawn_and_the_frame_is_not_changed():
    image = make_image(*SIZE)
    before = image.copy()
    shown = render(image, reading_of(BOX), 10.1, blur=False)
    assert (image == before).all()
    assert (shown[150, 210:290] != image[150, 210:290]).any()


@pytest.mark.parametrize(
    ("reading", "now_s"),
    [(None, 10.0), (reading_of(BOX), 11.01), (reading_of(), 10.1)],
    ids=["no reading", "old reading", "no face"],
)
def test_without_anything_to_draw_the_frame_itself_is_given(reading, now_s):
    image = make_image(*SIZE)
    assert render(image, reading, now_s, blur=False) is image


@pytest.mark.parametrize(
    ("reading", "now_s"),
    [(None, 10.0), (reading_of(BOX), 11.01), (replace(reading_of(BOX), mask=None), 10.0)],
    ids=["no reading", "old reading", "not read for that"],
)
def test_blur_covers_everything_where_nobody_knows_where_faces_are(reading, now_s):
    shown = render(make_image(*SIZE), reading, now_s, blur=True)
    assert detail(shown, (0, 0, *SIZE)) < 2


def test_blur_covers_the_face_and_leaves_the_rest():
    image = make_image(*SIZE)
    shown = render(image, reading_of(BOX), 10.0, blur=True)
    assert detail(shown, (210, 160, 290, 260)) < 12  # the box's label may lie beside it
    assert (shown[400:, 400:] == image[400:, 400:]).all()


def test_blur_of_a_frame_without_faces_changes_nothing():
    image = make_image(*SIZE)
    assert (render(image, reading_of(), 10.1, blur=True) == image).all()


def test_covers_grow_as_much_upwards_as_sideways():
    cover = FaceRedactor().remember(tracked([BOX]), 10.0)
    now, later = cover.at(10.0, SIZE)[0], cover.at(10.2, SIZE)[0]
    assert (now - later)[:2] == pytest.approx([(later - now)[2]] * 2)
    assert (later - now)[2] == pytest.approx((later - now)[3])
    assert later[0] < now[0]


def test_a_reading_fits_a_frame_of_another_size():
    small = render(make_image(320, 240), reading_of(BOX), 10.1, blur=False)
    plain = make_image(320, 240)
    # Small frames are enlarged before they are written on.
    factor = small.shape[0] // plain.shape[0]
    changed = (small != plain.repeat(factor, axis=0).repeat(factor, axis=1)).any(axis=2)
    assert small.shape[1] == 320 * factor
    assert changed.any()


def test_covers_grow_with_the_time_and_the_speed_of_the_face():
    keeper = FaceRedactor()
    keeper.remember(tracked([(100, 100, 200, 200)]), 10.0)
    cover = keeper.remember(tracked([(110, 100, 210, 200)]), 10.1)  # 100 pixels a second
    now = cover.at(10.1, SIZE)
    later = cover.at(10.3, SIZE)
    assert now[0].tolist() == pytest.approx([110, 100, 210, 200], abs=0.01)
    assert later[0, 0] < 110 - 20
    assert later[0, 2] > 210 + 20  # where it is if it went on
    still = FaceRedactor().remember(tracked([(110, 100, 210, 200)]), 10.1)
    assert cover.speeds[0] == pytest.approx(100 / 640)
    assert (still.at(10.3, SIZE)[0, 2] - 210) > 0


def test_a_face_that_is_missed_for_a_moment_stays_covered():
    keeper = FaceRedactor()
    keeper.remember(tracked([BOX]), 10.0)
    missed = keeper.remember(tracked([]), 10.5)
    x1, y1, x2, y2 = missed.at(10.5, SIZE)[0]
    assert x1 < BOX[0]
    assert y1 < BOX[1]
    assert x2 > BOX[2]
    assert y2 > BOX[3]
    assert len(keeper.remember(tracked([]), 11.1).boxes) == 0


def test_covers_fit_a_frame_of_another_size():
    cover = FaceRedactor().remember(tracked([BOX]), 10.0)
    assert cover.at(10.0, (320, 240))[0].tolist() == pytest.approx([100, 75, 150, 135], abs=0.01)


def test_two_faces_have_two_covers():
    cover = FaceRedactor().remember(tracked([BOX, (400, 100, 450, 160)]), 10.0)
    assert cover.at(10.0, SIZE).shape == (2, 4)


def test_a_mirror_shows_the_frame_the_other_way_round_with_boxes_where_the_faces_are():
    image = make_image(*SIZE)
    assert (render(image, None, 10.0, blur=False, mirror=True) == image[:, ::-1]).all()
    other_way_round = reading_of((SIZE[0] - 300, 150, SIZE[0] - 200, 270))
    expected = render(image[:, ::-1].copy(), other_way_round, 10.0, blur=False)
    assert (render(image, reading_of(BOX), 10.0, blur=False, mirror=True) == expected).all()
    blurred = render(image, reading_of(BOX), 10.0, blur=True, mirror=True)
    assert detail(blurred, (360, 180, 420, 260)) < 2
