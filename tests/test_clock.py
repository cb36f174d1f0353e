"""Times as people write them."""

import pytest

from emotion_core.clock import format_duration, parse_time
from emotion_core.errors import EmotionError


@pytest.mark.parametrize(
    ("time_s", "words"),
    [
        (0, "0:00.0"),
        (9.96, "0:10.0"),
        (59.99, "1:00.0"),
        (62.44, "1:02.4"),
        (3599.96, "1:00:00.0"),
        (36061.5, "10:01:01.5"),
    ],
)
def test_times_are_clocks(time_s, words):
    assert format_duration(time_s) == words


@pytest.mark.parametrize(
    ("text", "time_s"),
    [("90", 90), ("1:30", 90), (" 0:01:30.5 ", 90.5), ("0:09,4", 9.4), ("1:00:02.4", 3602.4)],
)
def test_times_are_read(text, time_s):
    assert parse_time(text) == pytest.approx(time_s)


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "-3", "1:", "nan"])
def test_what_is_no_time_is_told(text):
    with pytest.raises(EmotionError, match="is no time, such as"):
        parse_time(text)
