"""Pages run by ``AppTest``, with a core that needs no networks."""

from __future__ import annotations

import functools
import os

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from tests.factories import make_fake_analyzer


@pytest.fixture(scope="session", autouse=True)
def _one_scan():
    """Installed packages are searched for components once, not before every test (1 s each)."""
    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture
def core(monkeypatch):
    """A core in place of the real one, for every page."""
    analyzer = make_fake_analyzer()
    monkeypatch.setattr("streamlit_app.resources.get_analyzer", lambda *_: analyzer)
    return analyzer


@pytest.fixture
def app(core, monkeypatch, request):
    """The app's entry, not run yet."""
    assert core
    root = request.config.rootpath
    monkeypatch.chdir(root)
    for name in [name for name in os.environ if name.startswith("EMOSCOPE_")]:
        monkeypatch.delenv(name)
    return AppTest.from_file(str(root / "app.py"), default_timeout=30)
