"""Numbers and charts of a running stream, which refresh themselves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.reporting.live_chart_data import MAX_CHARTED_PEOPLE, people_now
from emotion_core.reporting.live_charts import bars_spec, minute_spec, plane_spec
from streamlit_app.widgets import chart_config, escape

if TYPE_CHECKING:
    from emotion_core.live.types import LiveStatus
    from streamlit_app.webcam.state import WebcamSession

_EVERY_S = 0.5


@st.fragment(run_every=_EVERY_S)
def show_now(session: WebcamSession) -> None:
    """The current probabilities, and the valence-arousal plane."""
    history = session.stream.log.history()
    # Both are made before anything is shown, since a page fades elements while it waits.
    now, plane = bars_spec(history, session.stream.info.emotion.labels), plane_spec(history)
    config = chart_config()
    n = len(people_now(history))
    people = {0: "Nobody", 1: "One person"}.get(n, f"{n} people")
    shown = f"; the first {MAX_CHARTED_PEOPLE} are charted" if n > MAX_CHARTED_PEOPLE else ""
    st.caption(f"{people} visible{shown}.")
    st.vega_lite_chart(
        spec={**now, "config": config},
        key="live bars",
        width="stretch",
        alt="The probability of each emotion now, for each person",  # constant, or it is redrawn
    )
    st.vega_lite_chart(
        spec={**plane, "config": config},
        key="live plane",
        width="stretch",
        alt="The people visible now in the valence-arousal plane, with their last seconds",
    )


@st.fragment(run_every=_EVERY_S)
def show_last_minute(session: WebcamSession) -> None:
    """Rates and problems of the stream, and the last minute."""
    status, timeline = session.stream.status(), minute_spec(session.stream.log.history())
    with st.grid(min_column_width=130):
        st.metric("Frames", f"{status.frames_per_s:.0f} fps")
        st.metric(
            "Analyses",
            f"{status.analyses_per_s:.0f} fps",
            help="Only the newest frame is analysed; annotations follow the faces in the others.",
        )
        st.metric(
            "Analysis",
            _milliseconds(status.analysis_ms),
            help="Time per analysis, including waiting for other visitors.",
        )
        st.metric(
            "Delay",
            _milliseconds(status.delay_ms + session.track.lag_s * 1000),
            help="Time from the arrival of a frame to its analysis, including decoding.",
        )
    st.vega_lite_chart(
        spec={**timeline, "config": chart_config()},
        key="live minute",
        width="stretch",
        alt="Valence and arousal over the last minute",
    )
    _show_problems(session.processor.error, status)


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


def _milliseconds(value: float) -> str:
    """Milliseconds, rounded to tens so that the last digit does not flicker, or a dash for 0."""
    return f"{10 * math.ceil(value / 10):.0f} ms" if value else "\u2013"
