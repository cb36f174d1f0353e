"""Who is who in each video: merged, named and left-out people, the participant, and undo."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.clock import format_duration
from emotion_core.errors import EmotionError
from emotion_core.reporting.timeline import person_name
from emotion_core.study.edited_frames import edit_frames, people_rows
from emotion_core.study.edits import (
    ChooseParticipant,
    ExcludePerson,
    ExcludeVideo,
    MergePeople,
    NeutralSpan,
    RenamePerson,
    TrimVideo,
)
from emotion_core.video.portraits import cut_portraits
from emotion_core.video.tables import describe_mostly, people_table
from streamlit_app.study.drawing import offer_annotated
from streamlit_app.video.job_queue import JobState
from streamlit_app.widgets import TIME_HELP, escape, plural, typed_time

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from emotion_core.study.edits import Edit
    from streamlit_app.study.clips import StudyClip
    from streamlit_app.study.state import StudyState
    from streamlit_app.video.job_queue import JobQueue

_PORTRAITS, _NEUTRAL_TO_S = 8, 3.0
_COLUMNS = {
    "name": st.column_config.TextColumn("Person"),
    "role": st.column_config.TextColumn("Role"),
    "seen_s": st.column_config.NumberColumn("Visible", format="%.1f s"),
    "first": st.column_config.TextColumn("From"),
    "last": st.column_config.TextColumn("To"),
    "mostly": st.column_config.TextColumn("Dominant emotion"),
    "mean_valence": st.column_config.NumberColumn("Valence", format="%+.2f"),
}


def show_people_of_videos(state: StudyState, queue: JobQueue, *, blur: bool) -> None:
    """The people of one video at a time, and what is decided about them.

    Args:
        state: The study.
        queue: For the annotated video.
        blur: Whether faces are hidden.
    """
    done = [clip for clip in state.clips if clip.state is JobState.DONE]
    if not done:
        st.caption("People are shown once a video is analysed.")
        return
    by_name = {clip.name: clip for clip in done}
    several = sum(clip.n_people > 1 for clip in done)
    words = f"In {several} of {plural(len(done), 'video')} more than one person is seen. "
    st.caption(f"{words}The participant is the person seen longest, unless you choose.")
    ordered = sorted(by_name, key=lambda name: by_name[name].n_people < 2)
    name = st.selectbox(
        "Video",
        ordered,
        format_func=lambda name: f"{name} ({_count(by_name[name])})",
        key="study people video",
    )
    _show_video(state, by_name[name], queue, blur=blur)
    _show_edits(state)


def _count(clip: StudyClip) -> str:
    return {0: "nobody", 1: "1 person"}.get(clip.n_people, f"{clip.n_people} people")


def _show_video(state: StudyState, clip: StudyClip, queue: JobQueue, *, blur: bool) -> None:
    frames = clip.frames()
    try:
        edited = edit_frames(frames, state.edits.of(clip.name))
    except EmotionError as error:
        st.error(escape(str(error)))
        return
    people = _table(edited)
    if people.empty:
        st.info("Nobody is seen for long enough.", icon=":material/face_retouching_off:")
    else:
        st.dataframe(
            people,
            column_order=list(_COLUMNS),
            column_config=_COLUMNS,
            hide_index=True,
            alt="People of the video: role, time visible, dominant emotion, mean valence",
        )
        _decide_on_people(state, clip, people, {} if blur else _portraits(state, clip, frames))
    _decide_on_video(state, clip)
    if clip.file is not None and not blur:
        offer_annotated(state, clip, queue)


def _table(edited: pd.DataFrame) -> pd.DataFrame:
    """One row per person after edits, those who were left out, too."""
    rows = people_rows(edited.assign(is_excluded=False))
    people = people_table(rows)
    firsts = edited[edited["person"].notna()].drop_duplicates("person").set_index("person")
    found = firsts.loc[people["track"]]
    roles = [
        "left out" if out else "participant" if is_one else ""
        for out, is_one in zip(found["is_excluded"], found["is_participant"], strict=True)
    ]
    mostly = [describe_mostly(row).removeprefix("mostly ") for row in people.to_dict("records")]
    times = {name: people[f"{name}_s"].map(format_duration) for name in ("first", "last")}
    return people.assign(name=found["name"].to_numpy(object), role=roles, mostly=mostly, **times)


def _portraits(state: StudyState, clip: StudyClip, frames: pd.DataFrame) -> dict[int, bytes]:
    """Faces of people of a video that is still here, by track; kept for the video shown."""
    if clip.file is None or clip.n_people < 2:
        return {}
    if state.portraits is None or state.portraits[0] is not clip:
        tracks = frames.loc[~frames["is_brief"], "track"].dropna().astype(int)
        often = tracks.value_counts().head(_PORTRAITS).index.tolist()
        try:
            with clip.file.in_use() as path, st.spinner("Looking for faces…"):
                state.portraits = clip, cut_portraits(path, frames, often)
        except EmotionError:  # it was freed in this moment
            return {}
    return state.portraits[1]


def _decide_on_people(
    state: StudyState, clip: StudyClip, people: pd.DataFrame, faces: dict[int, bytes]
) -> None:
    names = dict(zip(people["track"].tolist(), people["name"], strict=True))
    with st.container(key="people-strip"):
        chosen = st.pills(
            "Choose people",
            list(names),
            selection_mode="multi",
            format_func=lambda track: _with_portrait(faces.get(track), names[track]),
            key=f"study people {clip.name} {len(state.edits.items)}",
        )
    one = len(chosen) == 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button("Is the participant", disabled=not one, icon=":material/person_check:"):
            _edit(state, ChooseParticipant(clip.name, chosen[0]))
        if st.button("Merge", disabled=len(chosen) < 2, icon=":material/merge:"):
            _edit(state, MergePeople(clip.name, tuple(chosen)))
        with st.popover("Rename", disabled=not one, icon=":material/edit:"):
            name = st.text_input("Name", key="study person name", max_chars=60)
            if st.button("Rename person", disabled=not name.strip()):
                _edit(state, RenamePerson(clip.name, chosen[0], name.strip()))
        with st.popover("Leave out", disabled=not chosen, icon=":material/person_off:"):
            reason = st.text_input("Reason", key="study person reason", max_chars=120)
            if st.button("Leave people out"):
                _edit(state, *(ExcludePerson(clip.name, track, reason.strip()) for track in chosen))


def _decide_on_video(state: StudyState, clip: StudyClip) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.popover("Exclude this video", icon=":material/videocam_off:"):
            reason = st.text_input("Reason", key="study video reason", max_chars=120)
            if st.button("Exclude video"):
                _edit(state, ExcludeVideo(clip.name, reason.strip()))
        with st.popover("Use a part", icon=":material/content_cut:"):
            part = _choose_span("trim", "0:00", "end")
            is_all = st.checkbox("In all videos without a part of their own", key="study trim all")
            if st.button("Use this part"):
                _try(state, lambda: TrimVideo("" if is_all else clip.name, *_typed_span(part)))
        with st.popover("Neutral span", icon=":material/horizontal_rule:"):
            st.caption("From which changes are counted in this video.")
            neutral = _choose_span("neutral", "0:00", "0:03")
            if st.button("Use as neutral"):
                _try(state, lambda: _to_neutral(clip.name, neutral))


def _choose_span(name: str, start: str, end: str) -> tuple[str, str]:
    """Fields for two times in a video, as they were typed; what stands in them if nothing was."""
    return (
        st.text_input("From", key=f"study {name} from", placeholder=start, help=TIME_HELP),
        st.text_input("To", key=f"study {name} to", placeholder=end),
    )


def _typed_span(words: tuple[str, str]) -> tuple[float, float | None]:
    return typed_time(words[0]) or 0.0, typed_time(words[1])


def _to_neutral(video: str, words: tuple[str, str]) -> NeutralSpan:
    from_s, to_s = _typed_span(words)
    return NeutralSpan(video, from_s, _NEUTRAL_TO_S if to_s is None else to_s)


def _show_edits(state: StudyState) -> None:
    """All edits in words, each to be taken back."""
    st.header("Edits", anchor=False)
    st.button(
        "Undo",
        on_click=state.undo,
        args=(state.n_changes,),
        disabled=not state.n_changes,
        icon=":material/undo:",
    )
    if not state.edits.items:
        st.caption("None so far. Edits change tables and charts, never the readings.")
    for index, edit in enumerate(state.edits.items):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "",
                on_click=state.take_back,
                args=(index, edit),
                icon=":material/close:",
                key=f"take back {index}",
                help=f"Take edit {index + 1} back",
            )
            st.markdown(escape(describe_edit(edit)))
            if edit in state.idle_edits:
                st.caption("No effect: this video or person is not in the study.")


def describe_edit(edit: Edit) -> str:
    """An edit in words."""
    video = edit.video or "all other videos"
    reason = getattr(edit, "reason", "")
    why = f" ({reason})" if reason else ""
    if isinstance(edit, MergePeople):
        people = " and ".join(map(person_name, edit.tracks))
        return f"{video}: {people} are one"
    if isinstance(edit, RenamePerson):
        return f"{video}: {person_name(edit.track)} is {edit.name}"
    if isinstance(edit, ExcludePerson):
        return f"{video}: {person_name(edit.track)} is left out{why}"
    if isinstance(edit, ChooseParticipant):
        return f"{video}: {person_name(edit.track)} is the participant"
    if isinstance(edit, ExcludeVideo):
        return f"{video} is excluded{why}"
    end = "the end" if edit.to_s is None else format_duration(edit.to_s)
    what = "neutral" if isinstance(edit, NeutralSpan) else "only"
    return f"{video}: {what} from {format_duration(edit.from_s)} to {end}"


def _edit(state: StudyState, *edits: Edit) -> None:
    state.edit(*edits)
    st.rerun()


def _try(state: StudyState, make: Callable[[], Edit]) -> None:
    try:
        edit = make()
    except EmotionError as error:
        st.error(escape(str(error)))
        return
    _edit(state, edit)


def _with_portrait(face: bytes | None, name: str) -> str:
    """A person's face as a Markdown image, and the name."""
    if face is None:
        return escape(name)
    return f"![](data:image/jpeg;base64,{base64.b64encode(face).decode()}) {escape(name)}"
