"""Splits by their names, and data sets that lack one."""

from __future__ import annotations

from types import MappingProxyType

from emotion_core.errors import DatasetError

SPLITS = ("train", "valid", "test")

ALL = "all"
"""All faces, for data sets without splits."""

_SYNONYMS = MappingProxyType(
    {"training": "train", "val": "valid", "validation": "valid", "testing": "test"}
)


class SplitMissingError(DatasetError):
    """The data set is complete, and has no such split."""


def is_split(word: str) -> bool:
    """Whether a word names a split, in any case."""
    key = word.strip().lower()
    return _SYNONYMS.get(key, key) in SPLITS


def to_split(word: str) -> str:
    """Converts the name of a split to ``"train"``, ``"valid"``, ``"test"`` or ``"all"``.

    Raises:
        DatasetError: The word names no split.
    """
    key = word.strip().lower()
    if key == ALL or is_split(key):
        return _SYNONYMS.get(key, key)
    raise DatasetError(f"There is no split {word!r}; there are: {', '.join(SPLITS)}.")
