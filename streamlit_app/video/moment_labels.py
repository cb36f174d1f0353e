"""What a visitor says of the faces in a video, and which of them are worth asking about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_core.adaptation.ordering import order_for_labels
from emotion_core.quality import usable_faces
from emotion_core.training.datasets.labelled_images import find_labelled_face
from emotion_core.training.datasets.photo_labels import PERSON, PhotoLabel
from emotion_core.training.datasets.tables import TableRow
from emotion_core.types import Faces
from emotion_core.video.tables import analysis_period
from streamlit_app.rater_labels import UNRATED, RaterLabels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from emotion_core.labels import Emotion
    from emotion_core.training.datasets.photo_labels import FaceKey
    from emotion_core.video.types import Highlight

_BOX = ["x1", "y1", "x2", "y2"]
_MAX_SUGGESTED = 60
_APART_S = 1.0
"""Seconds of which at most one moment of a person is suggested: frames beside it look the same."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A face of a person at a time.

    Attributes:
        track: The person's.
        time_s: Of the frame, as in its table.
        box: x1, y1, x2, y2 in pixels.
        emotion: As read.
        confidence: Its probability, 0-1.
        kind: Why it is suggested.
    """

    track: int
    time_s: float
    box: tuple[float, float, float, float]
    emotion: str
    confidence: float
    kind: str = ""

    def face(self, video: str) -> FaceKey:
        """What tells the face from all others."""
        return video, self.time_s, self.box


@dataclass(slots=True)
class MomentLabels(RaterLabels):
    """Labels of faces in one video."""

    def give(
        self,
        video: str,
        moment: Moment,
        emotion: Emotion,
        rater: str,
        va: tuple[float, float] = UNRATED,
    ) -> None:
        """Labels a face; the same rater's earlier label of it is replaced.

        Args:
            video: Name of the video.
            moment: Which face.
            emotion: What it shows.
            rater: Who says so; may be empty.
            va: Valence and arousal, -1 to 1; NaN if unrated.
        """
        label = PhotoLabel(video, emotion, valence=va[0], arousal=va[1], rater=rater)
        self._put_at(moment, label)

    def take(self, labels: Sequence[PhotoLabel], video: str, frames: pd.DataFrame) -> int:
        """Takes the labels of a file that are about faces in the video.

        Args:
            labels: Of the file.
            video: Name of the video.
            frames: Its table of frames.

        Returns:
            Their number.
        """
        n = 0
        for label in labels:
            moment = _find_moment(label, frames) if _is_about(label, video) else None
            if moment is not None:
                self._put_at(moment, replace(label, image=video))
                n += 1
        return n

    def _put_at(self, moment: Moment, label: PhotoLabel) -> None:
        """Adds a label of the face at a moment, which says whose face it is."""
        if not label.row.cells.get(PERSON):
            label = replace(label, row=TableRow("", {PERSON: f"{label.image}#{moment.track}"}))
        self.put(replace(label, time_s=moment.time_s, box=moment.box))


def moments_at(frames: pd.DataFrame, time_s: float, tracks: Sequence[int]) -> list[Moment]:
    """The faces of people that are shown at a time.

    Args:
        frames: Table of frames.
        time_s: In seconds; the last analysed frame until then is meant, or else the first.
        tracks: The people.
    """
    if frames.empty:
        return []
    times = frames["time_s"].to_numpy(float)
    before = times[times <= time_s + 1e-4]
    shown = frames[times == (before.max() if len(before) else times.min())]
    return [_to_moment(row) for row in _rows(shown[shown["track"].isin(tracks)])]


def suggest_moments(
    frames: pd.DataFrame, highlights: Sequence[Highlight], tracks: Sequence[int]
) -> list[Moment]:
    """Faces whose labels teach most: the people's highlights, then uncertain readings.

    Args:
        frames: Table of frames.
        highlights: Of all people.
        tracks: The people to ask about.
    """
    faces = frames[frames["track"].isin(tracks)]
    found = []
    for one in highlights:
        rows = faces[(faces["track"] == one.track) & (faces["frame"] == one.frame)]
        found += [_to_moment(row, f"most {one.kind}") for row in _rows(rows)]
    found = list({(one.track, one.time_s): one for one in reversed(found)}.values())[::-1]
    found.sort(key=lambda one: one.time_s)
    taken = {(one.track, int(one.time_s // _APART_S)) for one in found}
    rest = usable_faces(faces)
    columns = [name for name in rest.columns if name.startswith("p_")]
    if rest.empty or not columns:
        return found[:_MAX_SUGGESTED]
    shares = np.sort(rest[columns].to_numpy(np.float32), axis=1)
    margin = shares[:, -1] - shares[:, -2] if len(columns) > 1 else shares[:, -1]
    second = (rest["time_s"] // _APART_S).astype(int)
    rest = rest.assign(margin=margin, second=second).sort_values("margin", kind="stable")
    rest = rest.drop_duplicates(["track", "second"])
    keys = zip(rest["track"].tolist(), rest["second"].tolist(), strict=True)
    rest = rest[[key not in taken for key in keys]]
    order = order_for_labels(rest[columns].to_numpy(np.float32), rest["track"].tolist())
    found += [_to_moment(row, "uncertain") for row in _rows(rest.iloc[order])]
    return found[:_MAX_SUGGESTED]


def _rows(faces: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in faces.to_dict("records")]


def _to_moment(row: dict[str, Any], kind: str = "") -> Moment:
    x1, y1, x2, y2 = (round(float(row[name]), 1) for name in _BOX)
    return Moment(
        int(row["track"]),
        float(row["time_s"]),
        (x1, y1, x2, y2),
        str(row["emotion"]),
        float(row["confidence"]),
        kind,
    )


def _is_about(label: PhotoLabel, video: str) -> bool:
    """Whether a label is about a video, in whatever folder it was."""
    return label.time_s is not None and Path(label.image).name == Path(video).name


def _find_moment(label: PhotoLabel, frames: pd.DataFrame) -> Moment | None:
    """The face that a label is about, in the nearest analysed frame."""
    faces = frames[frames["track"].notna()]
    if faces.empty or label.time_s is None:
        return None
    away = (faces["time_s"] - label.time_s).abs()
    if away.min() > analysis_period(frames) / 2 + 1e-3:
        return None
    rows = faces[away == away.min()]
    boxes = rows[_BOX].to_numpy(np.float32)
    which = find_labelled_face(Faces(boxes, np.ones(len(boxes), np.float32)), label)
    return None if which is None else _to_moment(_rows(rows.iloc[[which]])[0])
