"""Visits: what visitors have on the pages, and their way back to it after a reload."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from streamlit_app.session_cleanup import GRACE_S, Clearable, SessionReaper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

RETURN_S = 600.0
"""Time for which a visitor may be away and still find everything."""

STUDY_RETURN_S = 3600.0
"""The same with a study, which takes longer to make."""

MAX_AWAY_BYTES = 2 * 2**30
"""What all visitors who are away longer than ``GRACE_S`` may keep; the first to leave lose it."""

CHOICES = (
    *("emotion network", "detection network", "min_score", "min_face_px", "blur"),
    *("material", "largest_only", "region", "actions", "decimal", "rate", "every", "hz"),
    *("From", "To"),
    *("smoothing", "reidentify", "live smoothing"),
)
"""Keys of the sidebar's widgets: without them results would be made anew, and faces not blurred."""

_TOKEN_BYTES = 24


class VisitState(Clearable, Protocol):
    """What a visitor has on one page."""

    return_s: ClassVar[float]
    """Seconds for which the visitor may be away and still find it."""

    @property
    def n_bytes(self) -> int:
        """Size of everything, roughly."""

    def fork(self) -> Self:
        """The same for another window; what one window changes or frees, the other keeps."""

    def give_way(self) -> None:
        """Ends what makes other visitors wait; called while the visitor is away."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Visit:
    """What a visitor has in one window.

    Attributes:
        states: What there is on each page, by the name of its class.
        choices: Values of the sidebar's widgets by key.
        token: The secret in the private link that leads back to the visit.
        is_continued: Whether another window has taken over, so that this one need not be kept.
    """

    states: dict[str, VisitState] = field(default_factory=dict)
    choices: dict[str, object] = field(default_factory=dict)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES), repr=False)
    is_continued: bool = False

    def fork(self) -> Visit:
        """The visit as it goes on in another window.

        It has a link of its own, so that whoever opened a shared link shows nothing in return.
        """
        self.is_continued = True
        states = {name: state.fork() for name, state in list(self.states.items())}
        return Visit(states, dict(self.choices))

    def remember_choices(self, session: Mapping[Any, Any]) -> None:
        """Takes the values of the sidebar's widgets from the session state."""
        self.choices.update((key, session[key]) for key in CHOICES if key in session)

    def restore_choices(self, session: MutableMapping[Any, Any]) -> None:
        """Puts the values of the sidebar's widgets into the session state."""
        for key, value in self.choices.items():
            session[key] = value

    @property
    def n_bytes(self) -> int:
        """Size of everything in all states, roughly."""
        return sum(state.n_bytes for state in list(self.states.values()))

    @property
    def return_s(self) -> float:
        """Seconds for which the visitor may be away: that of the page whose content stays longest.

        A page that is empty does not count.
        """
        states = [state for state in list(self.states.values()) if state.n_bytes]
        return max((state.return_s for state in states), default=RETURN_S)

    def forget(self, away_s: float) -> None:
        """Frees the pages whose time is over when the visitor has been away for ``away_s``."""
        for state in list(self.states.values()):
            if away_s >= state.return_s and state.n_bytes:
                state.clear()

    def give_way(self) -> None:
        """Ends what makes other visitors wait."""
        for state in list(self.states.values()):
            state.give_way()

    def clear(self) -> None:
        """Frees everything."""
        for state in list(self.states.values()):
            state.clear()


class VisitReaper(SessionReaper[Visit]):
    """Clears the visits of those who do not come back.

    Args:
        is_connected: Whether the visitor with an id has a connection.
        clock: Returns the time in seconds.
        max_bytes: Size of what those may keep who are away for more than ``early_s``.
        early_s: Seconds after which a visit ends that goes on in another window, and after which
            an analysis gives way to others.
    """

    def __init__(
        self,
        is_connected: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
        *,
        max_bytes: int = MAX_AWAY_BYTES,
        early_s: float = GRACE_S,
    ) -> None:
        super().__init__(is_connected, early_s, clock)
        self._max_bytes, self._early_s = max_bytes, early_s

    def _choose(self, away_s: Mapping[str, float], states: Mapping[str, Visit]) -> list[str]:
        for visitor, time_s in away_s.items():
            states[visitor].forget(time_s)
        gone = [v for v, time_s in away_s.items() if time_s >= states[v].return_s]
        early = [v for v in super()._choose(away_s, states) if v not in gone]
        gone += [visitor for visitor in early if states[visitor].is_continued]
        early = [visitor for visitor in early if not states[visitor].is_continued]
        sizes = {visitor: states[visitor].n_bytes for visitor in early}
        for visitor in early:
            if sum(sizes.values()) > self._max_bytes:
                del sizes[visitor]
                gone.append(visitor)
            else:
                states[visitor].give_way()
        return gone
