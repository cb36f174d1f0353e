"""An image of each person in a video, to tell who is who."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.errors import EmotionError
from emotion_core.quality import is_usable_row
from emotion_core.video.highlights import cut_face
from emotion_core.video.io.reader import frame_at

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd


def cut_portraits(source: Path, frames: pd.DataFrame, tracks: Iterable[int]) -> dict[int, bytes]:
    """Cuts one face of each person out of a video: of the usable ones that of the highest score.

    Args:
        source: The video.
        frames: Its table of frames.
        tracks: The people.

    Returns:
        JPEG images of 128 by 128 pixels by track, without people whose frame cannot be decoded.
    """
    portraits = {}
    for track in tracks:
        rows = frames[frames["track"] == track]
        usable = rows[is_usable_row(rows)]
        best = (usable if len(usable) else rows).sort_values("score", kind="stable").tail(1)
        for row in best.to_dict("records"):
            box = np.array([[row[name] for name in ("x1", "y1", "x2", "y2")]], np.float32)
            with suppress(EmotionError):
                portraits[track] = cut_face(frame_at(source, row["time_s"]).image, box)
    return portraits
