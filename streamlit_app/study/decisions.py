"""What a visitor decides about a study, and how it is undone.

Streamlit may call back twice for one click that meets the rerun of a fragment, so callbacks name
what they change: the second call finds it changed.
"""

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

    def take_back(self, index: int, edit: Edit) -> None:
        """Removes the edit at an index, if it is that one."""
        if self.edits.items[index : index + 1] == (edit,):
            self._change(self.edits.without(index))

    def set_events(self, events: pd.DataFrame) -> None:
        """Replaces all events."""
        self._change(self.edits, events)

    def _change(self, edits: Edits, events: pd.DataFrame | None = None) -> None:
        self._undone = [*self._undone[1 - _MAX_UNDONE :], (self.edits, self.events)]
        self.edits, self.events = edits, self.events if events is None else events

    @property
    def n_changes(self) -> int:
        """Number of changes that can be undone."""
        return len(self._undone)

    def undo(self, n_changes: int) -> None:
        """Undoes the latest change of edits or events, the last of so many."""
        if n_changes == self.n_changes > 0:
            self.edits, self.events = self._undone.pop()
