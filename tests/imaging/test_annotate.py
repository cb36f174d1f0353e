"""Annotated images: legible at any size, labels apart and inside, faces beyond recognition."""

from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest

from emotion_core.imaging import annotate as drawing
from emotion_core.imaging.annotate import annotate, blur_faces, label_variants
from emotion_core.imaging.palette import EMOTION_COLOURS, to_rgb
from emotion_core.labels import Emotion
from emotion_core.types import Analysis, Predictions
from tests.factories import make_analysis, make_faces, make_image, make_quality

CROWD = [
    (x, y, x + 40, y + 50) for x in range(10, 990, 98) for y in range(60, 660, 120)
]  # 10 by 5 faces


def count_colour(image, emotion, tolerance=10):
    distance = np.abs(image.astype(int) - to_rgb(EMOTION_COLOURS[emotion])).max(axis=2)
    return int((distance <= tolerance).sum())


@pytest.fixture
def placed(monkeypatch):
    """Rectangles and lines of the labels, as they are placed."""
    found = []
    original = drawing._place_label

    def place(*arguments):
        found.append(original(*arguments))
        return found[-1]

    monkeypatch.setattr(drawing, "_place_label", place)
    return found


@pytest.mark.parametrize("emotion", EMOTION_COLOURS)
def test_box_has_the_colour_of_the_emotion(emotion):
    image = np.full((400, 500, 3), 60, np.uint8)
    drawn = annotate(
        image,
        make_analysis([(100, 150, 220, 300)], (500, 400), top=emotion, labels=tuple(Emotion)),
    )
    assert count_colour(image, emotion) == 0
    assert count_colour(drawn[145:305, 95:225], emotion) > 2 * (120 + 150)
    assert (drawn[180:270, 130:190] == 60).all(), "the face itself stays as it is"
    assert (drawn[320:, :] == 60).all()


def test_image_is_not_modified():
    image = make_image(500, 400)
    before = image.copy()
    boxes = [(100, 150, 220, 300)]
    drawn = annotate(image, make_analysis(boxes, (500, 400)))
    blur_faces(image, np.array(boxes, np.float32))
    assert (image == before).all()
    assert (drawn != before).any()


@pytest.mark.parametrize("size_wh", [(500, 400), (360, 20), (1600, 1200)], ids=str)
def test_without_a_face_it_is_the_image(size_wh):
    image = make_image(*size_wh)
    assert (annotate(image, make_analysis((), size_wh)) == image).all()


@pytest.mark.parametrize(
    ("size_wh", "factor"),
    [((1, 1), 360), ((48, 64), 6), ((100, 359), 2), ((359, 10), 2), ((360, 10), 1)],
    ids=str,
)
def test_tiny_images_are_enlarged(size_wh, factor):
    boxes = [(0, 0, *size_wh)]
    drawn = annotate(make_image(*size_wh), make_analysis(boxes, size_wh))
    assert drawn.shape == (size_wh[1] * factor, size_wh[0] * factor, 3)


@pytest.mark.parametrize("size_wh", [(500, 400), (1920, 1080), (200, 300), (6000, 4000)], ids=str)
@pytest.mark.parametrize("place", ["left", "right", "top", "bottom", "all of it"])
def test_labels_stay_inside(size_wh, place, placed):
    width, height = size_wh
    w, h = width // 6, height // 6
    x, y = (width - w) // 2, (height - h) // 2
    box = {
        "left": (0, y, w, y + h),
        "right": (width - w, y, width, y + h),
        "top": (x, 0, x + w, h),
        "bottom": (x, height - h, x + w, height),
        "all of it": (0, 0, width, height),
    }[place]
    image = np.full((height, width, 3), 60, np.uint8)
    drawn = annotate(image, make_analysis([box], size_wh))
    ((left, top, right, bottom), lines), *more = placed
    assert more == []
    assert 0 <= left < right <= drawn.shape[1]
    assert 0 <= top < bottom <= drawn.shape[0]
    assert lines[0] == "happiness 80%"
    if place != "all of it":
        assert len(lines) == 2
    filled = drawn[top + 1 : bottom, left + 1 : right]
    assert count_colour(filled, Emotion.HAPPINESS) > 0.4 * filled.shape[0] * filled.shape[1]


@pytest.mark.parametrize("size_wh", [(500, 400), (1000, 700), (6000, 4000)], ids=str)
def test_type_grows_with_the_image(size_wh, placed):
    box = tuple(v * size_wh[0] / 500 for v in (100, 150, 220, 300))
    annotate(np.zeros((*size_wh[::-1], 3), np.uint8), make_analysis([box], size_wh))
    ((_, top, _, bottom), _lines) = placed[0]
    assert 0.08 <= (bottom - top) / min(size_wh) <= 0.13


def test_labels_of_a_crowd_do_not_overlap(placed):
    image = np.full((720, 1000, 3), 60, np.uint8)
    annotate(image, make_analysis(CROWD, (1000, 720)))
    assert len(placed) == len(CROWD) == 50
    rects = [rect for rect, _ in placed]
    assert [pair for pair in combinations(rects, 2) if drawing._overlap(*pair)] == []
    for i, rect in enumerate(rects):
        assert not any(drawing._overlap(rect, box) for j, box in enumerate(CROWD) if j != i)
    numbers = [lines[0].split()[0] for _, lines in placed]
    assert numbers == [str(i + 1) for i in range(50)]


def test_faces_too_close_for_words_keep_their_numbers(placed):
    """Where nothing is free, a label may cover another, but is as small as can be."""
    boxes = [(x, y, x + 20, y + 20) for x in range(0, 400, 20) for y in range(0, 400, 20)]
    annotate(np.zeros((400, 400, 3), np.uint8), make_analysis(boxes, (400, 400)))
    assert len(placed) == 400
    assert placed[210][1] == ["211"]


def test_two_faces_in_one_place_have_two_labels(placed):
    boxes = [(100, 100, 200, 200), (100, 100, 200, 200)]
    annotate(np.zeros((400, 500, 3), np.uint8), make_analysis(boxes, (500, 400)))
    assert not drawing._overlap(placed[0][0], placed[1][0])


def test_a_label_never_tells_more_than_95_percent_and_of_an_unusable_face_why():
    probabilities = np.array([[0.999, 0.001], [0.95, 0.05]], np.float32)
    read = Predictions(
        (Emotion.NEUTRAL, Emotion.FEAR), probabilities, *np.zeros((2, 2), "f4"), "head"
    )
    faces = make_faces([(0, 0, 9, 9), (20, 0, 29, 9)])
    analysis = Analysis((64, 48), faces, read, "tiny", 0.0)
    assert [label_variants(analysis, i)[1] for i in range(2)] == [
        ["1 neutral >95%"],
        ["2 neutral 95%"],
    ]
    analysis = replace(analysis, quality=make_quality(["blurred, turned", ""]))
    assert label_variants(analysis, 0)[0] == ["1 neutral?", "blurred, turned"]
    assert label_variants(analysis, 1)[1] == ["2 neutral 95%"]


def test_label_says_what_was_read():
    single, several = make_analysis([(0, 0, 9, 9)]), make_analysis([(0, 0, 9, 9), (9, 9, 20, 20)])
    (emotion, va), *shorter = label_variants(single, 0)
    assert emotion == "happiness 80%"
    read = single.predictions
    assert va == f"V {read.valence[0]:+.2f}  A {read.arousal[0]:+.2f}"
    assert shorter == [["happiness 80%"]]
    assert [lines[0] for lines in label_variants(several, 1)] == ["2 happiness 80%"] * 2 + ["2"]


def detail(part):
    """Energy of what a Gaussian of an eighth of the width takes away."""
    part = part.astype(np.float32)
    return float(np.abs(part - cv2.GaussianBlur(part, (0, 0), part.shape[1] / 8)).mean())


@pytest.mark.parametrize("side", [6, 12, 24, 60, 400])
def test_blur_takes_the_detail_of_faces_only(side):
    image = make_image(800, 600)
    if side > 60:  # coarser structure, as of eyes and mouths
        image = cv2.resize(make_image(80, 60), (800, 600), interpolation=cv2.INTER_CUBIC)
    x, y = 300, 150
    blurred = blur_faces(image, np.array([(x, y, x + side, y + side)], np.float32))
    face = np.s_[y : y + side, x : x + side]
    assert (blurred[face] != image[face]).any()
    assert detail(blurred[face]) < 0.3 * detail(image[face])
    margin = int(0.2 * side) + 2
    untouched = np.ones(image.shape[:2], bool)
    untouched[y - margin : y + side + margin, x - margin : x + side + margin] = False
    assert (blurred[untouched] == image[untouched]).all()
    above = np.s_[y - 1, x : x + side]
    assert (blurred[above] != image[above]).any(), "a margin belongs to the face"


@pytest.mark.parametrize(
    ("size_wh", "boxes"),
    [
        pytest.param((64, 48), [], id="no face"),
        pytest.param((1, 1), [(0, 0, 1, 1)], id="one pixel"),
        pytest.param((64, 48), [(0, 0, 64, 48)], id="all of it"),
        pytest.param((64, 48), [(60, 44, 64, 48), (0, 0, 2, 2)], id="corners"),
    ],
)
def test_blur_at_the_limits(size_wh, boxes):
    image = make_image(*size_wh)
    blurred = blur_faces(image, np.asarray(boxes, np.float32).reshape(-1, 4))
    assert blurred.shape == image.shape
    assert (blurred == image).all() == (not boxes or size_wh == (1, 1))


def test_named_people_have_their_names_in_letters_that_can_be_drawn():
    analysis = make_analysis([(0, 0, 9, 9), (20, 0, 29, 9)])
    tracked = replace(analysis, faces=replace(analysis.faces, track_ids=np.array([3, 4])))
    names = {3: "Zo\u00eb", 4: "\u674e"}
    assert label_variants(tracked, 0, names)[0][0].startswith("Zoe: ")
    assert label_variants(tracked, 1, names)[0][0].startswith("Person 4: ")
