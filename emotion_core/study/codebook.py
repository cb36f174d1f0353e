"""The code book: what every column of every table of a study means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from emotion_core.study.tables import StudyTables

NOTES = (
    "Neighbouring frames are alike and no independent samples: take participants as cases, never "
    "frames. Intervals of means and curves come from drawing whole participants anew; with fewer "
    "than about ten they are somewhat too narrow.",
    "Missing is an empty cell, never 0, and nothing is filled: counts (n, frames_counted, "
    "participants) stand beside every mean.",
    "Comparisons are exploratory. p_fdr is corrected for the rows of that table only.",
    "Readings are of expressions, not of what somebody feels.",
)
"""What a reader of the tables has to know."""

TABLES = {
    "all_frames": "one row per analysed frame and face; a frame without a face has one row",
    "all_people": "one row per person and video",
    "all_videos": "one row per video, also of those that failed",
    "participants": "one row per participant, stimulus and condition",
    "participant_curves": "each participant's readings on the common clock",
    "group_curves": "mean curves over participants, with bands",
    "group_summary": "means over participants of the columns of participants",
    "comparisons": "exploratory comparisons of stimuli and of conditions",
    "event_windows": "the participant's readings averaged around events",
}
"""What a row of each table is."""

_ROWS = TABLES | {
    "events": "one row per event; an empty file, participant, stimulus or condition stands for all"
}

_MEASURE = r"(?P<change>change_)?(?P<name>valence|arousal|p_(?P<label>[a-z]+))"
_LOG_ODDS = "log-odds"
_EXACT = {
    "participant": ("", "who is seen"),
    "stimulus": ("", "what the participant saw or did"),
    "condition": ("", "group or condition; empty if there is none"),
    "video": ("", "path of the file below the study's folder"),
    "file": ("", "video of the event"),
    "label": ("", "what the event is called"),
    "frame": ("count", "index of the frame in the video, from 0"),
    "time_s": ("s", "time after the start of the video; in tables of curves, the middle of a step "
               "of the common clock, after the start of the part that counts"),
    "track": ("", "number of the person in this video; in all_people after merging"),
    "person": ("", "number of the person after merging"),
    "name": ("", "name of the person"),
    "weight_s": ("s", "how long the frame counts: until the next analysed one, within limits, "
                 "and not beyond the end of the part that counts"),
    "clock_s": ("s", "time after the start of the part that counts"),
    "is_excluded": ("", "whether the person or the video was excluded"),
    "is_participant": ("", "whether the person is the participant"),
    "is_in_span": ("", "whether the frame lies in the part of the video that counts"),
    "is_reading": ("", "whether the row is a usable reading of the participant"),
    "is_counted": ("", "whether the row enters means and curves: such a reading in the part of "
                   "the video that counts"),
    "event": ("", "label of the latest event at or before the frame; in event_windows, of the "
              "event"),
    "score": ("0 to 1", "how sure the detector is that this is a face"),
    "emotion": ("", "the most probable emotion"),
    "confidence": ("0 to 1", "its probability"),
    "va_source": ("", "whether valence and arousal are the network's own or expectations of "
                  "published coordinates of the words"),
    "model": ("", "the emotion model"),
    "detector": ("", "the face detector"),
    "is_brief": ("", "whether the track was seen too briefly to count as a person"),
    "first_s": ("s", "time of the first frame with the person"),
    "last_s": ("s", "time of the last frame with the person"),
    "seen_s": ("s", "for how long the person is seen, without gaps"),
    "frames": ("count", "analysed frames: with the person, in all_people; of the part of the video "
               "that counts, in participants; in the window, in event_windows"),
    "dominant_emotion": ("", "the emotion with the largest share"),
    "changes": ("count", "how often the most probable emotion changes, smoothed"),
    "positive_s": ("s", "time of the highest valence, smoothed"),
    "negative_s": ("s", "time of the lowest valence, smoothed"),
    "intense_s": ("s", "time farthest from the middle of the valence-arousal plane, smoothed"),
    "sha256": ("", "hash of the file"),
    "width": ("px", "width of the upright frames"),
    "height": ("px", "height of the upright frames"),
    "fps": ("1/s", "mean frame rate by the header; 0 if unknown"),
    "duration_s": ("s", "length by the header"),
    "codec": ("", "video codec"),
    "frames_read": ("count", "frames decoded"),
    "frames_analyzed": ("count", "frames analysed"),
    "warning": ("", "what is odd about the video"),
    "error": ("", "why it failed"),
    "people": ("count", "people seen in it"),
    "participant_track": ("", "number of the person who is the participant"),
    "exclusion": ("", "why the video was excluded"),
    "frames_seen": ("count", "of these, with the participant"),
    "frames_counted": ("count", "of these, with a usable reading"),
    "share_counted": ("0 to 1", "frames_counted / frames"),
    "counted_s": ("s", "seconds with usable readings"),
    "switches": ("count", "how often the most probable emotion changes, smoothed"),
    "baseline_frames": ("count", "readings in the baseline"),
    "note": ("", "why there are no values, or no changes from a baseline"),
    "cover": ("0 to 1", "share of the step with usable readings"),
    "measure": ("", "column of participants (group_summary, comparisons) or participant_curves "
                "(group_curves) that the row is about"),
    "participants": ("count", "participants of the stimulus and condition"),
    "n": ("count", "of these, with a value"),
    "mean": ("", "mean over participants"),
    "sd": ("", "standard deviation over participants (n - 1)"),
    "contrast": ("", "what differs: stimulus or condition"),
    "within": ("", "the condition or stimulus that both sides share"),
    "a": ("", "first stimulus or condition"),
    "b": ("", "second stimulus or condition"),
    "kind": ("", "paired: the same participants; unpaired: different ones (Welch)"),
    "n_a": ("count", "participants in a"),
    "n_b": ("count", "participants in b"),
    "mean_a": ("", "mean over participants in a"),
    "mean_b": ("", "mean over participants in b"),
    "difference": ("", "mean_a - mean_b"),
    "low": ("", "lower end of the 95% interval: of the mean, from drawing participants anew; in "
            "comparisons of the difference, from the t distribution"),
    "high": ("", "upper end of the 95% interval"),
    "t": ("", "t statistic"),
    "df": ("", "degrees of freedom"),
    "p": ("0 to 1", "two-sided p value; exploratory"),
    "p_fdr": ("0 to 1", "p corrected by Benjamini and Hochberg for the rows of this table"),
    "effect": ("", "d_z: in SDs of the differences; d: in SDs of both groups pooled"),
    "effect_size": ("SD", "difference in standard deviations"),
    "effect_low": ("SD", "lower end of its 95% interval, noncentral t"),
    "effect_high": ("SD", "upper end of its 95% interval"),
    "from_s": ("s", "start of the window, after the start of the video"),
    "to_s": ("s", "end of the window, after the start of the video"),
    "yaw_deg": ("degrees", "how far the head is turned"),
    "pitch_deg": ("degrees", "how far the head is raised"),
    "roll_deg": ("degrees", "how far the head is tilted"),
    "sharpness": ("0 to 1", "share of fine detail in the face"),
    "brightness": ("0 to 1", "mean brightness of the face"),
    "quality": ("0 to 1", "how well the face can be read"),
    "flags": ("", "what makes the face hard to read"),
    "is_usable": ("", "whether the reading counts by the quality of the face"),
    "n_unusable": ("count", "frames with the person that do not count by their quality"),
}  # fmt: skip
_PATTERNS = (
    (r"[xy][12]", "px", "edge of the face's box in the upright frame"),
    (r"share_(?P<label>[a-z]+)", "0 to 1",
     "share of the time seen in which {label} is the most probable emotion, smoothed"),
    (r"action_(?P<label>\w+)", "0 to 1", "movement {label} of the face, from 0 (at rest)"),
    (rf"baseline_{_MEASURE}", "", "mean {what} in the baseline"),
    (rf"mean_{_MEASURE}", "", "mean {what}, weighted with time, never smoothed"),
    (rf"sd_{_MEASURE}", "", "standard deviation of {what} over time; not over people"),
    (rf"peak_{_MEASURE}", "", "highest value of {what} on the common clock"),
    (rf"peak_{_MEASURE}_s", "s", "when, after the start of the part that counts"),
    (rf"trough_{_MEASURE}", "", "lowest value of {what} on the common clock"),
    (rf"trough_{_MEASURE}_s", "s", "when, after the start of the part that counts"),
    (rf"area_{_MEASURE}", "", "sum of {what} times seconds; time without readings adds nothing"),
    (_MEASURE, "", "{what}"),
)  # fmt: skip
_ELSEWHERE = "as the video's analysis gives it; see docs/tables.md"


def codebook(tables: StudyTables, events: pd.DataFrame) -> pd.DataFrame:
    """The code book of a study's tables, and of its events if there are any.

    Returns:
        Columns table, column, type, unit and meaning; one row for each column of each table.
    """
    described = dict(tables.items()) | ({"events": events} if len(events) else {})
    rows = [
        {"table": name, "column": column, "type": _type_of(table[column]), **_entry(str(column))}
        for name, table in described.items()
        for column in table.columns
    ]
    return pd.DataFrame(rows, columns=["table", "column", "type", "unit", "meaning"])


def codebook_markdown(book: pd.DataFrame) -> str:
    """The code book with notes as Markdown."""
    lines = ["# Code book", "", *(f"- {note}" for note in NOTES)]
    for table, rows in book.groupby("table", sort=False):
        lines += ["", f"## {table}", "", f"{_ROWS[str(table)]}.".capitalize(), ""]
        lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{r.column}` | {r.type} | {r.unit} | {r.meaning} |" for r in rows.itertuples()
        ]
    return "\n".join(lines) + "\n"


def meaning_of(column: str) -> str:
    """What a column means, in words."""
    return _entry(column)["meaning"]


def _entry(column: str) -> dict[str, str]:
    if column in _EXACT:
        unit, meaning = _EXACT[column]
        return {"unit": unit, "meaning": meaning}
    for pattern, unit, meaning in _PATTERNS:
        if match := re.fullmatch(pattern, column):
            parts = match.groupdict()
            what, scale = _describe(parts) if "name" in parts else ("", "")
            return {
                "unit": unit or _unit(column, scale),
                "meaning": meaning.format(what=what, label=parts.get("label", "")),
            }
    return {"unit": "", "meaning": _ELSEWHERE}


def _describe(parts: dict[str, str | None]) -> tuple[str, str]:
    """A measure in words, and its scale."""
    label, name = parts.get("label"), parts["name"]
    words = f"probability of {label}" if label else str(name)
    if parts.get("change"):
        scale = _LOG_ODDS if label else "difference"
        return f"change of {words} from the baseline ({scale})", scale
    return words, "0 to 1" if label else "-1 to 1"


def _unit(column: str, scale: str) -> str:
    if column.startswith("baseline_p_"):
        return _LOG_ODDS
    return f"{scale} x s" if column.startswith("area_") else scale


def _type_of(values: pd.Series[Any]) -> str:
    if pd.api.types.is_bool_dtype(values):
        return "true or false"
    if pd.api.types.is_integer_dtype(values):
        return "whole number"
    return "number" if pd.api.types.is_numeric_dtype(values) else "text"
