"""What one visitor's Photos page keeps, and when it forgets it."""

from dataclasses import replace
from functools import partial

import numpy as np

from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.photos.cropped import iter_cropped_photos
from streamlit_app.photos.state import Photo, PhotosState
from streamlit_app.visitor_options import VisitorOptions
from tests.factories import FakeClassifier, make_counting_photo, make_fake_analyzer

BLURRED = VisitorOptions("", "", 0.5, 8, blur=True)


def test_images_of_faces_that_another_model_found_are_forgotten():
    photo = Photo("a.png", lambda: make_counting_photo(2), "a")
    state = PhotosState()
    state.begin([photo], ("one", "detector"))
    (found,) = iter_cropped_photos(make_fake_analyzer(), [photo])
    state.add(photo, found)
    assert len(state.crops(photo, BLURRED).crops) == 2
    state.preview(photo, BLURRED)
    assert state.begin([photo], ("one", "other detector")) == [photo]
    fewer = replace(found.record, analysis=found.record.analysis[:1])
    state.add(photo, replace(found, record=fewer, crops=found.crops[:1]))
    assert len(state.crops(photo, BLURRED).crops) == 1
    assert state.n_bytes == sum(map(len, found.crops[:1]))


def test_faces_are_not_looked_for_again_where_only_the_emotion_model_is_another():
    photos = [Photo(f"{i}.png", partial(make_counting_photo, 1 + i), str(i)) for i in range(2)]
    analyzer, state = make_fake_analyzer(), PhotosState()
    state.begin(photos[:1], ("one", "detector"))
    (before,) = [found for _, found in state.iter_results(analyzer, photos[:1], blur=False)]
    state.add(photos[0], before)
    assert state.begin(photos, ("two", "detector")) == photos
    other = LocalAnalyzer(analyzer.detector, FakeClassifier(shift=60), analyzer.info)
    after = dict(state.iter_results(other, photos, blur=False))
    assert len(analyzer.detector.calls) == 2
    (again, new) = (after[photo].record.analysis for photo in photos)
    np.testing.assert_array_equal(again.faces.boxes, before.record.analysis.faces.boxes)
    assert (
        again.predictions.probabilities != before.record.analysis.predictions.probabilities
    ).any()
    assert len(new) == 2
    hidden = dict(state.iter_results(other, photos[:1], blur=True))  # has more faces to hide
    assert len(analyzer.detector.calls) == 3
    assert hidden[photos[0]].can_be_blurred


def test_a_photo_is_analysed_again_before_it_is_blurred_and_not_after():
    photo, models = Photo("a.png", lambda: make_counting_photo(1), "a"), ("one", "detector")
    state = PhotosState()
    for blur in (False, True):
        assert state.begin([photo], models, blur=blur) == [photo]
        (found,) = iter_cropped_photos(make_fake_analyzer(), [photo], blur=blur)
        state.add(photo, found)
        assert state.begin([photo], models, blur=blur) == []
    assert state.begin([photo], models, blur=False) == []


def test_images_from_before_a_photo_was_analysed_again_are_forgotten():
    photo = Photo("a.png", lambda: make_counting_photo(1, width=300, height=200), "a")
    state = PhotosState()
    (found,) = iter_cropped_photos(make_fake_analyzer(), [photo], blur=True)
    none = replace(
        found, record=replace(found.record, analysis=found.record.analysis[:0]), crops=()
    )
    state.add(photo, none)
    bare = state.preview(photo, BLURRED)
    state.add(photo, found)
    assert state.preview(photo, BLURRED) != bare
    assert len(state.crops(photo, BLURRED).crops) == 1
