"""Which faces the contact sheet shows, in which order."""

from dataclasses import replace

import pytest

from emotion_core.labels import Emotion
from emotion_core.photos.cropped import CroppedPhoto
from streamlit_app.photos.faces import ORDERS, SheetFilter, sheet_table, sort_faces, to_public
from streamlit_app.photos.state import Photo
from tests.factories import make_quality, make_record

BOX = (4, 4, 20, 24)


def measure(record, flags):
    """The same record with the quality of faces with these flags."""
    return replace(record, analysis=replace(record.analysis, quality=make_quality(flags)))


@pytest.fixture(scope="module")
def faces():
    """A small happy and a large happy face in one photo, a small sad one in another."""
    records = [
        measure(make_record("a.jpg", (BOX, (0, 0, 60, 48))), ["small", ""]),
        measure(make_record("b.jpg", (BOX,), top=Emotion.SADNESS), ["small"]),
    ]
    photos = [Photo(record.source, bytes, record.source) for record in records]
    return sheet_table(photos, [CroppedPhoto(record) for record in records])


def test_faces_have_ids_and_small_ones_a_flag(faces):
    assert faces["id"].tolist() == ["a.jpg#1", "a.jpg#2", "b.jpg#1"]
    assert faces["flag"].tolist() == ["small", "", "small"]
    assert "flag" not in to_public(faces)


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        (SheetFilter(), [0, 1, 2]),
        (SheetFilter(emotions=("sadness",)), [2]),
        (SheetFilter(emotions=("sadness", "happiness")), [0, 1, 2]),
        (SheetFilter(quality="good"), [1]),
        (SheetFilter(quality="poor"), [0, 2]),
        (SheetFilter(photo="a.jpg"), [0, 1]),
        (SheetFilter(confidence=(0.9, 1.0)), []),
        (SheetFilter(ranges={"valence": (0, 1)}), [0, 1]),
        (SheetFilter(emotions=("happiness",), quality="poor"), [0]),
    ],
    ids=str,
)
def test_filters_hold_together(faces, choice, shown):
    assert choice.choose(faces).index.tolist() == shown


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Photo", [0, 1, 2]),
        ("Emotion", [0, 1, 2]),
        ("Quality, poor first", [0, 2, 1]),
        ("Valence, low first", [2, 0, 1]),
    ],
)
def test_faces_are_sorted(faces, order, expected):
    assert sort_faces(faces, order).index.tolist() == expected
    assert all(len(sort_faces(faces, each)) == 3 for each in ORDERS)
