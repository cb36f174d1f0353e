"""What a visitor has recorded of a webcam session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamlit_app.shared_file import SharedTempFile


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """A finished recording.

    Attributes:
        file: The MP4.
        start_s: Time of its first frame in seconds after the first frame of the session.
        length_s: Time from its first frame to its last.
        has_clear_faces: Whether faces are not blurred in a part of it.
        note: A sentence about missing parts; empty if there are none.
    """

    file: SharedTempFile
    start_s: float
    length_s: float
    has_clear_faces: bool
    note: str
