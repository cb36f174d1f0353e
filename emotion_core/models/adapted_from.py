"""Where a network comes from whose last layer was adapted to somebody's labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


_MAX = 10**9


@dataclass(frozen=True, slots=True)
class AdaptedFrom:
    """The base of an adapted network, and how much it learned from.

    Attributes:
        base: Name of the network that was adapted.
        sha256: Of the base's weights, in hexadecimal digits.
        n_labels: Faces whose emotion was labelled, or that were rated if those are more.
        n_units: People, or else photos, that they are of.
    """

    base: str
    sha256: str
    n_labels: int
    n_units: int

    def __post_init__(self) -> None:
        if not all(0 <= n <= _MAX for n in (self.n_labels, self.n_units)):
            raise ValueError(f"numbers of labels must lie between 0 and {_MAX}")

    @classmethod
    def from_notes(cls, notes: Mapping[str, Any]) -> Self:
        """Reads what ``adaptation_notes`` wrote; other values raise what conversions raise."""
        n_words = sum(int(count) for count in notes["labels"].values())
        n_rated = max((int(n) for n in notes.get("ratings", {}).values()), default=0)
        base, sha256 = str(notes["base"])[:100], str(notes["base_sha256"])[:64]
        return cls(base, sha256, max(n_words, n_rated), int(notes["people_or_photos"]))

    @property
    def words(self) -> str:
        """The base with the beginning of its hash, and the number of labels, as results cite it."""
        return f"adapted from {self.base} {self.sha256[:16]}, {self.n_labels} labels"
