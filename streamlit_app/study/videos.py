"""The queue of a study's videos, and who is in which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from emotion_core.clock import format_duration
from emotion_core.errors import EmotionError
from emotion_core.study.assignment import KEYS
from streamlit_app.study.uploads import choose_table
from streamlit_app.video.job_queue import JobState
from streamlit_app.widgets import as_code, escape, plural, shorten, table_height

if TYPE_CHECKING:
    from streamlit_app.study.clips import StudyClip
    from streamlit_app.study.state import StudyState

_WORDS = {
    JobState.WAITING: "waiting",
    JobState.RUNNING: "analysing",
    JobState.DONE: "done",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
_QUEUE = {
    "file": st.column_config.TextColumn("File", width=190),
    "status": st.column_config.TextColumn("Status", width=80),
    "progress": st.column_config.ProgressColumn("Progress", format="percent", width=90),
    "left": st.column_config.TextColumn("Left", width=55),
    "participant": st.column_config.TextColumn("Participant", width=90),
    "stimulus": st.column_config.TextColumn("Stimulus", width=90),
    "condition": st.column_config.TextColumn("Condition", width=90),
    "people": st.column_config.NumberColumn("People", width=60),
    "note": st.column_config.TextColumn("Note", width=260),
}
_MAX_ROWS, _MAX_TOLD = 12, 3
_NAMELESS = "who is it? (in no table)"


def show_progress(state: StudyState) -> None:
    """How far the queue is, with buttons; refreshed every second, and gone once it has ended."""
    if not state.is_working:
        st.rerun()
    is_paused = bool(state.runner and state.runner.is_paused)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(*_describe_queue(state.clips, is_paused=is_paused))
        if state.runner and is_paused:
            st.button("Go on", on_click=state.runner.resume, icon=":material/play_arrow:")
        elif state.runner:
            st.button("Pause", on_click=state.runner.pause, icon=":material/pause:")


def show_queue(state: StudyState) -> None:
    """The table of videos, of which some are selected to be cancelled, retried or removed."""
    table = queue_table(state)
    _tell_failed(state)
    st.caption("Select rows to cancel, retry or remove videos.")
    event = st.dataframe(
        table,
        column_config=_QUEUE,
        hide_index=True,
        height=table_height(table, _MAX_ROWS),
        on_select="rerun",
        selection_mode="multi-row",
        key=f"study queue {state.uploads}",
        placeholder="",
        alt="For each video its status, progress, participant, stimulus, condition and people",
    )
    rows = [row for row in event["selection"]["rows"] if row < len(state.clips)]
    chosen = [state.clips[row] for row in rows]
    failed = [c for c in state.clips if c.state in (JobState.FAILED, JobState.CANCELLED) and c.file]
    with st.container(horizontal=True):
        st.button(
            "Cancel",
            on_click=state.cancel,
            args=(chosen,),
            disabled=not any(c.state in (JobState.WAITING, JobState.RUNNING) for c in chosen),
            icon=":material/stop:",
        )
        st.button(
            "Retry",
            on_click=state.retry,
            args=(chosen,),
            disabled=not any(clip in failed for clip in chosen),
            icon=":material/refresh:",
        )
        if st.button("Remove", disabled=not chosen, icon=":material/delete:"):
            state.remove(chosen)
            state.uploads += 1  # nothing is selected then
            st.rerun()
        if failed and not chosen:
            st.button(
                f"Retry failed or cancelled ({len(failed)})",
                on_click=state.retry,
                args=(failed,),
                icon=":material/refresh:",
            )


def _tell_failed(state: StudyState) -> None:
    """Says what failed, which may be far down in the table."""
    failed = [clip for clip in state.clips if clip.state is JobState.FAILED]
    if not failed:
        return
    words = "  \n".join(
        f"{as_code(shorten(clip.name))} {escape(clip.error)}" for clip in failed[:_MAX_TOLD]
    )
    more = len(failed) - _MAX_TOLD
    words += f"  \n{more} more below." if more > 0 else ""
    st.error(words, icon=":material/broken_image:")


def queue_table(state: StudyState) -> pd.DataFrame:
    """One row per video: file, status, progress, left, its names, people and a note."""
    rows = [
        {
            "file": clip.name,
            "status": _WORDS[clip.state],
            "progress": _share(clip),
            "left": _left(clip),
            **dict(zip(KEYS, state.names.of(clip.name), strict=True)),
            "people": clip.n_people if clip.state is JobState.DONE else None,
            "note": clip.error or ("" if state.names.is_known(clip.name) else _NAMELESS),
        }
        for clip in state.clips
    ]
    return pd.DataFrame(rows).astype({"people": "Int64"})


def show_names(state: StudyState) -> None:
    """Who is in which video: from file names, from a table, or typed."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        pattern = st.text_input(
            "Pattern of file names",
            state.names.pattern,
            key=f"study pattern {state.uploads}",
            help="{participant} and {stimulus}, optionally {condition}, and * for anything. With a "
            "slash it is compared with the folders, too. An ending such as .mp4 may be left out.",
        )
        if pattern != state.names.pattern:
            try:
                state.names.read([clip.name for clip in state.clips], pattern)
            except EmotionError as error:
                st.error(escape(str(error)))
            else:
                st.rerun()  # what stands above has other names now
    with right:
        words = "Columns file, participant, stimulus and, optionally, condition."
        table = choose_table("Or a table (CSV)", "study names", words)
    if table:
        try:
            absent = state.names.read_table([clip.name for clip in state.clips], *table)
        except EmotionError as error:
            st.error(escape(str(error)))
        else:
            words = f"{table[0]} names videos that are not here: {', '.join(absent)}."
            state.remarks = [words] if absent else []
            st.rerun()
    _edit_names(state)


def _edit_names(state: StudyState) -> None:
    columns = ["file", *KEYS]
    rows = [(clip.name, *state.names.of(clip.name)) for clip in state.clips]
    before = pd.DataFrame(rows, columns=columns)
    labels = {name: st.column_config.TextColumn(name.capitalize()) for name in columns}
    after = st.data_editor(
        before,
        column_config=labels,
        hide_index=True,
        disabled=["file"],
        height=table_height(before, _MAX_ROWS),
        key=f"study names {hash(tuple(rows))}",
        alt="Participant, stimulus and condition of each video, to be edited",
    )
    changed = after.fillna("").astype(str)
    if not changed.equals(before):
        for file, *names in changed.itertuples(index=False):
            participant, stimulus, condition = (name.strip() for name in names)
            state.names.known[file] = (participant, stimulus, condition)
        st.rerun()


def nameless(state: StudyState) -> str:
    """Says how many videos are in no table, since it is not known who is in them."""
    n = sum(not state.names.is_known(clip.name) for clip in state.clips)
    if not n:
        return ""
    return (
        f"{plural(n, 'video').capitalize()} without participant or stimulus: in no table until "
        "both are known (Videos, Who is in which)."
    )


def _share(clip: StudyClip) -> float | None:
    if clip.state is JobState.DONE:
        return 1.0
    progress = clip.progress
    if progress is None or not progress.n_frames:
        return 0.0
    return round(min(1.0, progress.frames / progress.n_frames), 2)


def _left(clip: StudyClip) -> str:
    if clip.progress is None or clip.progress.left_s is None:
        return ""
    return format_duration(clip.progress.left_s, decimals=0)


def _describe_queue(clips: list[StudyClip], *, is_paused: bool) -> tuple[float, str]:
    """How much is done, 0-1, and in words, with the time that is left by what it took so far."""
    waiting = (JobState.WAITING, JobState.RUNNING)
    over = [clip for clip in clips if clip.state not in waiting]
    words = f"{len(over)} of {plural(len(clips), 'video')}"
    n_failed = sum(clip.state is JobState.FAILED for clip in over)
    words += f", {n_failed} failed" if n_failed else ""
    timed = [clip for clip in over if clip.elapsed_s and clip.file]
    sizes = {id(clip): clip.file.size if clip.file else 0 for clip in clips}
    done_bytes = sum(sizes[id(clip)] for clip in timed)
    todo = (clip for clip in clips if clip.state in waiting)
    parts = [(sizes[id(clip)], 1 - (_share(clip) or 0.0)) for clip in todo]
    total = sum(sizes.values()) or 1
    left_bytes = sum(size * part for size, part in parts)
    if is_paused:
        words = f"Paused: {words}"
    elif done_bytes:
        left_s = left_bytes * sum(clip.elapsed_s for clip in timed) / done_bytes
        words += f", about {format_duration(left_s, decimals=0)} left"
    return max(0.0, min(1.0, 1 - left_bytes / total)), words
