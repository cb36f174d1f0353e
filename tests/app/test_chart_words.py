"""Words in charts can be read in both themes."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import altair as alt
import pytest

from emotion_core.palette import luminance
from streamlit_app import widgets
from streamlit_app.widgets import chart_config, readable

CONFIG = Path(__file__).parents[2] / ".streamlit" / "config.toml"


def use_theme(monkeypatch, theme):
    context = SimpleNamespace(theme=SimpleNamespace(type=theme))
    monkeypatch.setattr(widgets.st, "context", context)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_have_the_contrast_that_text_needs(monkeypatch, theme):
    """WCAG 2.2, 1.4.3: text has a contrast of at least 4.5 to 1."""
    use_theme(monkeypatch, theme)
    paper = luminance(tomllib.loads(CONFIG.read_text())["theme"][theme]["backgroundColor"])
    for part in ("axis", "legend", "header"):
        for key in ("labelColor", "titleColor"):
            low, high = sorted((paper, luminance(chart_config()[part][key])))
            assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_chart_keeps_all_else(monkeypatch):
    use_theme(monkeypatch, "dark")
    chart = alt.layer(alt.Chart(alt.InlineData(values=[{"a": 1}])).mark_bar().encode(x="a:Q"))
    shown = readable(chart).to_dict()
    assert shown["config"]["axis"]["labelColor"] == chart_config()["axis"]["labelColor"]
    assert shown["layer"] == chart.to_dict()["layer"]


def test_an_unknown_theme_is_left_to_streamlit(monkeypatch):
    use_theme(monkeypatch, None)
    assert chart_config() == {"aria": False}
