"""Compare with a second model: two readings of the same faces of a video."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from emotion_core.clock import format_duration
from emotion_core.errors import EmotionError
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.photos.comparison import compare_frames
from emotion_core.quality import usable_faces
from emotion_core.reporting.timeline import person_name
from streamlit_app.compared_faces import (
    ComparedFaces,
    is_chosen_model,
    open_comparison,
    show_compared,
)
from streamlit_app.video.comparison_job import ComparisonJob
from streamlit_app.video.job_queue import JobState
from streamlit_app.widgets import escape, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

    from emotion_core.analyzer import Analyzer
    from emotion_core.types import Predictions
    from streamlit_app.video.comparison_job import ComparedVideo
    from streamlit_app.video.job_queue import JobQueue
    from streamlit_app.video.selection import TimelineSelection

_KEY = "compared moment"
"""Start of the keys of widgets."""


@dataclass(frozen=True, eq=False, slots=True)
class VideoComparing:
    """How the faces of a video are read by other models.

    Attributes:
        jobs: Readings of the result on the page, by the models' names; takes more.
        load: Loads a model by its name.
        queue: In which the readings wait among the videos of all visitors.
        preset: The app's own choice of a model; may be empty.
    """

    jobs: dict[str, ComparisonJob]
    load: Callable[[str], Analyzer]
    queue: JobQueue
    preset: str

    def start(self, video: ComparedVideo, name: str) -> None:
        """Starts to read the faces of a video; does nothing but warn if the model is missing.

        Raises:
            EmotionError: The model cannot be loaded, or there is no room.
        """
        second = self.load(name)
        if is_chosen_model(second, name) and isinstance(second, LocalAnalyzer):
            self.jobs[name] = ComparisonJob(video, second, self.queue)


def show_comparison(
    comparing: VideoComparing,
    video: ComparedVideo,
    tracks: list[int],
    selection: TimelineSelection,
) -> None:
    """A part of the page that sets another model beside that of the result, once asked for.

    Args:
        comparing: How.
        video: The video and its result.
        tracks: The people to show.
        selection: Its cursor goes to a face that is selected.
    """
    in_use = {video.result.model, video.result.model.split(" ", 1)[0]}
    opened = open_comparison(in_use, comparing.preset, f"{_KEY} model")
    if opened is None:
        return
    part, place, name = opened
    with part:
        job = _begin(comparing, video, name, place)
        if job is None:
            return
        if job.state in (JobState.WAITING, JobState.RUNNING):
            _show_progress(job)
        elif job.state is JobState.DONE:
            _show_readings(job, video, tracks, selection, place)


def _begin(
    comparing: VideoComparing, video: ComparedVideo, name: str, place: DeltaGenerator
) -> ComparisonJob | None:
    """The reading by a model, which a button starts; says why an earlier one failed."""
    job = comparing.jobs.get(name)
    if job and job.state not in (JobState.FAILED, JobState.CANCELLED):
        return job
    is_pressed = place.button("Compare", type="primary", icon=":material/compare:", key=_KEY)
    try:
        if is_pressed:
            comparing.jobs.pop(name, None)
            comparing.start(video, name)
            place.empty()
            return comparing.jobs.get(name)
        if job and job.state is JobState.FAILED:
            job.result()
    except EmotionError as error:
        st.error(escape(str(error)), icon=":material/error:")
    return None


@st.fragment(run_every=0.5)
def _show_progress(job: ComparisonJob) -> None:
    """How far the reading is, refreshed until it has ended."""
    if job.state not in (JobState.WAITING, JobState.RUNNING):
        st.rerun()
    n = len(job.rows)
    words = f"{job.n_done} of {plural(n, 'face')} read by the second model"
    if job.state is JobState.WAITING:
        words = "Waiting: other videos are being analysed"
    st.progress(job.n_done / max(1, n), words)
    st.button("Cancel", on_click=job.cancel, icon=":material/stop:", key=f"{_KEY} cancel")


def _show_readings(
    job: ComparisonJob,
    video: ComparedVideo,
    tracks: list[int],
    selection: TimelineSelection,
    place: DeltaGenerator,
) -> None:
    """The readings of the people shown, without faces that do not count."""
    result, read = video.result, job.result()
    names = result.model, job.model
    table = compare_frames(video.name, job.rows, read).assign(track=job.rows["track"])
    frames = job.rows["frame"]
    table["id"] = frames.astype(str) + "#" + table["track"].astype(str)
    rows = job.rows if result.settings.all_faces else usable_faces(job.rows)
    shown = table.loc[rows.index[rows["track"].isin(tracks)]]
    times = dict(zip(shown["id"], shown["time_s"].astype(float), strict=True))

    def pick(face: str) -> None:
        st.session_state[f"{_KEY} picked"] = face
        selection.go_to(times.get(face))

    find_shares = partial(_find_shares, job.rows.set_index(table["id"]), read)
    picked = st.session_state.get(f"{_KEY} picked")
    show_compared(ComparedFaces(shown, names, _KEY, picked, pick, _describe, find_shares), place)
    st.caption(
        f"Read in {plural(int(frames.nunique()), 'frame')}, spread evenly, at most two a second, "
        "and not smoothed. Frames of one video are alike: they are no independent sample."
    )


def _describe(row: Mapping[Any, Any]) -> str:
    return f"{person_name(row['track'])} at {format_duration(row['time_s'])}"


def _find_shares(
    rows: pd.DataFrame, second: Predictions, face: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Probabilities of a face by emotion, of both models."""
    at = rows.index.get_loc(face)
    words = [name for name in rows.columns if name.startswith("p_")]
    shares = rows[words].to_numpy(float)[at].tolist()
    first = dict(zip((word.removeprefix("p_") for word in words), shares, strict=True))
    read = zip(second.labels, second.probabilities[at], strict=True)
    return first, {str(emotion): float(share) for emotion, share in read}
