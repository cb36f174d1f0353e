"""Visitors who have gone, and what is freed then."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

from streamlit import runtime

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)

GRACE_S = 30.0
"""A visitor whose connection is lost for longer is gone: longer than a browser needs to connect
again, short enough that the next visitor need not wait for a job that nobody sees the end of."""

BACK_S = 120.0
"""So long Streamlit lets a visitor come back to what they had on the page."""


class Clearable(Protocol):
    """What one visitor has on a page."""

    def clear(self) -> None:
        """Free everything."""


class SessionReaper:
    """Clears the desks of visitors who have gone.

    Streamlit tells of a lost connection at once, also where it is back in a second; a visitor on
    a train should not lose a finished video to that.

    Args:
        is_here: Whether a visitor, by their id, has a connection now.
        grace_s: For how long they may be without one, in seconds.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        is_here: Callable[[str], bool],
        grace_s: float = GRACE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_here, self._grace_s, self._clock = is_here, grace_s, clock
        self._desks: dict[str, Clearable] = {}
        self._lock = threading.Lock()
        self._is_watching = False

    def register(self, visitor: str, desk: Clearable) -> None:
        """Look after a visitor's desk until they have gone."""
        with self._lock:
            self._desks[visitor] = desk
            is_watched, self._is_watching = self._is_watching, True
        if not is_watched:
            threading.Thread(target=self._watch, name="attendance", daemon=True).start()

    def _watch(self) -> None:
        last_seen: dict[str, float] = {}
        while True:
            now = self._clock()
            with self._lock:
                visitors = list(self._desks)
            for visitor in visitors:
                if self._is_here(visitor):
                    last_seen[visitor] = now
                elif now - last_seen.setdefault(visitor, now) >= self._grace_s:
                    self._leave(visitor)
            with self._lock:
                if not self._desks:
                    self._is_watching = False
                    return
            time.sleep(min(1.0, self._grace_s / 4))

    def _leave(self, visitor: str) -> None:
        with self._lock:
            desk = self._desks.pop(visitor)
        try:
            desk.clear()
        except Exception as error:  # noqa: BLE001 - the other desks are still to be looked after
            _log.warning("What a visitor left could not be cleared.", exc_info=error)


class StreamlitFiles:
    """What Streamlit itself keeps for a visitor: files uploaded, and those shown or offered.

    It frees them when the garbage collector comes upon their session, which may be hours later
    (see ``.streamlit/config.toml``).

    Args:
        visitor: Id of their session.
    """

    def __init__(self, visitor: str) -> None:
        self._visitor = visitor

    def clear(self) -> None:
        """Free them; for those who can no longer come back."""
        server = runtime.get_instance()
        server.uploaded_file_mgr.remove_session_files(self._visitor)
        server.media_file_mgr.clear_session_refs(self._visitor)
        for _ in range(2):  # what is offered for download goes in the second round
            server.media_file_mgr.remove_orphaned_files()
