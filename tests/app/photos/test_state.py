"""What one visitor's Photos page keeps, and when it forgets it."""

from dataclasses import replace

from emotion_core.photos.cropped import iter_cropped_photos
from streamlit_app.photos.state import Photo, PhotosState, VisitorOptions
from tests.factories import make_counting_photo, make_fake_analyzer

BLURRED = VisitorOptions("", "", 0.5, 8, blur=True)


def test_images_of_faces_that_another_model_found_are_forgotten():
    photo = Photo("a.png", lambda: make_counting_photo(2), "a")
    state = PhotosState()
    state.begin([photo], ("one", "detector"))
    (found,) = iter_cropped_photos(make_fake_analyzer(), [photo])
    state.results[photo.key] = found
    assert len(state.crops(photo, BLURRED).crops) == 2
    state.preview(photo, BLURRED)
    assert state.begin([photo], ("one", "other detector")) == [photo]
    fewer = replace(found.record, analysis=found.record.analysis[:1])
    state.results[photo.key] = replace(found, record=fewer, crops=found.crops[:1])
    assert len(state.crops(photo, BLURRED).crops) == 1
    assert state.n_bytes == sum(map(len, found.crops[:1]))
