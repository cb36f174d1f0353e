"""One colour per emotion and theme, the same in boxes, bars and charts."""

from types import MappingProxyType

from emotion_core.labels import Emotion

EMOTION_COLOURS = MappingProxyType(
    {
        Emotion.NEUTRAL: "#51544E",
        Emotion.HAPPINESS: "#BE7F00",
        Emotion.SADNESS: "#7A84DE",
        Emotion.SURPRISE: "#002430",
        Emotion.FEAR: "#721FB3",
        Emotion.DISGUST: "#2D9F58",
        Emotion.ANGER: "#AD1E18",
        Emotion.CONTEMPT: "#9C2B90",
        Emotion.UNCERTAIN: "#9C849A",
    }
)
"""sRGB hex, for light pages, paper and photos. Every pair has a CIE76 distance of at least 24 in
normal vision, protanopia, deuteranopia and tritanopia, and every colour a contrast of at least 3 to
1 with the app's light backgrounds (both tested). Words never take these colours: they stand beside
them, or on them in ``ink_on``."""

DARK_EMOTION_COLOURS = MappingProxyType(
    {
        Emotion.NEUTRAL: "#86918D",
        Emotion.HAPPINESS: "#F2B93C",
        Emotion.SADNESS: "#79A5F3",
        Emotion.SURPRISE: "#53E6FD",
        Emotion.FEAR: "#8A4CD7",
        Emotion.DISGUST: "#A6ED91",
        Emotion.ANGER: "#E5544B",
        Emotion.CONTEMPT: "#A855A2",
        Emotion.UNCERTAIN: "#E5D1C5",
    }
)
"""The same for dark pages, with the same distances, and contrasts with their backgrounds."""

INK = "#14171C"
"""Edges and text on a light background."""

WORDS = "#4A514C"
"""Text beside data on white; contrast 8 to 1."""

GREY = "#8A938C"
"""Lines and edges in charts with an unknown background: contrast of at least 3 to 1 on the app's
light and dark ones (tested). Text takes the colour that the page sets for text marks."""


def to_rgb(colour: str) -> tuple[int, int, int]:
    """Splits ``#RRGGBB`` into red, green and blue, 0-255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def luminance(colour: str) -> float:
    """Relative luminance, 0 (black) to 1 (white).

    Source: W3C, Web Content Accessibility Guidelines 2.2, "relative luminance".
    """
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (v / 255 for v in to_rgb(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink_on(colour: str) -> str:
    """Black or white, whichever is more legible on a colour."""
    return "#000000" if luminance(colour) > 0.179 else "#FFFFFF"
