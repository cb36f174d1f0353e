"""What a visitor decides about a study, and how it is undone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotion_core.study.edits import Edits
from emotion_core.study.events import no_events

if TYPE_CHECKING:
    import pandas as pd

    from emotion_core.study.edits import Edit

_MAX_UNDONE = 50


@dataclass(slots=True)
class Decisions:
    """Edits and events of a study.

    Attributes:
        edits: What was decided.
        events: As ``read_events`` gives them.
    """

    edits: Edits = field(default_factory=Edits)
    events: pd.DataFrame = field(default_factory=no_events)
    _undone: list[tuple[Edits, pd.DataFrame]] = field(default_factory=list)

    def edit(self, *edits: Edit) -> None:
        """Adds edits, which are undone together."""
        self._change(Edits((*self.edits.items, *edits)))

    def take_back(self, index: int) -> None:
        """Removes one edit."""
        self._change(self.edits.without(index))

    def set_events(self, events: pd.DataFrame) -> None:
        """Replaces all events."""
        self._change(self.edits, events)

    def _change(self, edits: Edits, events: pd.DataFrame | None = None) -> None:
        self._undone = [*self._undone[1 - _MAX_UNDONE :], (self.edits, self.events)]
        self.edits, self.events = edits, self.events if events is None else events

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to undo."""
        return bool(self._undone)

    def undo(self) -> None:
        """Undoes the latest change of edits or events."""
        self.edits, self.events = self._undone.pop()
