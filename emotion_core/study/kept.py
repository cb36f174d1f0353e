"""Parts of a study's tables, kept until something that they are made of changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_Made = TypeVar("_Made")


@dataclass(slots=True)
class KeptParts:
    """Parts of tables, kept from one making to the next; not thread-safe.

    Only what was made of readings that are loaded by a function is kept: a table that somebody has
    in hand may change.
    """

    _kept: dict[Hashable, tuple[Hashable, Any]] = field(default_factory=dict)
    _used: set[Hashable] = field(default_factory=set)

    def get(self, name: Hashable, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """The part with a name: the one that is kept if it was made of the same, else a new one.

        Args:
            name: There is one part of each name.
            key: What it is made of; ``None`` if that is not known.
            make: Makes it.
        """
        self._used.add(name)
        found = self._kept.get(name)
        if found is not None and key is not None and found[0] == key:
            made: _Made = found[1]
            return made
        made = make()
        self._kept[name] = key, made
        return made

    def has(self, name: Hashable, key: Hashable) -> bool:
        """Whether a part is kept that was made of the same."""
        return name in self._kept and self._kept[name][0] == key

    def forget_others(self) -> None:
        """Forgets what was not asked for since the last call."""
        for name in self._kept.keys() - self._used:
            del self._kept[name]
        self._used.clear()

    def copy(self) -> KeptParts:
        """The same for another window."""
        return KeptParts(dict(self._kept))
