"""Settings from the environment."""

import pytest
import streamlit as st

from streamlit_app.settings import AppSettings, RemoteServer, load_settings

NAMES = (
    "EMOSCOPE_MODEL",
    "EMOSCOPE_DEVICE",
    "EMOSCOPE_MAX_PHOTOS",
    "EMOSCOPE_MAX_VIDEO_MB",
    "EMOSCOPE_MAX_VIDEO_MINUTES",
    "EMOSCOPE_MAX_VIDEO_JOBS",
    "EMOSCOPE_MAX_STREAMS",
    "EMOSCOPE_STUN_URL",
    "EMOSCOPE_TURN_URL",
    "EMOSCOPE_TURN_USERNAME",
    "EMOSCOPE_TURN_CREDENTIAL",
    "EMOSCOPE_SERVER_URL",
    "EMOSCOPE_SERVER_TOKEN",
)
SERVER = "http://c.example:8000"
STUN, TURN = "stun:a.example:3478", "turn:b.example:3478?transport=udp"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, AppSettings(), id="nothing set"),
        pytest.param(
            dict(
                zip(
                    NAMES,
                    (
                        " a/b@c ",
                        "cpu",
                        "7",
                        "20",
                        "30",
                        "1",
                        "9",
                        STUN,
                        TURN,
                        "me",
                        "key",
                        SERVER,
                        "token",
                    ),
                    strict=True,
                )
            ),
            AppSettings(
                *("a/b@c", "cpu", 7, 20, 30, 1, 9),
                ({"urls": [STUN]}, {"urls": [TURN], "username": "me", "credential": "key"}),
                RemoteServer(SERVER, "token"),
            ),
            id="all set",
        ),
        pytest.param({"EMOSCOPE_MAX_PHOTOS": "many"}, AppSettings(), id="no number"),
        pytest.param({"EMOSCOPE_MAX_PHOTOS": "0"}, AppSettings(), id="zero"),
        pytest.param({"EMOSCOPE_MAX_VIDEO_JOBS": "²"}, AppSettings(), id="not a decimal"),
        pytest.param({"EMOSCOPE_STUN_URL": "a.example:3478"}, AppSettings(), id="no URL"),
        pytest.param({"EMOSCOPE_TURN_USERNAME": "me"}, AppSettings(), id="a name for no server"),
        pytest.param({"EMOSCOPE_DEVICE": ""}, AppSettings(), id="empty"),
        pytest.param(
            {"EMOTION_SERVER_URL": SERVER},
            AppSettings(server=RemoteServer(SERVER)),
            id="other name",
        ),
    ],
)
def test_load_settings(environment, expected, monkeypatch, tmp_path):
    st.get_option("server.port")  # the project's configuration is read once, where it is
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings() == expected


def test_a_credential_is_not_shown_where_settings_are_printed():
    assert "hidden" not in repr(
        AppSettings(ice_servers=({"urls": [TURN], "credential": "hidden"},))
    )
    assert "hidden" not in repr(AppSettings(server=RemoteServer(SERVER, "hidden")))


def test_a_login_in_an_address_is_not_shown():
    assert RemoteServer("http://me:hidden@c.example:8000/").host == "c.example:8000"
    assert RemoteServer().host == ""
