"""The result of a video: findings, the viewer, people, downloads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.clock import format_duration
from emotion_core.photos.tables import safe_stems
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.html_report import report_page
from emotion_core.reporting.photo_charts import to_html, to_png
from emotion_core.reporting.timeline import person_name
from emotion_core.reporting.video_bundle import VideoRun, write_video_bundle
from emotion_core.video.highlights import hide_faces
from emotion_core.video.tables import longest_seen, people_readings, select_people
from streamlit_app.video.comparing import show_comparison
from streamlit_app.video.comparison_job import ComparedVideo
from streamlit_app.video.labelling import LabelledVideo, find_moments, show_moment_labels
from streamlit_app.video.people import show_people
from streamlit_app.video.timeline import choose_people, show_course
from streamlit_app.video.viewer import PlayedVideo
from streamlit_app.widgets import choose_counted, chosen_decimal, download, escape, to_csv

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from altair.typing import ChartType

    from emotion_core.photos.tables import Decimal
    from emotion_core.video.types import VideoResult
    from streamlit_app.shared_file import SharedTempFile
    from streamlit_app.video.comparing import VideoComparing
    from streamlit_app.video.selection import ResultSmoother, TimelineSelection
    from streamlit_app.video.state import VideoState

MAX_PLAYED_BYTES = 400 * 2**20
"""Size in bytes above which a video is not played, since Streamlit keeps it in memory."""

_MAX_FINDINGS = 6


@dataclass(frozen=True, eq=False, slots=True)
class FinishedVideo:
    """A result to show.

    Attributes:
        name: Readable name of the video.
        result: The result.
        video: The annotated video, or a session's recording; ``None`` if there is none to show.
        clip: The video without drawings, for its hash and whose faces can be labelled.
        marks_s: Times that were marked, in seconds.
        comparing: How to compare with another model; ``None`` if that is not possible.
    """

    name: str
    result: VideoResult
    video: SharedTempFile | None
    clip: SharedTempFile | None = None
    marks_s: Sequence[float] = ()
    comparing: VideoComparing | None = None


def show_result(
    state: VideoState, finished: FinishedVideo, smoothing_s: float, *, blur: bool
) -> None:
    """Everything in a result, smoothed again.

    With ``blur`` all faces are hidden, even if they were not blurred in the analysis.
    """
    result = finished.result
    made_with_s = result.settings.smoothing_s
    video = finished.video
    if blur and not result.settings.blur:
        result, video = hide_faces(result), None
    for warning in result.info.warnings:
        st.warning(escape(warning), icon=":material/warning:")
    if result.fault:
        words = f"{result.fault} What could be read is shown and offered below."
        st.warning(escape(words), icon=":material/broken_image:")
    is_all = choose_counted(people_readings(result.frames), "reading")
    frames, result = state.smoother.smooth(result, smoothing_s, all_faces=is_all)
    show_people_findings(state.smoother, result, frames)
    if video is None:
        st.info(
            "The annotated video shows faces that were not blurred. Analyse again to blur them, or "
            "switch off Blur faces to see it.",
            icon=":material/blur_on:",
        )
    elif made_with_s != smoothing_s:
        st.caption(f"The annotated video was made with a smoothing of {made_with_s:.1f} s.")
    played = play(video, finished.name, result) if video else None
    shown = replace(finished, result=result, video=video)
    clip = finished.clip
    labelled = LabelledVideo(state.labels, finished.name, clip, blur) if clip else None
    show_analysis(state.selection, state.smoother, shown, frames, played, labelled)


def show_people_findings(
    smoother: ResultSmoother, result: VideoResult, frames: pd.DataFrame
) -> None:
    """A sentence on each of the people seen longest.

    Args:
        smoother: Has smoothed the result.
        result: Smoothed result.
        frames: Smoothed frame table.
    """
    if result.people.empty:
        st.info("No face was found in the analysed frames.", icon=":material/face_retouching_off:")
        return
    shown = longest_seen(result.people, _MAX_FINDINGS)
    words = [smoother.course(frames, track) for track in shown]
    if len(result.people) == 1:
        st.markdown(f"#### {words[0][0].upper()}{words[0][1:]}", width="content")
        return
    with st.grid(2, min_column_width=420, gap=(None, "medium"), key="findings"):
        for track, sentence in zip(shown, words, strict=True):
            st.markdown(f"**{person_name(track)}**: {sentence}")
    if len(result.people) > len(shown):
        st.caption(f"Of the {len(shown)} people visible longest, of {len(result.people)}.")


def play(
    file: SharedTempFile, name: str, result: VideoResult, offset_s: float = 0.0
) -> PlayedVideo | None:
    """A video for the viewer; ``None``, with a note, if it is too large to play."""
    if file.size > MAX_PLAYED_BYTES:
        st.info(
            f"The annotated video has {file.size / 2**20:.0f} MB and is too large to play here; "
            "download it below.",
            icon=":material/movie:",
        )
        return None
    n = len(result.people)
    people = "no face found" if not n else "one person" if n == 1 else f"{n} people"
    alt = f"{name} with its faces marked, {people}"
    return PlayedVideo(file.read(), alt, result.info.size_wh, offset_s)


def show_analysis(
    selection: TimelineSelection,
    smoother: ResultSmoother,
    finished: FinishedVideo,
    frames: pd.DataFrame,
    played: PlayedVideo | None,
    labelled: LabelledVideo | None = None,
) -> None:
    """The viewer, people and downloads; the video and downloads if there is nobody in it.

    Args:
        selection: What is selected in the charts.
        smoother: Has smoothed the result.
        finished: Smoothed result.
        frames: Smoothed frame table.
        played: The video to play.
        labelled: The video for labels of its faces; ``None`` if it cannot have any.
    """
    if not finished.result.people.empty:
        _show_tabs(selection, smoother, finished, frames, played, labelled)
        return
    if played:
        st.video(played.data, alt=played.alt, width=720)
    _show_downloads(finished, frames)


@st.fragment
def _show_tabs(
    selection: TimelineSelection,
    smoother: ResultSmoother,
    finished: FinishedVideo,
    frames: pd.DataFrame,
    played: PlayedVideo | None,
    labelled: LabelledVideo | None,
) -> None:
    """The tabs of a result; a selection only reruns this part of the page."""
    result = finished.result
    tracks = choose_people(selection, result)
    timeline, people, export = st.tabs(
        ["Timeline", "People", "Export"], key="result tab", on_change="rerun"
    )
    with timeline:
        waiting = find_moments(labelled, result, tracks, selection) if labelled else []
        span_s = show_course(selection, smoother, finished, frames, tracks, played)
        if labelled:
            show_moment_labels(labelled, result, waiting)
        if finished.comparing and finished.clip:
            compared = ComparedVideo(finished.name, finished.clip, result)
            show_comparison(finished.comparing, compared, tracks, selection)
    with people:
        if people.open:
            show_people(result, frames, tracks, span_s)
    with export:
        if export.open:
            _show_downloads(finished, frames)


def _show_downloads(finished: FinishedVideo, frames: pd.DataFrame) -> None:
    """Everything as files, made when a button is pressed, from the smoothed table of frames."""
    name, result, video = finished.name, finished.result, finished.video
    stem = safe_stems([name])[0]
    raw, people = result.frames, result.people

    def charts() -> ChartType:
        chosen = select_people(frames, longest_seen(people))
        return dashboard_chart(chosen, smoothing_s=result.settings.smoothing_s)

    make = partial(_to_bundle, name, result, frames, finished.clip, chosen_decimal())
    st.header("Downloads", anchor=False)
    with st.container(horizontal=True):
        download("Everything (ZIP)", make, f"{stem}_results.zip", "application/zip")
        if video:
            download("Annotated video (MP4)", video.read, f"{stem}_annotated.mp4", "video/mp4")
        download("Frames (CSV)", to_csv(lambda: raw), f"{stem}_frames.csv", "text/csv")
        download("People (CSV)", to_csv(lambda: people), f"{stem}_people.csv", "text/csv")
        if not people.empty:
            page = f"{stem}_charts.html"
            download("Charts (HTML)", lambda: to_html(charts(), title=name), page, "text/html")
            download("Charts (PNG)", lambda: to_png(charts()), f"{stem}_charts.png", "image/png")
        download(
            "Report (HTML)", lambda: report_page(result, name), f"{stem}_report.html", "text/html"
        )
    charted = " Charts show up to six people, those visible longest."
    st.caption(
        "Everything has tables, charts, report, settings, versions, hashes and a text on methods. "
        "Frames (CSV) has one row per analysed frame and face, never smoothed. The other files use "
        f"the smoothing set here, except for means.{'' if people.empty else charted}"
    )
    st.caption(_facts(result))


def _to_bundle(
    name: str,
    result: VideoResult,
    frames: pd.DataFrame,
    clip: SharedTempFile | None,
    decimal: Decimal,
) -> bytes:
    sha256 = ""
    if clip:
        with clip.in_use() as path, path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    run = VideoRun(name, result, frames, datetime.now(UTC), sha256)
    return write_video_bundle(run, decimal=decimal)


def _facts(result: VideoResult) -> str:
    """How the analysis went, in one line; a webcam session tells most of it itself."""
    words = ""
    if not result.started_at:
        words = f"Frames analysed: {result.n_analyzed} of {result.n_frames}. "
    if result.elapsed_s and words:
        fps = result.n_frames / result.elapsed_s
        took = format_duration(result.elapsed_s, decimals=0)
        words += f"Processing time: {took} ({fps:.0f} fps). "
    return escape(f"{words}Models: {result.model}, {result.detector}.")
