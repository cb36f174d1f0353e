"""How far an upright search by a network is to be trusted, which does not see turned faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from emotion_core.models.card import ModelCard


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
"""Of 1,000 views of 200 portraits upside down 13 scored more than the first, which the glance told,
and two more than the second. One of five upright ones is glanced at, 0.7% in vain."""

_DOUBTS = {"opencv-yunet": Doubt(0.83, 0.88, 160)}
"""The same of other architectures. YuNet is surer of faces upside down: 40 and one. A glance at 96
pixels told 81% of those above 0.75, one at 160 pixels 91%."""


def find_doubt(card: ModelCard) -> Doubt:
    """That of a network."""
    return _DOUBTS.get(card.architecture, _DOUBT)
