"""Words in charts can be read in both themes."""

import itertools
import tomllib
from types import SimpleNamespace

import altair as alt
import pytest

from emotion_core.imaging.palette import luminance
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.live.session_log import SessionLog
from emotion_core.reporting.chart_base import plane_layers
from emotion_core.reporting.live_charts import bars_spec, minute_spec, plane_spec
from emotion_core.reporting.photo_charts import standalone_spec
from streamlit_app import widgets
from streamlit_app.widgets import chart_config, readable
from tests.paths import ROOT

CONFIG = ROOT / ".streamlit" / "config.toml"


def use_theme(monkeypatch, theme):
    context = SimpleNamespace(theme=SimpleNamespace(type=theme))
    monkeypatch.setattr(widgets.st, "context", context)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_have_the_contrast_that_text_needs(monkeypatch, theme):
    """WCAG 2.2, 1.4.3: text has a contrast of at least 4.5 to 1."""
    use_theme(monkeypatch, theme)
    paper = luminance(tomllib.loads(CONFIG.read_text())["theme"][theme]["backgroundColor"])
    parts = [("axis", "legend", "header"), ("labelColor", "titleColor")]
    for part, key in [*itertools.product(*parts), ("text", "color")]:
        low, high = sorted((paper, luminance(chart_config()[part][key])))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def words_of(spec):
    """Every layer that draws words, however deep."""
    if isinstance(spec, dict):
        is_words = isinstance(spec.get("mark"), dict) and spec["mark"]["type"] == "text"
        return [spec] * is_words + [found for value in spec.values() for found in words_of(value)]
    return [found for one in spec for found in words_of(one)] if isinstance(spec, list) else []


@pytest.mark.parametrize(
    "spec",
    [
        alt.layer(*plane_layers()).to_dict(),
        bars_spec(SessionLog().history(), ALL_EMOTIONS),
        plane_spec(SessionLog().history()),
        minute_spec(SessionLog().history()),
    ],
    ids=["plane", "live bars", "live plane", "live minute"],
)
def test_words_have_no_colour_of_their_own(spec):
    """It would be right in one theme only; the page's is ``chart_config``'s."""
    words = words_of(spec)
    assert words
    for layer in words:
        assert not {"color", "fill", "stroke"} & {*layer["mark"], *layer.get("encoding", {})}


def test_words_on_white_paper_can_be_read():
    colour = standalone_spec(alt.layer(*plane_layers()))["config"]["text"]["color"]
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def test_a_chart_keeps_all_else(monkeypatch):
    use_theme(monkeypatch, "dark")
    chart = alt.layer(alt.Chart(alt.InlineData(values=[{"a": 1}])).mark_bar().encode(x="a:Q"))
    shown = readable(chart).to_dict()
    assert shown["config"]["axis"]["labelColor"] == chart_config()["axis"]["labelColor"]
    assert shown["layer"] == chart.to_dict()["layer"]


def test_an_unknown_theme_is_left_to_streamlit(monkeypatch):
    use_theme(monkeypatch, None)
    assert chart_config() == {"aria": False, "mark": {"aria": False}}
