"""Hints of turned faces: where a quick search saw one, and at which angle."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emotion_core.detection.boxes import iou_matrix, rescale
from emotion_core.detection.turned_view import MIN_ROLL_DEG, estimate_rolls, roll_difference

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.detection.turned_view import TurnedView
    from emotion_core.types import Faces

_MAX_ROLL_DEG = 60.0  # of a face in a view; beyond, its eyes are not above its mouth
_VIEW_DEG = 45.0  # between neighbouring views
_SAME_FACE_IOU = 0.3
_TOUCHING_IOU = 0.1  # boxes of the same face, read upright and upside down, lie apart


class RollHint(NamedTuple):
    """A face that was found in a quick search.

    Attributes:
        face: One face, in pixels of the image.
        roll_deg: Its roll, clockwise.
    """

    face: Faces
    roll_deg: float


def to_hints(
    view: TurnedView, faces: Faces, scale: float, corner: tuple[float, float]
) -> list[RollHint]:
    """The faces of a view of a part that stand upright in it, in pixels of the image."""
    rolls = estimate_rolls(faces)
    placed = rescale(view.to_image(faces), scale, corner)
    return [
        RollHint(placed[i : i + 1], view.roll_deg + float(rolls[i]))
        for i in np.flatnonzero(abs(rolls) <= _MAX_ROLL_DEG).tolist()
    ]


def distinct_hints(hints: list[RollHint]) -> list[RollHint]:
    """The best hint of each face at about the same roll, best first.

    Some faces look like a face upside down as well, with nearly the same score.
    """
    kept: list[RollHint] = []
    for hint in sorted(hints, key=lambda hint: -float(hint.face.scores[0])):
        if not any(
            overlaps(other.face, hint.face).any()
            and abs(roll_difference(other.roll_deg, hint.roll_deg)) <= _VIEW_DEG
            for other in kept
        ):
            kept.append(hint)
    return kept


def is_explained(hint: RollHint, faces: Faces) -> bool:
    """Whether one of the faces lies there and is surer."""
    ious = iou_matrix(faces.boxes, hint.face.boxes)[:, 0]
    return bool(((ious > _TOUCHING_IOU) & (faces.scores >= hint.face.scores)).any())


def main_roll(hints: list[RollHint]) -> float:
    """The roll that most faces share, in degrees."""
    rolls = np.array([hint.roll_deg for hint in hints])
    is_alike = abs(roll_difference(rolls[:, None], rolls)) <= MIN_ROLL_DEG
    scores = np.concatenate([hint.face.scores for hint in hints])
    return float(rolls[(is_alike @ scores).argmax()])


def overlaps(faces: Faces, face: Faces) -> npt.NDArray[np.bool_]:
    """``(N,)`` whether each face overlaps another one."""
    return iou_matrix(faces.boxes, face.boxes)[:, 0] > _SAME_FACE_IOU


def touches(faces: Faces, others: Faces) -> npt.NDArray[np.bool_]:
    """``(N,)`` whether each face may be one of the others, seen otherwise."""
    ious = iou_matrix(faces.boxes, others.boxes)
    return np.asarray(ious.max(axis=1, initial=0) > _TOUCHING_IOU, bool)
