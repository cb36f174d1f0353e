"""What whoever runs the app may set; the only reader of environment and secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping


ICE_SCHEMES = ("stun:", "stuns:", "turn:", "turns:")


@dataclass(frozen=True, slots=True)
class IceServer:
    """A server that helps browser and server to find a way to each other.

    Attributes:
        url: With one of ``ICE_SCHEMES``.
        username: Empty where none is needed.
        credential: Belongs to it.
    """

    url: str
    username: str = ""
    credential: str = field(default="", repr=False)

    def to_dict(self) -> dict[str, object]:
        """As WebRTC's ``RTCIceServer``."""
        login = {"username": self.username, "credential": self.credential}
        return {"urls": [self.url], **{name: value for name, value in login.items() if value}}


@dataclass(frozen=True, slots=True)
class RemoteServer:
    """A server that analyses in place of this process.

    Attributes:
        url: Its address; empty where there is none.
        token: Bearer token, if it wants one.
    """

    url: str = ""
    token: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """Its name, and its port if that is not the usual one; for messages."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class AppSettings:
    """Settings of the whole app, from secrets or environment variables of the same name.

    Attributes:
        model: ``EMOSCOPE_MODEL``: emotion network to start with, a name of the catalog,
            ``owner/name@commit`` on the Hub or the path of a file that was exported; empty for the
            project's choice.
        device: ``EMOSCOPE_DEVICE``: ``auto``, ``cpu`` or ``cuda``.
        max_photos: ``EMOSCOPE_MAX_PHOTOS``: photos that one visitor may have on the page.
        max_video_mb: ``EMOSCOPE_MAX_VIDEO_MB``: largest video taken, in MiB; Streamlit's own
            ``server.maxUploadSize`` is a limit, too.
        max_video_minutes: ``EMOSCOPE_MAX_VIDEO_MINUTES``: of a longer video only the beginning is
            analysed, so that others get their turn.
        max_video_jobs: ``EMOSCOPE_MAX_VIDEO_JOBS``: videos analysed at once, of all visitors.
        max_streams: ``EMOSCOPE_MAX_STREAMS``: webcams analysed at once, of all visitors.
        ice_servers: ``EMOSCOPE_STUN_URL`` and ``EMOSCOPE_TURN_URL`` with
            ``EMOSCOPE_TURN_USERNAME`` and ``EMOSCOPE_TURN_CREDENTIAL``: how webcams reach a server
            that is not in the same network. No other server is ever asked.
        server: ``EMOSCOPE_SERVER_URL`` (or ``EMOTION_SERVER_URL``) and ``EMOSCOPE_SERVER_TOKEN``.
    """

    model: str = ""
    device: str = "auto"
    max_photos: int = 200
    max_video_mb: int = 500
    max_video_minutes: int = 180
    max_video_jobs: int = 2
    max_streams: int = 4
    ice_servers: tuple[IceServer, ...] = ()
    server: RemoteServer = RemoteServer()


def load_settings() -> AppSettings:
    """Read the settings; what is not set, or not a number where one is needed, is the default."""
    values = {**os.environ, **_secrets()}
    default = AppSettings()
    return AppSettings(
        model=values.get("EMOSCOPE_MODEL", default.model).strip(),
        device=values.get("EMOSCOPE_DEVICE", default.device).strip() or default.device,
        max_photos=_whole(values, "EMOSCOPE_MAX_PHOTOS", default.max_photos),
        max_video_mb=_whole(values, "EMOSCOPE_MAX_VIDEO_MB", default.max_video_mb),
        max_video_minutes=_whole(values, "EMOSCOPE_MAX_VIDEO_MINUTES", default.max_video_minutes),
        max_video_jobs=_whole(values, "EMOSCOPE_MAX_VIDEO_JOBS", default.max_video_jobs),
        max_streams=_whole(values, "EMOSCOPE_MAX_STREAMS", default.max_streams),
        ice_servers=_ice_servers(values),
        server=RemoteServer(
            (values.get("EMOSCOPE_SERVER_URL") or values.get("EMOTION_SERVER_URL", "")).strip(),
            values.get("EMOSCOPE_SERVER_TOKEN", "").strip(),
        ),
    )


def _ice_servers(values: Mapping[str, str]) -> tuple[IceServer, ...]:
    """The servers that are set; what is no URL of such a server is left out."""
    stun, turn, username, credential = (
        values.get(f"EMOSCOPE_{name}", "").strip()
        for name in ("STUN_URL", "TURN_URL", "TURN_USERNAME", "TURN_CREDENTIAL")
    )
    servers = (IceServer(stun), IceServer(turn, username, credential))
    return tuple(server for server in servers if server.url.startswith(ICE_SCHEMES))


def _whole(values: Mapping[str, str], name: str, default: int) -> int:
    """A number from 1; the default where there is none."""
    number = values.get(name, "").strip()
    return int(number) if number.isdecimal() and int(number) else default


def _secrets() -> Mapping[str, str]:
    try:
        return {key: str(value) for key, value in st.secrets.items()}
    except StreamlitSecretNotFoundError:
        return {}
