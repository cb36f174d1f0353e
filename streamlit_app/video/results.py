"""The result of a video: totals, the annotated video, key moments, downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.photos.tables import safe_stems
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.html_report import report_page
from emotion_core.reporting.photo_charts import to_html, to_png
from emotion_core.reporting.timeline import format_duration, person_name
from emotion_core.video.highlights import hide_faces
from emotion_core.video.tables import (
    describe_mostly,
    longest_seen,
    people_readings,
    select_people,
)
from streamlit_app.video.timeline import show_timeline
from streamlit_app.widgets import (
    choose_counted,
    download,
    escape,
    show_metrics,
    side_by_side,
    to_csv,
)

if TYPE_CHECKING:
    import pandas as pd
    from altair.typing import ChartType
    from streamlit.elements.lib.layout_utils import Height

    from emotion_core.video.types import Highlight, VideoResult
    from streamlit_app.shared_file import SharedTempFile
    from streamlit_app.video.state import VideoState

_MAX_PLAYED_BYTES = 400 * 2**20
"""Size in bytes above which a video is not played, since Streamlit keeps it in memory."""

_MAX_PEOPLE = 12


def show_result(state: VideoState, result: VideoResult, smoothing_s: float, *, blur: bool) -> None:
    """Everything in the result of the job, smoothed again.

    With ``blur`` all faces are hidden, even if the job did not blur them.
    """
    if not state.clip or not state.job:
        return
    clip = state.clip
    video: SharedTempFile | None = state.job.video
    if blur and not result.settings.blur:
        result, video = hide_faces(result), None
    for warning in result.info.warnings:
        st.warning(escape(warning), icon=":material/warning:")
    if result.fault:
        words = f"{result.fault} What could be read is shown and offered below."
        st.warning(escape(words), icon=":material/broken_image:")
    is_all = choose_counted(people_readings(result.frames), "reading")
    frames, result = state.smoother.smooth(result, smoothing_s, all_faces=is_all)
    length_s = result.frames.attrs.get("end_s", float(result.frames["time_s"].max()))
    fps = result.n_frames / max(result.elapsed_s, 1e-6)
    show_metrics(
        {
            "People": len(result.people),
            "Length": format_duration(length_s, decimals=0),
            "Frames": result.n_frames,
            "Analysed": result.n_analyzed,
            "Processing": format_duration(result.elapsed_s, decimals=0),
            "Speed": f"{fps:.0f} fps",
        }
    )
    left, right = side_by_side()
    with left:
        _show_video(video, clip.name, result, state.job.spec.settings.smoothing_s)
    with right:
        if result.people.empty:
            st.info(
                "No face was found in the analysed frames.",
                icon=":material/face_retouching_off:",
            )
        else:
            show_highlights(result)
    if not result.people.empty:
        show_timeline(state.selection, result, frames, original=clip.file, annotated=video)
    show_video_downloads(clip.name, result, frames, video)


def _show_video(
    video: SharedTempFile | None, name: str, result: VideoResult, made_with_s: float
) -> None:
    """The annotated video, unless its faces must be hidden, and the smoothing it was made with."""
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
        st.caption(f"The annotated video was made with a smoothing of {made_with_s:.1f} s.")


def show_player(what: str, file: SharedTempFile, alt: str) -> None:
    """A player for an MP4, or a note that ``what`` is too large to play."""
    if file.size > _MAX_PLAYED_BYTES:
        st.info(
            f"{what} has {file.size / 2**20:.0f} MB and is too large to play here; "
            "download it below.",
            icon=":material/movie:",
        )
    else:
        st.video(file.read(), alt=alt)


def show_highlights(result: VideoResult) -> None:
    """Images of the key moments of the people seen longest."""
    st.header("Key moments", anchor=False)
    highlights: dict[int, list[Highlight]] = {}
    for highlight in result.highlights:
        highlights.setdefault(highlight.track, []).append(highlight)
    shown = longest_seen(result.people, _MAX_PEOPLE)
    height: Height = 420 if len(shown) > 2 else "content"
    with st.container(height=height, border=False, key="moments", gap="small"):
        for track in shown:
            _show_person(track, highlights.get(track, []), result.people)
    if len(result.people) > len(shown):
        st.caption(f"Of the {len(shown)} people visible longest; the report has all.")


def _show_person(track: int, highlights: list[Highlight], people: pd.DataFrame) -> None:
    row = people[people["track"] == track].iloc[0]
    mostly = describe_mostly(row.to_dict())
    st.markdown(f"**{person_name(track)}**, visible {row['seen_s']:.1f} s, {mostly}")
    if not highlights:
        st.caption("Too small or too blurred for an image.")
    with st.container(horizontal=True, gap="small"):
        for highlight in highlights:
            at, what = format_duration(highlight.time_s), f"most {highlight.kind}"
            alt = f"{person_name(track)} {what}: {highlight.emotion} at {at}"
            st.image(highlight.jpeg, caption=f"{what}  \n{at}", alt=alt, width=80)


def show_video_downloads(
    name: str, result: VideoResult, frames: pd.DataFrame, video: SharedTempFile | None
) -> None:
    """Everything as files, made when a button is pressed; ``frames`` are smoothed."""
    stem = safe_stems([name])[0]
    raw, people = result.frames, result.people

    def charts() -> ChartType:
        chosen = select_people(frames, longest_seen(people))
        return dashboard_chart(chosen, smoothing_s=result.settings.smoothing_s)

    st.header("Downloads", anchor=False)
    with st.container(horizontal=True):
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
        "Frames (CSV) has one row per analysed frame and face, never smoothed. The other files use "
        f"the smoothing set here, except for means.{'' if people.empty else charted}"
    )
