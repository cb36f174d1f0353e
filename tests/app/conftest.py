"""Pages run by ``AppTest``, with a core that needs no networks."""

from __future__ import annotations

import functools
import os

import altair as alt
import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest, app_test, local_script_runner

from emotion_core.reporting.cursor_charts import CursorCharts
from emotion_core.reporting.photo_charts import BRUSH
from tests.factories import make_fake_analyzer

CHARTS = {
    "streamlit_app.video.people": ["shares_chart", "trajectory_chart"],
}
"""Where pages get their charts."""


@pytest.fixture(scope="session", autouse=True)
def _once_for_all_runs():
    """Packages are searched for components, and pages compiled, once and not in every run."""
    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        scripts = functools.cache(app_test.ScriptCache)
        for module in (app_test, local_script_runner):
            patch.setattr(module, "ScriptCache", scripts)
        yield


@functools.cache
def sketch():
    """A chart of nothing, with everything that can be chosen in ours."""
    brush = alt.selection_interval(name=BRUSH)
    return alt.Chart(alt.InlineData(values=[])).mark_point().add_params(brush)


def sketched_course(frames, _marks_s=()):
    names = ("timeline", "probabilities", "plane", "bars")
    end_s = float(frames["time_s"].max()) + 0.1
    return CursorCharts(dict.fromkeys(names, sketch().to_dict()), "time_s", (0.0, end_s))


@pytest.fixture
def real_charts():
    """For tests that look at the charts themselves."""


@pytest.fixture(autouse=True)
def _sketched_charts(request, monkeypatch):
    """Other tests run a page again and again, and its charts would be a second each time."""
    if "real_charts" not in request.fixturenames:
        for module, names in CHARTS.items():
            for name in names:
                monkeypatch.setattr(f"{module}.{name}", lambda *_, **__: sketch())
        monkeypatch.setattr("streamlit_app.video.selection.cursor_charts", sketched_course)
        monkeypatch.setattr("streamlit_app.video.viewer.vega_script", str)


@pytest.fixture
def core(monkeypatch):
    """A core in place of the real one, for every page."""
    analyzer = make_fake_analyzer()
    monkeypatch.setattr("streamlit_app.resources.get_analyzer", lambda *_: analyzer)
    return analyzer


@pytest.fixture
def app(core, app_alone):
    """The app's entry, not run yet, with that core."""
    assert core
    return app_alone


@pytest.fixture
def app_alone(monkeypatch, request):
    """The app's entry, not run yet."""
    root = request.config.rootpath
    monkeypatch.chdir(root)
    for name in [name for name in os.environ if name.startswith("EMOSCOPE_")]:
        monkeypatch.delenv(name)
    return AppTest.from_file(str(root / "app.py"), default_timeout=120)
