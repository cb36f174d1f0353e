"""What whoever runs the app may set; the only reader of environment and secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the whole app, from secrets or environment variables of the same name.

    Attributes:
        model: ``EMOSCOPE_MODEL``: emotion network to start with, a name of the catalog or
            ``owner/name@commit`` on the Hub; empty for the project's choice.
        device: ``EMOSCOPE_DEVICE``: ``auto``, ``cpu`` or ``cuda``.
        max_photos: ``EMOSCOPE_MAX_PHOTOS``: photos that one visitor may have on the page.
    """

    model: str = ""
    device: str = "auto"
    max_photos: int = 200


def load_settings() -> Settings:
    """Read the settings; what is not set, or not a number where one is needed, is the default."""
    values = {**os.environ, **_secrets()}
    default = Settings()
    number = values.get("EMOSCOPE_MAX_PHOTOS", "")
    return Settings(
        model=values.get("EMOSCOPE_MODEL", default.model).strip(),
        device=values.get("EMOSCOPE_DEVICE", default.device).strip() or default.device,
        max_photos=int(number) if number.isdigit() and int(number) else default.max_photos,
    )


def _secrets() -> Mapping[str, str]:
    try:
        return {key: str(value) for key, value in st.secrets.items()}
    except StreamlitSecretNotFoundError:
        return {}
