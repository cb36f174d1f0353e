"""What was found in a video: totals, the annotated video, strongest moments, files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.photos.tables import safe_stems, table_to_csv
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.html_report import report_page
from emotion_core.reporting.photo_charts import to_html, to_png
from emotion_core.reporting.timeline import format_duration, person_name
from emotion_core.video.highlights import hide_faces
from emotion_core.video.tables import (
    longest_seen,
    select_people,
)
from streamlit_app.video.timeline import show_course
from streamlit_app.widgets import download, plain, side_by_side

if TYPE_CHECKING:
    import pandas as pd
    from altair.typing import ChartType
    from streamlit.elements.lib.layout_utils import Height

    from emotion_core.video.types import Highlight, VideoResult
    from streamlit_app.shared_file import SharedTempFile
    from streamlit_app.video.state import VideoState

_LARGEST_PLAYED = 400 * 2**20
"""Bytes. Streamlit keeps what a page plays in memory; a larger video can only be downloaded."""

_MOST_PEOPLE = 12


def show_result(desk: VideoState, result: VideoResult, smoothing_s: float, *, blur: bool) -> None:
    """All that was found.

    Args:
        desk: With the video and its job.
        result: What the job found.
        smoothing_s: As the visitor wants it now; the result was made with its own.
        blur: Whether no face may be shown, however the result was made.
    """
    if not desk.clip or not desk.job:
        return
    video: SharedTempFile | None = desk.job.video
    if blur and not result.settings.blur:
        result, video = hide_faces(result), None
    for warning in result.info.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    if result.fault:
        words = f"{result.fault} What could be read is shown and offered below."
        st.warning(plain(words), icon=":material/broken_image:")
    frames, result = desk.smoothed(result, smoothing_s)
    _show_totals(result)
    left, right = side_by_side()
    with left:
        _show_video(video, desk.clip.name, result, desk.job.recipe.settings.smoothing_s)
    with right:
        if result.people.empty:
            st.info(
                "No face was found in the pictures that were analysed.",
                icon=":material/face_retouching_off:",
            )
        else:
            show_moments(result)
    if not result.people.empty:
        show_course(desk, result, frames)
    show_video_downloads(desk.clip.name, result, frames, video)


def _show_totals(result: VideoResult) -> None:
    length_s = result.frames.attrs.get("end_s", float(result.frames["time_s"].max()))
    with st.grid(min_column_width=115):
        st.metric("People", len(result.people), border=True)
        st.metric("Length", format_duration(length_s, decimals=0), border=True)
        st.metric("Pictures", result.n_frames, border=True)
        st.metric("Analysed", result.n_analyzed, border=True)
        st.metric("Time taken", format_duration(result.elapsed_s, decimals=0), border=True)
        speed = result.n_frames / max(result.elapsed_s, 1e-6)
        st.metric("Speed", f"{speed:.0f} /s", border=True, help="Pictures a second.")


def _show_video(
    video: SharedTempFile | None, name: str, result: VideoResult, made_with_s: float
) -> None:
    """The annotated video, if it may be seen, and the smoothing with which it was drawn."""
    if video is None:
        st.info(
            "The annotated video shows faces that were not blurred. Analyse again to blur them, or "
            "switch off Blur faces to see it.",
            icon=":material/blur_on:",
        )
        return
    n = len(result.people)
    people = "no face found" if not n else "one person" if n == 1 else f"{n} people"
    show_player("The annotated video", video, f"{name} with its faces marked, {people}")
    if made_with_s != result.settings.smoothing_s:
        st.caption(f"The video was drawn with a smoothing of {made_with_s:.1f} s.")


def show_player(what: str, file: SharedTempFile, alt: str) -> None:
    """A video to play, or a sentence where it is too large for that.

    Args:
        what: Names it, at the start of a sentence.
        file: The MP4.
        alt: What it shows.
    """
    if file.size > _LARGEST_PLAYED:
        st.info(
            f"{what} has {file.size / 2**20:.0f} MB and is too large to be played here; "
            "download it below.",
            icon=":material/movie:",
        )
    else:
        st.video(file.read(), alt=alt)


def show_moments(result: VideoResult) -> None:
    """The pictures of the strongest expressions, of the people seen longest."""
    st.header("Strongest moments", anchor=False)
    moments: dict[int, list[Highlight]] = {}
    for moment in result.highlights:
        moments.setdefault(moment.track, []).append(moment)
    shown = longest_seen(result.people, _MOST_PEOPLE)
    height: Height = 420 if len(shown) > 2 else "content"
    with st.container(height=height, border=False, key="moments", gap="small"):
        for track in shown:
            _show_person(track, moments.get(track, []), result.people)
    if len(result.people) > len(shown):
        st.caption(f"Of the {len(shown)} people seen longest; the report has all.")


def _show_person(track: int, moments: list[Highlight], people: pd.DataFrame) -> None:
    row = people[people["track"] == track].iloc[0]
    st.markdown(
        f"**{person_name(track)}**, seen {row['seen_s']:.1f} s, "
        f"mostly {row['dominant_emotion']} ({row['share_' + row['dominant_emotion']]:.0%})"
    )
    if not moments:
        st.caption("Too small or too unclear for a picture.")
    with st.container(horizontal=True, gap="small"):
        for moment in moments:
            at = format_duration(moment.time_s)
            st.image(
                moment.jpeg,
                caption=f"most {moment.kind}  \n{at}",
                alt=f"{person_name(track)} most {moment.kind}: {moment.emotion} at {at}",
                width=80,
            )


def show_video_downloads(
    name: str, result: VideoResult, frames: pd.DataFrame, video: SharedTempFile | None
) -> None:
    """Everything as files, made when a button is pressed.

    Args:
        name: Of the visitor's file, or of what stands for it.
        result: With the people and the smoothing that are shown.
        frames: Smoothed.
        video: The annotated video, if there is one.
    """
    stem = safe_stems([name])[0]
    raw, people = result.frames, result.people

    def charts() -> ChartType:
        chosen = select_people(frames, longest_seen(people))
        return dashboard_chart(chosen, smoothing_s=result.settings.smoothing_s)

    st.header("Downloads", anchor=False)
    with st.container(horizontal=True):
        if video:
            download("Annotated video (MP4)", video.read, f"{stem}_annotated.mp4", "video/mp4")
        download("Frames (CSV)", lambda: table_to_csv(raw), f"{stem}_frames.csv", "text/csv")
        download("People (CSV)", lambda: table_to_csv(people), f"{stem}_people.csv", "text/csv")
        if not people.empty:
            download(
                "Charts (HTML)",
                lambda: to_html(charts(), title=name),
                f"{stem}_charts.html",
                "text/html",
            )
            download(
                "Charts (PNG)",
                lambda: to_png(charts()),
                f"{stem}_charts.png",
                "image/png",
            )
        download(
            "Report (HTML)", lambda: report_page(result, name), f"{stem}_report.html", "text/html"
        )
    charted = " The files of charts show the six people seen longest, or fewer."
    st.caption(
        "The file of frames has one row per analysed picture and face, never smoothed; the other "
        f"files are smoothed as set, but for means.{'' if people.empty else charted}"
    )
