"""Settings of the app's operator; the only module that reads environment and secrets."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping


ICE_SCHEMES = ("stun:", "stuns:", "turn:", "turns:")


@dataclass(frozen=True, slots=True)
class RemoteServer:
    """A server that analyses instead of this process.

    Attributes:
        url: Address of the server; empty for none.
        token: Bearer token, if the server requires one.
    """

    url: str = ""
    token: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """Host name and port of the URL, for messages."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class AppSettings:
    """Settings of the whole app, from secrets or environment variables of the same name.

    Attributes:
        model: ``EMOSCOPE_MODEL``: emotion model that is selected first, a name in the registry,
            ``owner/name@commit`` on the Hub or the path of an exported file; empty for the default.
        device: ``EMOSCOPE_DEVICE``: ``auto``, ``cpu`` or ``cuda``.
        max_photos: ``EMOSCOPE_MAX_PHOTOS``: photos per visitor.
        max_video_mb: ``EMOSCOPE_MAX_VIDEO_MB``: maximum size of a video in MiB; Streamlit's own
            ``server.maxUploadSize`` also applies.
        max_video_minutes: ``EMOSCOPE_MAX_VIDEO_MINUTES``: the part of a video that is analysed, so
            that other visitors get their turn.
        max_video_jobs: ``EMOSCOPE_MAX_VIDEO_JOBS``: videos of all visitors analysed at once.
        max_streams: ``EMOSCOPE_MAX_STREAMS``: webcams of all visitors analysed at once.
        ice_servers: ``EMOSCOPE_STUN_URL`` and ``EMOSCOPE_TURN_URL`` with
            ``EMOSCOPE_TURN_USERNAME`` and ``EMOSCOPE_TURN_CREDENTIAL``: connect webcams to a server
            in another network, as WebRTC's ``RTCIceServer``. Several addresses of one relay have
            commas between. No other server is ever asked.
        turn_secret: ``EMOSCOPE_TURN_SECRET``: what the TURN server and the app share, in place of
            a fixed user name and credential: each stream then has its own, for a limited time.
        server: ``EMOSCOPE_SERVER_URL`` (or ``EMOTION_SERVER_URL``) and ``EMOSCOPE_SERVER_TOKEN``.
    """

    model: str = ""
    device: str = "auto"
    max_photos: int = 200
    max_video_mb: int = 500
    max_video_minutes: int = 180
    max_video_jobs: int = 2
    max_streams: int = 4
    ice_servers: tuple[dict[str, object], ...] = field(default=(), repr=False)
    server: RemoteServer = RemoteServer()
    turn_secret: str = field(default="", repr=False)


def load_settings() -> AppSettings:
    """Reads the settings; missing values and invalid numbers get their defaults."""
    values = {**os.environ, **_secrets()}
    default = AppSettings()
    return AppSettings(
        model=values.get("EMOSCOPE_MODEL", default.model).strip(),
        device=values.get("EMOSCOPE_DEVICE", default.device).strip() or default.device,
        max_photos=_to_int(values, "EMOSCOPE_MAX_PHOTOS", default.max_photos),
        max_video_mb=_to_int(values, "EMOSCOPE_MAX_VIDEO_MB", default.max_video_mb),
        max_video_minutes=_to_int(values, "EMOSCOPE_MAX_VIDEO_MINUTES", default.max_video_minutes),
        max_video_jobs=_to_int(values, "EMOSCOPE_MAX_VIDEO_JOBS", default.max_video_jobs),
        max_streams=_to_int(values, "EMOSCOPE_MAX_STREAMS", default.max_streams),
        ice_servers=_ice_servers(values),
        server=RemoteServer(
            (values.get("EMOSCOPE_SERVER_URL") or values.get("EMOTION_SERVER_URL", "")).strip(),
            values.get("EMOSCOPE_SERVER_TOKEN", "").strip(),
        ),
        turn_secret=values.get("EMOSCOPE_TURN_SECRET", "").strip(),
    )


def _ice_servers(values: Mapping[str, str]) -> tuple[dict[str, object], ...]:
    """The servers with a valid URL."""
    stun, turn, username, credential = (
        values.get(f"EMOSCOPE_{name}", "").strip()
        for name in ("STUN_URL", "TURN_URL", "TURN_USERNAME", "TURN_CREDENTIAL")
    )
    login = {"username": username, "credential": credential}
    given: dict[str, object] = {name: value for name, value in login.items() if value}
    servers: list[tuple[str, dict[str, object]]] = [(stun, {}), (turn, given)]
    return tuple(
        {"urls": urls, **extra}
        for text, extra in servers
        if (urls := [url for url in re.split(r"[,\s]+", text) if url.startswith(ICE_SCHEMES)])
    )


def _to_int(values: Mapping[str, str], name: str, default: int) -> int:
    """A positive integer, or the default if there is none."""
    number = values.get(name, "").strip()
    return int(number) if number.isdecimal() and int(number) else default


def _secrets() -> Mapping[str, str]:
    try:
        return {key: str(value) for key, value in st.secrets.items()}
    except StreamlitSecretNotFoundError:
        return {}
