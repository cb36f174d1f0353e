"""Wrong? The part of a video's result in which faces at moments get the right word."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from emotion_core.clock import format_duration
from emotion_core.errors import EmotionError
from emotion_core.face import format_confidence
from emotion_core.photos.cropped import blur_crop
from emotion_core.reporting.timeline import person_name
from emotion_core.video.highlights import cut_face
from emotion_core.video.io.reader import frame_at
from streamlit_app.label_words import (
    ask_rater,
    current_rater,
    show_label_files,
    show_skip_and_undo,
    show_words,
    tell_progress,
)
from streamlit_app.shared_file import SharedTempFile
from streamlit_app.video.moment_labels import moments_at, suggest_moments
from streamlit_app.widgets import escape, media_url, plural

if TYPE_CHECKING:
    from emotion_core.labels import Emotion
    from emotion_core.types import Image
    from emotion_core.video.types import VideoResult
    from streamlit_app.video.moment_labels import Moment, MomentLabels
    from streamlit_app.video.selection import TimelineSelection

_PART, _MODE = "moment labels", "moments asked for"
_SUGGESTED, _AT_CURSOR = "Suggested moments", "At the cursor"


@dataclass(frozen=True, slots=True)
class LabelledVideo:
    """A video whose faces can be labelled.

    Attributes:
        labels: The visitor's.
        name: Of the video.
        clip: The video without drawings.
        blur: Whether faces are hidden.
    """

    labels: MomentLabels
    name: str
    clip: SharedTempFile
    blur: bool

    def read_face(self, moment: Moment) -> bytes:
        """A JPEG of a face.

        Raises:
            EmotionError: The video is gone, or cannot be decoded there.
        """
        image = self._read_frame(moment.time_s)
        jpeg = cut_face(image, np.array([moment.box], np.float32))
        return blur_crop(jpeg) if self.blur else jpeg

    def _read_frame(self, time_s: float) -> Image:
        with self.clip.in_use() as path:
            return frame_at(path, time_s).image


def find_moments(
    video: LabelledVideo, result: VideoResult, tracks: list[int], selection: TimelineSelection
) -> list[Moment]:
    """The faces to label, the first of them now, to whose time the cursor goes.

    Args:
        video: The video.
        result: Its result.
        tracks: The people to ask about.
        selection: Has the cursor; told whether the viewer must say where it is.
    """
    is_open = bool(st.session_state.get(_PART))
    selection.is_followed = is_open and _is_at_cursor()
    if not is_open:
        return []
    rater = current_rater()
    if selection.is_followed:
        found = moments_at(result.frames, selection.cursor_s, tracks)
    else:
        found = suggest_moments(result.frames, result.highlights, tracks)
    waiting = [one for one in found if video.labels.is_waiting(one.face(video.name), rater)]
    if selection.is_followed:
        return waiting or found[:1]  # a second word takes the place of the first
    if waiting and selection.sought_s != waiting[0].time_s:
        selection.go_to(waiting[0].time_s)
    return waiting


def show_moment_labels(video: LabelledVideo, result: VideoResult, waiting: list[Moment]) -> None:
    """The part of the page; its keys work while it is open.

    Args:
        video: The video.
        result: Its result.
        waiting: What ``find_moments`` gave.
    """
    part = st.expander(
        "Wrong? Choose the right word", icon=":material/rule:", key=_PART, on_change="rerun"
    )
    if not part.open:  # keys must not label faces that nobody sees
        return
    labels, moment = video.labels, next(iter(waiting), None)
    with part:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            st.segmented_control(
                "Which faces",
                [_SUGGESTED, _AT_CURSOR],
                default=_SUGGESTED,
                required=True,
                key=_MODE,
                help="Suggested are the people's strongest moments, then those where the model is "
                "least sure, at most one a second. Or go anywhere with the cursor and pause.",
            )
            ask_rater()
        left, right = st.columns([1, 5], vertical_alignment="center")
        with left:
            _show_face(video, moment)
        with right:
            if moment:
                face = moment.face(video.name)
                before = labels.given.get((face, current_rater()))
                show_words(face, before, partial(_give, video, moment))
            can_skip = not _is_at_cursor()
            skip = partial(_skip, video, moment) if moment and can_skip else None
            show_skip_and_undo(skip, labels.undo if labels.passed else None)
            if moment:
                _describe(video, moment)
        to_go = "" if _is_at_cursor() else plural(len(waiting), "suggested moment")
        tell_progress(len(labels.given), to_go)
        take = partial(labels.take, video=video.name, frames=result.frames)
        show_label_files(labels, take, "in this video")


def _show_face(video: LabelledVideo, moment: Moment | None) -> None:
    if moment is None:
        none = "No face is shown here." if _is_at_cursor() else "Every suggested face is done."
        st.caption(none)
        return
    try:
        face = video.read_face(moment)
    except EmotionError as error:
        st.caption(escape(str(error)))
        return
    src = media_url(face, "image/jpeg", "moment to label")
    alt = f"{person_name(moment.track)} at {format_duration(moment.time_s)}, the face to label"
    st.html(f'<img src="{src}" alt="{alt}" width="128" height="128">')


def _describe(video: LabelledVideo, moment: Moment) -> None:
    """Who and when, what was said before; why it is asked and what is read only on request."""
    at = f"{person_name(moment.track)} at {format_duration(moment.time_s)}"
    said = video.labels.given.get((moment.face(video.name), current_rater()))
    words = [at, f"you said {said.emotion}" if said and said.emotion else ""]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(escape(", ".join(filter(None, words))), width="content")
        if st.toggle("Show the reading", key="show reading", help="It may sway what you see."):
            read = f"read as {moment.emotion}, {format_confidence(moment.confidence)}"
            told = "; ".join(filter(None, (moment.kind, read)))
            st.caption(escape(f"{told[0].upper()}{told[1:]}."), width="content")


def _give(video: LabelledVideo, moment: Moment, emotion: Emotion, va: tuple[float, float]) -> None:
    video.labels.give(video.name, moment, emotion, current_rater(), va)


def _skip(video: LabelledVideo, moment: Moment) -> None:
    video.labels.skip(moment.face(video.name), current_rater())


def _is_at_cursor() -> bool:
    return bool(st.session_state.get(_MODE) == _AT_CURSOR)
