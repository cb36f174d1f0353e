"""Which faces of an upright search are to be trusted: its network does not see turned ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emotion_core.detection.boxes import sides
from emotion_core.detection.turned_view import MIN_ROLL_DEG, estimate_rolls, roll_difference

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.models.card import ModelCard
    from emotion_core.types import Faces

_MIN_SIDE_PX = 32.0  # smaller faces are never sure, and tell little
_MAX_DOUBTS = 8  # faces of an image that are looked at again, the largest


class Doubt(NamedTuple):
    """From which scores on faces are upright.

    Attributes:
        sure_score: A face with a lower score may be a turned one.
        certain_score: One from here on counts as upright; between, ``glance_px`` pixels tell.
    """

    sure_score: float
    certain_score: float
    glance_px: int


_DOUBT = Doubt(0.75, 0.82, 96)
"""Of 1,000 views of 200 portraits upside down 53 scored more than the first, and three more than
the second. Of the upright ones every third lies between, of which a look at their pixels
(``upside_down``) leaves one in six to glance at."""

_DOUBTS = {"opencv-yunet": Doubt(0.83, 0.88, 160)}
"""The same of other architectures. YuNet is surer of all faces: 26 and none, and every sixth lies
between. A glance at 96 pixels told 81% of those above 0.75, one at 160 pixels 91%."""


def find_doubt(card: ModelCard) -> Doubt:
    """That of a network."""
    return _DOUBTS.get(card.architecture, _DOUBT)


def find_doubtful(faces: Faces, roll: float, sure_score: float) -> list[int]:
    """Indices of the faces that may be seen better at another roll, the largest first."""
    is_turned = abs(roll_difference(estimate_rolls(faces), roll)) > MIN_ROLL_DEG
    return choose_largest(faces, (faces.scores < sure_score) | is_turned)


def choose_largest(faces: Faces, is_chosen: npt.NDArray[np.bool_]) -> list[int]:
    """Indices of the largest of some faces that are not small."""
    side = sides(faces).min(axis=1, initial=np.inf)
    found = np.flatnonzero(is_chosen & (side >= _MIN_SIDE_PX))
    chosen: list[int] = found[np.argsort(-side[found], kind="stable")][:_MAX_DOUBTS].tolist()
    return chosen
