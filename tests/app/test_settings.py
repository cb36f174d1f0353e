"""Settings from the environment."""

import pytest

from streamlit_app.settings import Settings, load_settings

NAMES = ("EMOSCOPE_MODEL", "EMOSCOPE_DEVICE", "EMOSCOPE_MAX_PHOTOS")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, Settings(), id="nothing set"),
        pytest.param(
            {"EMOSCOPE_MODEL": " a/b@c ", "EMOSCOPE_DEVICE": "cpu", "EMOSCOPE_MAX_PHOTOS": "7"},
            Settings("a/b@c", "cpu", 7),
            id="all set",
        ),
        pytest.param({"EMOSCOPE_MAX_PHOTOS": "many"}, Settings(), id="no number"),
        pytest.param({"EMOSCOPE_MAX_PHOTOS": "0"}, Settings(), id="zero"),
        pytest.param({"EMOSCOPE_DEVICE": ""}, Settings(), id="empty"),
    ],
)
def test_load_settings(environment, expected, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings() == expected
