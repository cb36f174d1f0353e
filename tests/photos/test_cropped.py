"""Photos analysed once with every face, of which options choose later."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from emotion_core.detection.paired import PairedDetector
from emotion_core.imaging.codec import decode_image
from emotion_core.photos.cropped import (
    EVERY_FACE,
    CroppedPhoto,
    blur_crop,
    draw_photo,
    encode_photo,
    iter_cropped_photos,
)
from emotion_core.photos.pipeline import PhotoSource
from emotion_core.types import AnalyzeOptions
from tests.factories import (
    FakeDetector,
    difference,
    make_counting_photo,
    make_faces,
    make_fake_analyzer,
    make_predictions,
    make_quality,
)


def analyze(*photos, detector=None):
    sources = [PhotoSource(str(i), lambda data=data: data) for i, data in enumerate(photos)]
    return list(iter_cropped_photos(make_fake_analyzer(detector), sources))


def test_every_face_is_searched_for_and_cropped_photo_by_photo():
    detector = FakeDetector()
    one, two, broken = analyze(
        make_counting_photo(1), make_counting_photo(2), b"nothing", detector=detector
    )
    assert set(detector.calls) == {EVERY_FACE.min_score}
    assert len(detector.calls) == 2
    assert [len(photo.crops) for photo in (one, two, broken)] == [1, 2, 0]
    assert decode_image(one.crops[0]).pixels.shape == (128, 128, 3)
    assert one.n_bytes == len(one.crops[0])
    assert "not an image" in broken.record.error
    assert broken.select(AnalyzeOptions()) is broken


def test_faces_that_count_are_chosen_with_their_crops():
    """The stand-in finds scores from 0.95 down to 0.7."""
    (photo,) = analyze(make_counting_photo(3))
    chosen = photo.select(AnalyzeOptions(min_score=0.9))
    assert len(chosen.record.analysis) == 1
    assert chosen.crops == photo.crops[:1]
    assert len(photo.select(AnalyzeOptions(largest_only=True)).crops) == 1
    assert photo.select(AnalyzeOptions(min_face_px=200)).crops == ()
    assert len(photo.record.analysis) == 3


def test_action_features_are_in_what_is_chosen_where_they_were_asked_for():
    (photo,) = analyze(make_counting_photo(1))
    read = make_predictions(1, has_actions=True)
    known = CroppedPhoto(
        replace(photo.record, analysis=replace(photo.record.analysis, predictions=read)),
        photo.crops,
    )
    asked = known.select(AnalyzeOptions(actions=True)).record.analysis
    np.testing.assert_array_equal(asked.predictions.actions, read.actions)
    assert known.select(AnalyzeOptions()).record.analysis.predictions.actions is None


@pytest.mark.parametrize("is_marked", [False, True])
def test_a_drawn_photo_is_blurred_even_where_a_face_does_not_count(is_marked):
    data = make_counting_photo(1, width=400, height=300)
    (photo,) = analyze(data)
    options = AnalyzeOptions(min_face_px=350)
    clear = draw_photo(data, photo.record, options, blur=False, is_marked=is_marked)
    assert np.array_equal(clear, decode_image(data).pixels)
    blurred = draw_photo(data, photo.record, options, blur=True, is_marked=is_marked)
    assert difference(clear, blurred) > 20


def test_a_face_that_only_the_second_detector_sees_is_blurred_and_counts_nowhere():
    """Of two faces side by side the right one is what only the second detector sees."""
    data = make_counting_photo(1, width=400, height=300)
    first, right = FakeDetector(), make_faces([(200, 0, 400, 300)])
    left = SimpleNamespace(
        detect=lambda images, options: [left_half(first.detect(images, options))]
    )
    second = SimpleNamespace(detect=lambda *_: [right])
    analyzer = make_fake_analyzer(PairedDetector(left, lambda: second))
    (photo,) = iter_cropped_photos(analyzer, [PhotoSource("a.png", lambda: data)], blur=True)
    options = AnalyzeOptions(min_score=0.3, all_faces=True)
    assert photo.can_be_blurred
    chosen = photo.select(options)
    assert len(chosen.record.analysis) == len(chosen.crops) == 1
    clear, blurred = (
        draw_photo(data, photo.record, options, blur=blur, is_marked=False)
        for blur in (False, True)
    )
    assert difference(clear[:, 220:], blurred[:, 220:]) > 20
    marked = draw_photo(data, photo.record, options, blur=False, is_marked=True)
    assert np.array_equal(marked[:, 220:], clear[:, 220:])


def left_half(found):
    """The face of an image of 400 by 300 pixels, as if it took up the left half."""
    return replace(found[0], boxes=found[0].boxes / np.float32([2, 1, 2, 1]))


def test_unusable_faces_look_like_others_where_all_count():
    data = make_counting_photo(1, width=400, height=300)
    (photo,) = analyze(data)
    record = replace(
        photo.record, analysis=replace(photo.record.analysis, quality=make_quality(["dark"]))
    )
    plain, every = (
        draw_photo(data, record, AnalyzeOptions(all_faces=is_all), blur=False, is_marked=True)
        for is_all in (False, True)
    )
    assert difference(plain, every) > 0.1
    usable = replace(record, analysis=replace(record.analysis, quality=None))
    assert np.array_equal(
        every, draw_photo(data, usable, AnalyzeOptions(), blur=False, is_marked=True)
    )


def test_marks_are_drawn_when_asked_for():
    data = make_counting_photo(1, width=400, height=300)
    (photo,) = analyze(data)
    marked = draw_photo(data, photo.record, AnalyzeOptions(), blur=False, is_marked=True)
    assert difference(marked, decode_image(data).pixels) > 0.1
    assert decode_image(encode_photo(marked)).pixels.shape == marked.shape


def test_nobody_is_recognised_in_a_blurred_crop():
    (photo,) = analyze(make_counting_photo(1))
    crop, blurred = (decode_image(d).pixels for d in (photo.crops[0], blur_crop(photo.crops[0])))
    assert (
        np.abs(np.diff(blurred.astype(int), axis=1)).mean()
        < 0.1 * np.abs(np.diff(crop.astype(int), axis=1)).mean()
    )
