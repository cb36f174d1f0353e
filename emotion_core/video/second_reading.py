"""Faces that were found in a video, read by another model without another search for faces."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.errors import VideoDecodeError
from emotion_core.recognition.alignment import crop_faces
from emotion_core.types import Faces, Predictions
from emotion_core.video.io.reader import VideoReader
from emotion_core.video.tables import people_readings

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.types import Image
    from emotion_core.video.types import VideoResult

HZ = 2.0
"""Frames per second of video that are read again, as by ``emoscope compare``."""

MAX_FRAMES = 600
"""Maximum number of frames that are read again, spread evenly: five minutes of video at ``HZ``."""

_BATCH = 64
"""Faces that are cropped before they are read together; bounds memory."""

_BOX = ["x1", "y1", "x2", "y2"]


def choose_readings(
    frames: pd.DataFrame, hz: float = HZ, max_frames: int = MAX_FRAMES
) -> pd.DataFrame:
    """The rows of people in some frames, spread evenly over a video.

    Args:
        frames: Table of frames.
        hz: Maximum rate of the frames per second of video.
        max_frames: Maximum number of the frames.
    """
    faces = people_readings(frames)
    times = faces.drop_duplicates("frame")[["frame", "time_s"]].sort_values("time_s")
    if times.empty:
        return faces
    from_start_s = times["time_s"] - times["time_s"].iloc[0]
    period_s = max(1 / hz, from_start_s.iloc[-1] / (max_frames - 1))
    step = ((from_start_s + 1e-3) // period_s).astype(int)
    chosen = times.loc[~step.duplicated(), "frame"]
    return faces[faces["frame"].isin(chosen)]


def read_again(
    source: Path,
    result: VideoResult,
    rows: pd.DataFrame,
    classifier: EmotionClassifier,
    on_progress: Callable[[int], object],
) -> Predictions:
    """Reads faces of a video that were found before.

    Args:
        source: The video.
        result: Its result; without landmarks, faces are cut out as their boxes say.
        rows: Rows of its table of frames, N faces.
        classifier: Reads them.
        on_progress: Called with the number of faces that were cut out, at each frame of the video;
            may raise.

    Returns:
        One row per face.

    Raises:
        EmotionError: The video cannot be decoded, or not as far as before, or the network failed.
    """
    waiting: list[Image] = []
    read: list[Predictions] = []
    order: list[int] = []
    indices = rows["frame"].to_numpy(np.int64)
    of_frame = {int(index): np.flatnonzero(indices == index) for index in np.unique(indices)}
    settings = result.settings

    def is_wanted(index: int, _: float) -> bool:
        on_progress(len(order))
        return index in of_frame

    with (
        VideoReader(
            source, longest_s=settings.longest_s, from_s=settings.from_s, to_s=settings.to_s
        ) as reader,
        closing(reader.frames(is_wanted)) as decoded,
    ):
        for frame in decoded:
            places = of_frame.pop(frame.index)
            faces = _to_faces(rows.iloc[places], result)
            waiting += [*crop_faces(frame.image, faces, classifier.preprocessing)]
            order += places.tolist()
            while len(waiting) >= _BATCH:
                read.append(classifier.classify_crops(np.stack(waiting[:_BATCH])))
                del waiting[:_BATCH]
            if not of_frame:
                break
    if of_frame or not order:
        raise VideoDecodeError("Not all frames can be decoded again; analyse the video again.")
    on_progress(len(order))
    if waiting:
        read.append(classifier.classify_crops(np.stack(waiting)))
    return _join(read)[np.argsort(order)]


def _to_faces(rows: pd.DataFrame, result: VideoResult) -> Faces:
    boxes, scores = rows[_BOX].to_numpy(np.float32), rows["score"].to_numpy(np.float32)
    points = None if result.landmarks is None else result.landmarks[rows.index.to_numpy()]
    return Faces(boxes, scores, None if points is None or np.isnan(points).any() else points)


def _join(parts: list[Predictions]) -> Predictions:
    return Predictions(
        parts[0].labels,
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.valence for part in parts]),
        np.concatenate([part.arousal for part in parts]),
        parts[0].va_source,
    )
