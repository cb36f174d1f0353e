"""The quality of faces: how they stand, how well they are seen, and whether their readings count.

Tables have it in ``QUALITY_COLUMNS``. A table without the column ``is_usable``, as earlier versions
wrote them, counts every face.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emotion_core.actions import POSE
from emotion_core.checks import check, check_floats, check_shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from emotion_core.types import Chosen, FloatArray

MIN_QUALITY = 0.6
"""Faces below are unusable; ``docs/quality.md`` shows how many of their readings are wrong."""


class FaceFlag(StrEnum):
    """What makes a face hard to read; the value is the word used in files, on pages and HTTP."""

    SMALL = "small"
    BLURRED = "blurred"
    DARK = "dark"
    BRIGHT = "bright"
    TURNED = "turned"
    CUT_OFF = "cut off"
    COVERED = "covered"


FACE_FLAGS = tuple(FaceFlag)
"""The order of the columns of ``FaceQuality.flags``."""

_SEPARATOR = ", "

MEASURE_COLUMNS = (*(f"{angle}_deg" for angle in POSE), "sharpness", "brightness", "quality")
"""The numbers of ``FaceQuality.measures``, in their order."""

QUALITY_COLUMNS = (*MEASURE_COLUMNS, "flags", "is_usable")
"""Columns of tables with one row per face."""


@dataclass(frozen=True, eq=False, slots=True)
class FaceQuality:
    """The quality of N faces.

    Attributes:
        pose_deg: ``(N, 3)`` yaw, pitch and roll of the head, see ``actions.POSE``; NaN if unknown.
        sharpness: ``(N,)`` share of fine detail in the aligned face, 0-1, whatever its size: a
            small face that was enlarged is not sharp.
        brightness: ``(N,)`` mean luma of the face, 0-1.
        quality: ``(N,)`` chance that a word that is right on a good image still is, 0-1.
        flags: ``(N, len(FACE_FLAGS))`` what makes each face hard to read.
    """

    pose_deg: FloatArray
    sharpness: FloatArray
    brightness: FloatArray
    quality: FloatArray
    flags: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.quality)
        check_floats(self.pose_deg, (n, 3), "pose_deg", may_miss=True)
        for name in ("sharpness", "brightness", "quality"):
            values: FloatArray = getattr(self, name)
            check_floats(values, (n,), name)
            check_shares(values, name)
        is_right = self.flags.dtype == np.bool_ and self.flags.shape == (n, len(FACE_FLAGS))
        check(is_right, "flags must have one truth value per face and flag.")

    def __len__(self) -> int:
        return len(self.quality)

    def __getitem__(self, chosen: Chosen) -> FaceQuality:
        """Selects faces by a slice, a mask or indices."""
        return FaceQuality(*(getattr(self, name)[chosen] for name in self.__slots__))

    @classmethod
    def empty(cls) -> FaceQuality:
        """The value for an image without a face."""
        none = np.zeros(0, np.float32)
        pose_deg, flags = np.zeros((0, 3), np.float32), np.zeros((0, len(FACE_FLAGS)), np.bool_)
        return cls(pose_deg, none, none, none, flags)

    @classmethod
    def join(cls, parts: Sequence[FaceQuality]) -> FaceQuality:
        """The faces of several values, one after the other."""
        names = cls.__slots__
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    @property
    def is_usable(self) -> npt.NDArray[np.bool_]:
        """``(N,)`` whether a face is seen well enough for its reading to count."""
        return ~self.flags.any(axis=1) & (self.quality >= MIN_QUALITY)

    def flags_of(self, face: int) -> tuple[FaceFlag, ...]:
        """The flags of one face."""
        return tuple(f for f, is_set in zip(FACE_FLAGS, self.flags[face], strict=True) if is_set)

    @property
    def measures(self) -> dict[str, FloatArray]:
        """``(N,)`` numbers by their names in ``MEASURE_COLUMNS``; NaN if unknown."""
        values = (*self.pose_deg.T, self.sharpness, self.brightness, self.quality)
        return dict(zip(MEASURE_COLUMNS, values, strict=True))

    def to_fields(self) -> list[dict[str, Any]]:
        """The quality of each face as fields of a ``Face``; ``None`` for what is unknown."""
        numbers = np.stack(list(self.measures.values()), axis=1)  # (N, 6)
        known = numbers.astype(object)
        known[np.isnan(numbers)] = None
        rows = zip(known.tolist(), self.is_usable.tolist(), strict=True)
        return [
            dict(zip(QUALITY_COLUMNS, (*row, self.flags_of(i), is_usable), strict=True))
            for i, (row, is_usable) in enumerate(rows)
        ]

    def to_columns(self) -> dict[str, npt.NDArray[np.generic]]:
        """The ``QUALITY_COLUMNS`` of a table; flags are words, empty without any."""
        words = [join_flags(self.flags_of(face)) for face in range(len(self))]
        return {**self.measures, "flags": np.array(words, object), "is_usable": self.is_usable}


def join_flags(flags: Iterable[FaceFlag]) -> str:
    """Flags as words in one text, as tables have them."""
    return _SEPARATOR.join(flags)


def split_flags(text: str) -> npt.NDArray[np.bool_]:
    """A row of ``FaceQuality.flags`` from the text in a table; unknown words are left out."""
    words = text.split(_SEPARATOR)
    return np.array([flag in words for flag in FACE_FLAGS])


def is_usable_row(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether the reading in each row of a table counts: in all if the table does not tell."""
    if "is_usable" in table:
        return table["is_usable"].to_numpy(bool)
    return np.ones(len(table), bool)


def usable_faces(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of faces whose readings count."""
    return table[is_usable_row(table)]


def describe_left_out(table: pd.DataFrame, noun: str = "face") -> str:
    """A sentence on the faces of a table that are unusable; empty if all are usable.

    Args:
        table: One row per face.
        noun: What a row is, in the singular.
    """
    left_out = table[~is_usable_row(table)]
    if left_out.empty:
        return ""
    n, words = len(left_out), left_out["flags"].fillna("").astype(str)
    counts = {flag: int(words.str.contains(flag, regex=False).sum()) for flag in FACE_FLAGS}
    why = ", ".join(f"{flag} {count:,}" for flag, count in counts.items() if count)
    what = f"1 of {len(table):,} {noun}s is" if n == 1 else f"{n:,} of {len(table):,} {noun}s are"
    return f"{what} too hard to read and left out" + (f" ({why})." if why else ".")
