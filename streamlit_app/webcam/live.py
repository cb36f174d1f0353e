"""What is read while a stream runs: numbers and charts that renew themselves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.reporting.live_chart_data import MOST_PEOPLE, people_now
from emotion_core.reporting.live_charts import bars_spec, minute_spec, plane_spec
from streamlit_app.widgets import chart_config, plain

if TYPE_CHECKING:
    from emotion_core.live.types import LiveStatus
    from streamlit_app.webcam.state import WebcamSession

_EVERY_S = 0.5


@st.fragment(run_every=_EVERY_S)
def show_readings(session: WebcamSession) -> None:
    """The probabilities of now, and the valence-arousal plane."""
    history = session.stream.record.history()
    # Both are made before anything is shown: what a page waits for, it shows pale.
    now, way = bars_spec(history, session.stream.info.emotion.labels), plane_spec(history)
    words = chart_config()
    st.caption(_people_words(len(people_now(history))))
    st.vega_lite_chart(
        spec={**now, "config": words},
        key="live bars",
        width="stretch",
        alt="The probability of each emotion now, for each person",  # another would be a new chart
    )
    st.vega_lite_chart(
        spec={**way, "config": words},
        key="live plane",
        width="stretch",
        alt="The people of now in the valence-arousal plane, with the way of the last seconds",
    )


@st.fragment(run_every=_EVERY_S)
def show_course_now(session: WebcamSession) -> None:
    """How the stream is doing, what stands in its way, and the last minute."""
    status, course = session.stream.status(), minute_spec(session.stream.record.history())
    _show_numbers(status, session.track.behind_s)
    st.vega_lite_chart(
        spec={**course, "config": chart_config()},
        key="live minute",
        width="stretch",
        alt="Valence and arousal over the last minute",
    )
    _show_troubles(session.processor.error, status)


def _show_numbers(status: LiveStatus, behind_s: float) -> None:
    with st.grid(min_column_width=130):
        st.metric("Pictures", f"{status.frames_per_s:.0f} /s")
        st.metric(
            "Analyses",
            f"{status.analyses_per_s:.0f} /s",
            help="Only the newest picture is analysed; what is drawn moves on with the rest.",
        )
        st.metric(
            "Analysis",
            _milliseconds(status.analysis_ms),
            help="Time for one, with waiting for other visitors.",
        )
        st.metric(
            "Delay",
            _milliseconds(status.delay_ms + behind_s * 1000),
            help="From the picture's arrival to its reading, with what waits to be decoded.",
        )


def _show_troubles(error: str, status: LiveStatus) -> None:
    if error:
        st.warning(plain(error), icon=":material/error:")
    elif status.is_dark:
        st.info(
            "The camera sends black pictures: it is switched off or covered.",
            icon=":material/videocam_off:",
        )
    elif status.error:
        st.warning(
            f"{plain(status.error)} The picture goes on without what is read from it.",
            title="The analysis fails",
            icon=":material/error:",
        )
    if status.is_log_full:
        st.info("The session is too long for its table; from here on it is only shown.")


def _milliseconds(value: float) -> str:
    """Rounded to tens, so that the last digit does not flicker; nothing where nothing is known."""
    return f"{10 * math.ceil(value / 10):.0f} ms" if value else "\u2013"


def _people_words(n: int) -> str:
    if not n:
        return "Nobody is in the picture."
    people = "One person" if n == 1 else f"{n} people"
    shown = f"; the first {MOST_PEOPLE} are charted" if n > MOST_PEOPLE else ""
    return f"{people} in the picture{shown}."
