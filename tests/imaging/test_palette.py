"""Colours that stay apart for every kind of colour vision, and are the same everywhere."""

import tomllib
from itertools import combinations

import cv2
import numpy as np
import pytest

from emotion_core.imaging.palette import (
    DARK_EMOTION_COLOURS,
    EMOTION_COLOURS,
    GREY,
    ink_on,
    luminance,
    to_rgb,
)
from emotion_core.labels import ALL_EMOTIONS
from tests.paths import ROOT

PALETTES = {"light": EMOTION_COLOURS, "dark": DARK_EMOTION_COLOURS}

# Severity 1.0, on linear RGB. Source: G. Machado, M. Oliveira, L. Fernandes, "A Physiologically-
# based Model for Simulation of Color Vision Deficiency", IEEE TVCG 15(6), 2009, supplementary
# tables.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def to_lab(colour, vision):
    """CIE L*a*b* of a colour as seen."""
    value = np.array(to_rgb(colour)) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
    encoded = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(encoded.astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("theme", PALETTES)
@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_for_every_eye(vision, theme):
    labs = {emotion: to_lab(colour, vision) for emotion, colour in PALETTES[theme].items()}
    distances = {(a, b): float(np.linalg.norm(labs[a] - labs[b])) for a, b in combinations(labs, 2)}
    nearest = min(distances, key=distances.__getitem__)
    assert distances[nearest] >= 24, nearest


@pytest.fixture(scope="module")
def themes():
    """What the app's themes set."""
    return tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]


@pytest.mark.parametrize("theme", PALETTES)
def test_every_emotion_has_a_colour_which_the_pages_use(themes, theme):
    assert tuple(PALETTES[theme]) == ALL_EMOTIONS
    assert themes[theme]["chartCategoricalColors"] == list(PALETTES[theme].values())


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", PALETTES)
def test_colours_stand_out_from_the_apps_paper(themes, theme):
    """At least 3 to 1, which WCAG 2.2 asks of marks (success criterion 1.4.11)."""
    for paper in ("backgroundColor", "secondaryBackgroundColor"):
        for colour in PALETTES[theme].values():
            assert contrast(colour, themes[theme][paper]) >= 3, (colour, paper)
    assert contrast(GREY, themes[theme]["backgroundColor"]) >= 3


@pytest.mark.parametrize(
    ("colour", "expected"), [("#000000", 0.0), ("#FFFFFF", 1.0), ("#808080", 0.2159)]
)
def test_luminance(colour, expected):
    assert luminance(colour) == pytest.approx(expected, abs=1e-4)


def test_rgb():
    assert to_rgb("#01A0FF") == (1, 160, 255)


@pytest.mark.parametrize(
    "colour", [*EMOTION_COLOURS.values(), *DARK_EMOTION_COLOURS.values(), "#000000", "#FFFFFF"]
)
def test_ink_is_legible(colour):
    """At least 4.5 to 1, which WCAG 2.2 asks of text (success criterion 1.4.3)."""
    assert contrast(colour, ink_on(colour)) >= 4.5
