"""Explained faces in words and as one image, from maps made by hand."""

import numpy as np
import pytest

from emotion_core.labels import Emotion
from emotion_core.recognition.explanation import OcclusionMap, ReadingSpread
from emotion_core.reporting.explained_face import (
    describe_map,
    describe_spread,
    draw_explained,
    name_part,
)
from emotion_core.types import Predictions, VaSource
from tests.factories import SEVEN, make_image

POINTS = np.array([(0.33, 0.4), (0.68, 0.4), (0.5, 0.59), (0.35, 0.74), (0.65, 0.74)], np.float32)


def make_map(places, log_odds=0.0):
    """A map of happiness with these falls of the log odds at these shares of the side."""
    drop = np.zeros((60, 60), np.float32)
    for (x, y), fall in places.items():
        drop[int(y * 60), int(x * 60)] = fall
    return OcclusionMap(Emotion.HAPPINESS, make_image(60, 60), drop, log_odds, POINTS)


def make_spread(words):
    shares = np.full((len(words), len(SEVEN)), 0.05, np.float32)
    for row, word in zip(shares, words, strict=True):
        row[SEVEN.index(word)] = 0.7
    va = np.linspace(0, 0.3, len(words), dtype=np.float32)
    return ReadingSpread(Predictions(SEVEN, shares, va, va, VaSource.HEAD))


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ((0.5, 0.75), "the mouth"),
        ((0.34, 0.39), "the eye on the left"),
        ((0.68, 0.29), "the brow on the right"),
        ((0.5, 0.18), "the forehead"),
        ((0.5, 0.92), "the chin"),
        ((0.02, 0.98), "what is around the face"),
    ],
)
def test_places_have_the_names_of_parts(place, part):
    assert name_part(place, POINTS) == part


def test_places_of_a_face_that_is_not_aligned_are_those_of_the_image():
    assert name_part((0.1, 0.9), None) == "the lower left"
    assert name_part((0.5, 0.5), None) == "the middle"


def test_a_map_in_words_names_what_speaks_for_and_against():
    found = make_map({(0.5, 0.75): 2.0, (0.5, 0.92): -1.0})
    assert describe_map(found) == (
        "Covering the mouth lowers happiness most, from 50% to 12%. "
        "Covering the chin raises it to 73%."
    )


def test_what_changes_nothing_that_is_shown_is_not_told_as_a_change():
    sure = make_map({(0.5, 0.75): 2.0, (0.5, 0.92): -1.0}, log_odds=8.0)
    assert describe_map(sure) == (
        "Covering the mouth lowers happiness most, though it stays >95%. "
        "Covering the chin raises it a little."
    )
    assert describe_map(make_map({})) == "No single part of the face speaks for happiness (50%)."


def test_stability_counts_the_changes_that_keep_the_word():
    happy, sad = Emotion.HAPPINESS, Emotion.SADNESS
    assert describe_spread(make_spread([happy] * 4)).startswith("The word stays happiness in all")
    shaky = describe_spread(make_spread([happy, happy, sad, sad]))
    assert shaky.startswith("The word stays happiness in 1 of 3 small changes")
    assert shaky.endswith("most often sadness instead.")


def test_the_image_has_face_map_legend_and_words():
    drawn = draw_explained(
        make_map({(0.5, 0.75): 2.0}), make_spread([Emotion.HAPPINESS] * 3), "tiny"
    )
    assert drawn.shape[1] == 676
    below = drawn[380:]
    assert (below == (214, 39, 40)).all(axis=2).any()
    assert (below < 60).all(axis=2).sum() > 500
