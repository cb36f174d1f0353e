"""What every text on methods says, and the versions of the software that made a result."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from emotion_core import __version__
from emotion_core.models.material import POSED_STRENGTH

if TYPE_CHECKING:
    from emotion_core.models.card import ModelCard

LIMITS = (
    "The readings describe how faces look, not what people feel, and differ between groups of "
    "people; the model card tells how well they agree with human ratings."
)
"""What every text on methods says of readings."""

_PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "torch")


def citation(release: str = __version__) -> str:
    """BibTeX of a release of Emoscope."""
    return f"""\
@software{{emoscope,
  author = {{{{The Emoscope developers}}}},
  title = {{Emoscope: emotions, valence and arousal from faces in photos, videos and webcams}},
  version = {{{release}}},
  year = {{2026}},
  license = {{MIT}}
}}
"""


def describe_counted(*, all_faces: bool) -> str:
    """Whether faces count that are hard to read, in a sentence."""
    return (
        "Faces that are hard to read (small, blurred, dark, bright, turned, cut off or covered) "
        f"{'count' if all_faces else 'do not count'} in means and charts; the tables have them, "
        "marked."
    )


def describe_material(card: ModelCard) -> str:
    """How readings were shifted for the kind of material, in a sentence; empty if not at all."""
    if card.material == "everyday":
        return ""
    return (
        f"Probabilities are for {card.material} material, in which all emotions are about as "
        f"frequent: {POSED_STRENGTH} times the logarithm of each emotion's share on everyday faces "
        "was subtracted from the logits."
    )


def describe_adaptation(card: ModelCard) -> str:
    """What a network was adapted from, in a sentence; empty if it was not."""
    if card.adapted is None:
        return ""
    return (
        f"Its last layer was adapted from {card.adapted.base} (SHA-256 {card.adapted.sha256}) to "
        f"{card.adapted.n_labels} labelled faces of {card.adapted.n_units} people or photos."
    )


def software_versions() -> dict[str, str]:
    """Versions of Emoscope, Python and the packages that change results, by name."""
    found = {"emoscope": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a client of a server needs none of them
            continue
    return found
