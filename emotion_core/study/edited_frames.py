"""The table of frames of one video with what edits say about its rows, in columns of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.errors import EmotionError
from emotion_core.quality import is_usable_row
from emotion_core.reporting.timeline import person_name
from emotion_core.study.edits import (
    ChooseParticipant,
    ExcludePerson,
    ExcludeVideo,
    MergePeople,
    RenamePerson,
    TrimVideo,
)
from emotion_core.video.tables import counted_frames, seen_seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from emotion_core.study.edits import Edit

EDIT_COLUMNS = (
    "person",
    "name",
    "weight_s",
    "clock_s",
    "is_excluded",
    "is_participant",
    "is_in_span",
    "is_reading",
    "is_counted",
)
"""Columns that ``edit_frames`` adds."""


def edit_frames(
    frames: pd.DataFrame, edits: Sequence[Edit], start_s: float = 0.0, *, all_faces: bool = False
) -> pd.DataFrame:
    """Adds what edits say about each row; all other columns stay as they are.

    Args:
        frames: As a video's analysis makes it, with the column is_brief.
        edits: Those of this video.
        start_s: Where the analysed part of the video begins; 0 on the clock, if nothing is trimmed.
        all_faces: Whether readings of faces that are hard to read count, too.

    Returns:
        Rows as in ``frames``, with ``EDIT_COLUMNS``: person (the number of the person after
        merging), name, weight_s (seconds for which the row counts, up to the end of the part that
        counts), clock_s (time after the start of that part), is_excluded (person or video),
        is_participant, is_in_span, is_reading (a usable one of the participant, in that part or
        not) and is_counted (one in that part).

    Raises:
        EmotionError: An edit names a person who is not in the video.
    """
    tracks = tracks_of(frames)
    check_people(tracks, edits)
    roots = _merge(edits, tracks)
    span = next((e for e in reversed(edits) if isinstance(e, TrimVideo)), TrimVideo(""))
    from_s = max(start_s, span.from_s)
    to_s = np.inf if span.to_s is None else span.to_s
    is_in_span = frames["time_s"].between(from_s, to_s, inclusive="left")
    weight_s = pd.Series(seen_seconds(frames), frames.index)
    person = frames["track"].map(roots).astype("Int64")
    by_person = {roots[e.track]: e.name for e in edits if isinstance(e, RenamePerson)}
    excluded = {roots[e.track] for e in edits if isinstance(e, ExcludePerson)}
    is_out = any(isinstance(e, ExcludeVideo) for e in edits)
    result = frames.assign(
        person=person,
        name=person.map(lambda n: by_person.get(n, person_name(n)), na_action="ignore").astype(
            "str"
        ),
        weight_s=weight_s.mask(is_in_span, np.minimum(weight_s, to_s - frames["time_s"])),
        clock_s=(frames["time_s"] - from_s).round(6),
        is_excluded=person.isin(list(excluded)).to_numpy(bool) | is_out,
        is_in_span=is_in_span,
    )
    participant = _participant(result, edits, roots, excluded)
    result["is_participant"] = (person == participant).fillna(value=False).astype(bool)
    is_usable = is_usable_row(counted_frames(frames, all_faces=all_faces))
    is_one = result["is_participant"] & ~result["is_excluded"] & ~_is_double(result)
    result["is_reading"] = is_one & is_usable
    result["is_counted"] = result["is_reading"] & result["is_in_span"]
    others = [name for name in frames.columns if name not in EDIT_COLUMNS]
    edited = result[[*others, *EDIT_COLUMNS]]
    edited.attrs = dict(frames.attrs) | {"end_s": min(to_s, frames.attrs.get("end_s", np.inf))}
    return edited


def people_rows(edited: pd.DataFrame) -> pd.DataFrame:
    """The rows of people in the part that counts, as ``people_table`` takes them.

    The column track has the merged numbers, is_brief is what it is after edits, and of a person
    found twice in a frame only the surer face is left.
    """
    inside = edited[edited["is_in_span"]]
    is_left_out = inside["is_excluded"] | _is_double(inside)
    rows = inside.assign(
        track=inside["person"].where(~is_left_out), is_brief=_is_brief(edited)[edited["is_in_span"]]
    )
    rows.attrs = dict(edited.attrs)
    return rows


def check_people(tracks: Collection[int], edits: Iterable[Edit]) -> None:
    """Checks that all people named by edits are in a video.

    Args:
        tracks: Of the video, see ``tracks_of``.
        edits: Those of this video.

    Raises:
        EmotionError: Somebody is not there.
    """
    for edit in edits:
        named = edit.tracks if isinstance(edit, MergePeople) else (getattr(edit, "track", None),)
        for track in named:
            if track is not None and track not in tracks:
                raise EmotionError(f"{edit.video} has no person {track}.")


def tracks_of(frames: pd.DataFrame) -> frozenset[int]:
    """The numbers of all people and brief tracks in a table of frames."""
    return frozenset(int(track) for track in frames["track"].dropna().unique())


def _merge(edits: Sequence[Edit], tracks: Collection[int]) -> dict[int, int]:
    """The number of the person of each track."""
    roots = {track: track for track in tracks}
    for edit in edits:
        if isinstance(edit, MergePeople):
            joined = {roots[track] for track in edit.tracks}
            roots = {t: min(joined) if root in joined else root for t, root in roots.items()}
    return roots


def _participant(
    edited: pd.DataFrame, edits: Sequence[Edit], roots: Mapping[int, int], excluded: set[int]
) -> int | None:
    chosen = [e.track for e in edits if isinstance(e, ChooseParticipant)]
    if chosen:
        return roots[chosen[-1]]
    is_out = edited["person"].isin(list(excluded)).to_numpy(bool)
    counted = edited["is_in_span"] & ~_is_brief(edited) & ~is_out & ~_is_double(edited)
    seen = edited[counted].groupby("person")["weight_s"].sum()
    if seen.empty:
        return None
    return int(seen.index[int(np.argmax(seen.to_numpy(float)))])


def _is_brief(edited: pd.DataFrame) -> pd.Series[bool]:
    """Whether a person is brief: not if merged with anybody, as people have looked at it."""
    tracks = edited.groupby("person")["track"].nunique()
    is_merged = edited["person"].isin(tracks.index[tracks > 1]).to_numpy(bool)
    is_chosen = edited.get("is_participant", pd.Series(data=False, index=edited.index))
    return edited["is_brief"] & ~is_merged & ~is_chosen


def _is_double(edited: pd.DataFrame) -> pd.Series[bool]:
    """Whether a row is a second, less sure face of the same person in the same frame."""
    seen = edited[edited["person"].notna()].sort_values("score", ascending=False, kind="stable")
    double = seen.duplicated(["frame", "person"])
    return double.reindex(edited.index, fill_value=False)
