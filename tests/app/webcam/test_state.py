"""A visitor's webcam session."""

import pytest

from emotion_core.live.concurrency_limit import StreamLimiter
from emotion_core.live.types import LiveSettings
from streamlit_app.webcam.state import WebcamSession
from tests.factories import make_fake_analyzer


@pytest.mark.parametrize(("again_s", "wanted"), [(5.3, [5.0]), (6.5, [5.0, 6.5])])
def test_one_click_sets_one_mark_even_if_it_is_called_back_twice(monkeypatch, again_s, wanted):
    session = WebcamSession(make_fake_analyzer(), StreamLimiter(1), LiveSettings())
    for time_s in (5.0, again_s):
        monkeypatch.setattr(WebcamSession, "time_s", time_s)
        session.mark()
    assert session.marks_s == wanted
