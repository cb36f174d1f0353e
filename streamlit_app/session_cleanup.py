"""Frees what visitors leave behind."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from streamlit import runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_log = logging.getLogger(__name__)

GRACE_S = 30.0
"""A visitor without a connection for longer has left: long enough for a browser to reconnect,
short enough that other visitors do not wait for a job whose result nobody will see."""

BACK_S = 120.0
"""Time for which Streamlit keeps the session of a disconnected visitor."""


class Clearable(Protocol):
    """State of one visitor on a page."""

    def clear(self) -> None:
        """Frees everything."""


_State = TypeVar("_State", bound=Clearable)


class SessionReaper(Generic[_State]):
    """Clears the state of visitors who have left.

    Streamlit reports a lost connection at once, even if it is back in a second; a visitor on a
    train should not lose a finished video because of that.

    Args:
        is_connected: Whether the visitor with an id has a connection.
        grace_s: Seconds for which they may be without one.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        is_connected: Callable[[str], bool],
        grace_s: float = GRACE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_connected, self._grace_s, self._clock = is_connected, grace_s, clock
        self._states: dict[str, _State] = {}
        self._lock = threading.Lock()
        self._is_watching = False

    def register(self, visitor: str, state: _State) -> None:
        """Watches a visitor, and clears their state when they have left."""
        with self._lock:
            self._states[visitor] = state
            was_watching, self._is_watching = self._is_watching, True
        if not was_watching:
            threading.Thread(target=self._watch, name="session-reaper", daemon=True).start()

    def _watch(self) -> None:
        left_s: dict[str, float] = {}  # in the order in which they left
        while True:
            now = self._clock()
            with self._lock:
                states = dict(self._states)
            for visitor in states:
                if self._is_connected(visitor):
                    left_s.pop(visitor, None)
                else:
                    left_s.setdefault(visitor, now)
            for visitor in self._choose({v: now - at for v, at in left_s.items()}, states):
                del left_s[visitor]
                self._clear(visitor)
            with self._lock:
                if not self._states:
                    self._is_watching = False
                    return
            time.sleep(min(1.0, self._grace_s / 4))

    def _choose(self, away_s: Mapping[str, float], states: Mapping[str, _State]) -> list[str]:  # noqa: ARG002 - for subclasses
        """The visitors to clear.

        Args:
            away_s: Seconds without a connection; who left first comes first.
            states: State of each visitor.
        """
        return [visitor for visitor, time_s in away_s.items() if time_s >= self._grace_s]

    def _clear(self, visitor: str) -> None:
        with self._lock:
            state = self._states.pop(visitor)
        try:
            state.clear()
        except Exception as error:  # noqa: BLE001 - the others must still be cleared
            _log.warning("A visitor's state could not be cleared.", exc_info=error)


class StreamlitFiles:
    """Files that Streamlit itself keeps for a visitor: uploads, media and downloads.

    Streamlit frees them when their session is garbage collected, which may be hours later
    (see ``.streamlit/config.toml``).

    Args:
        visitor: Id of the visitor's session.
    """

    def __init__(self, visitor: str) -> None:
        self._visitor = visitor

    def clear(self) -> None:
        """Frees the files, once the visitor can no longer return."""
        server = runtime.get_instance()
        server.uploaded_file_mgr.remove_session_files(self._visitor)
        server.media_file_mgr.clear_session_refs(self._visitor)
        for _ in range(2):  # downloads are removed in the second round
            server.media_file_mgr.remove_orphaned_files()
