"""Rows of metrics, one per epoch, and their file."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, float | None]
"""Figures of one epoch by name; ``None`` where there is no truth."""


def history_csv(history: Sequence[Row]) -> str:
    """One line per epoch under a line of names; empty cells where there is no figure."""
    names = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
