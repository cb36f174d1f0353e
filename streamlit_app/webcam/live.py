"""Words and charts of a running stream, which refresh themselves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.face import format_confidence, format_va
from emotion_core.reporting.live_chart_data import MAX_CHARTED_PEOPLE, people_now
from emotion_core.reporting.live_charts import bars_spec, minute_spec, plane_spec
from streamlit_app.widgets import chart_config, escape

if TYPE_CHECKING:
    import pandas as pd

    from emotion_core.live.types import LiveStatus
    from streamlit_app.webcam.state import WebcamSession

_EVERY_S = 0.5
_PLANE_PX = 250
_NUMBERS = ("valence", "arousal", "confidence")


@st.fragment(run_every=_EVERY_S)
def show_now(session: WebcamSession) -> None:
    """The current emotions in words, their probabilities, and the valence-arousal plane."""
    history = session.stream.log.history()
    # Both are made before anything is shown, since a page fades elements while it waits.
    now, plane = bars_spec(history, session.stream.info.emotion.labels), plane_spec(history)
    config = chart_config()
    st.markdown(_headline(session, history))
    st.vega_lite_chart(
        spec={**now, "config": config},
        key="live bars",
        width="stretch",
        alt="The probability of each emotion now, for each person",  # constant, or it is redrawn
    )
    st.vega_lite_chart(
        spec={**plane, "config": config},
        key="live plane",
        width=_PLANE_PX,
        alt="The people visible now in the valence-arousal plane, with their last seconds",
    )


@st.fragment(run_every=_EVERY_S)
def show_last_minute(session: WebcamSession) -> None:
    """The last minute with its marks, and problems of the stream."""
    timeline = minute_spec(session.stream.log.history(), session.marks_s)
    st.vega_lite_chart(
        spec={**timeline, "config": chart_config()},
        key="live minute",
        width="stretch",
        alt="Valence and arousal over the last minute",
    )
    _show_problems(session.processor.error, session.stream.status())


def _headline(session: WebcamSession, history: pd.DataFrame) -> str:
    """The emotion of each person in large letters, with a line on valence and arousal."""
    tracks = people_now(history)
    newest = history[~history["track"].duplicated(keep="last")].set_index("track")
    shown = newest.loc[tracks[:MAX_CHARTED_PEOPLE]].to_dict("records")
    words = ", ".join(str(row["emotion"]).capitalize() for row in shown) or "Nobody"
    if len(shown) != 1:
        line = f"{len(tracks)} people" if shown else "No face is visible."
        line += f"; the first {len(shown)} are charted" if len(tracks) > len(shown) else ""
        return f"## {words}\n:gray[{line}]"
    valence, arousal, confidence = (float(shown[0][name]) for name in _NUMBERS)
    line = format_va(valence, arousal)
    if (left_s := session.neutral_left_s) > 0:
        line = f"**Keep a neutral face: {math.ceil(left_s)} s**"
    elif neutral := session.neutral().get(tracks[0]):
        line += f"; {format_va(valence - neutral[0], arousal - neutral[1])} from neutral"
    return f"## {words} {format_confidence(confidence)}\n:gray[{line}]"


def _show_problems(error: str, status: LiveStatus) -> None:
    if error:
        st.warning(escape(error), icon=":material/error:")
    elif status.is_dark:
        st.info(
            "The camera sends black frames: it is switched off or covered.",
            icon=":material/videocam_off:",
        )
    elif status.error:
        st.warning(
            f"{escape(status.error)} The video continues without analysis.",
            title="The analysis fails",
            icon=":material/error:",
        )
    if status.is_log_full:
        st.info("The session is too long for its table; the rest is only shown.")
