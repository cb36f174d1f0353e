"""One visitor's stream: only the newest frame is analysed, older ones are dropped."""

from __future__ import annotations

import logging
import math
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.live.frame_analyzer import LiveFrameAnalyzer
from emotion_core.live.rate_meter import RateMeter
from emotion_core.live.session_log import SessionLog
from emotion_core.live.types import LiveFrame, LiveSettings, LiveStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.analyzer import Analyzer
    from emotion_core.live.types import LiveResult
    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.types import Image

_log = logging.getLogger(__name__)

_DARK = 16
"""Brightest value of a black frame. A camera that is switched off sends zeros, which lossy coding
raises slightly; in a room this dark no face would be found."""

_WAKE_S = 0.5  # the worker wakes up this often, notified or not
_JOIN_S = 1.5


class LiveStream:
    """Analyses the newest frame of one stream in a separate thread.

    Args:
        analyzer: Shared with other streams, see ``BatchingAnalyzer``.
        settings: Initial settings.
        clock: Monotonic seconds; the times of frames are of the same clock.

    Attributes:
        settings: May be replaced at any time; applies from the next frame on.
        log: Table, highlights and history of the session.
        info: The models in use.
        size_wh: Size of the newest frame in pixels; ``None`` before the first.
        latest: The newest result; ``None`` before the first and after a black frame.
        start_s: When the first frame arrived, by the clock; NaN before.
        started_at: The same in UTC; ``None`` before.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        settings: LiveSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings or LiveSettings()
        self.log = SessionLog()
        self.info: AnalyzerInfo = analyzer.info
        self.size_wh: tuple[int, int] | None = None
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: LiveFrame | None = None
        self.latest: LiveResult | None = None
        self._is_closed = False
        self.start_s = math.nan
        self.started_at: datetime | None = None
        self._dark_s = -math.inf
        self._is_dark = False
        self._error = ""
        self._n_frames = self._n_analyzed = self._n_replaced = self._n_dark = self._n_failed = 0
        self._arrivals, self._analyses = RateMeter(), RateMeter()
        self._thread = threading.Thread(
            target=self._run, args=(analyzer,), name="live-analysis", daemon=True
        )

    def submit(self, image: Image, time_s: float) -> None:
        """Submits a frame; never blocks.

        Args:
            image: RGB ``(H, W, 3)``, 0-255; must not be changed afterwards.
            time_s: When it arrived, by the stream's clock.
        """
        is_dark = int(image[::8, ::8].max()) < _DARK
        with self._changed:
            if self._is_closed:
                return
            if not self._n_frames:
                self.start_s, self.started_at = time_s, datetime.now(UTC)
                self._thread.start()  # only now: a visitor who never starts needs no thread
            index = self._n_frames
            self._n_frames += 1
            self._arrivals.mark(time_s)
            self.size_wh = (image.shape[1], image.shape[0])
            self._is_dark = is_dark
            if is_dark:
                self._n_dark += 1
                self._dark_s, self.latest = time_s, None
                return
            self._n_replaced += self._waiting is not None
            self._waiting = LiveFrame(index, time_s, time_s - self.start_s, image)
            self._changed.notify()

    @property
    def is_alive(self) -> bool:
        """Whether the analysis thread is running."""
        return self._thread.is_alive()

    def status(self) -> LiveStatus:
        """Current counts and rates."""
        now_s = self._clock()
        with self._changed:
            return LiveStatus(
                frames=self._n_frames,
                analyzed=self._n_analyzed,
                replaced=self._n_replaced,
                dark=self._n_dark,
                failed=self._n_failed,
                frames_per_s=self._arrivals.per_s(now_s),
                analyses_per_s=self._analyses.per_s(now_s),
                analysis_ms=self._analyses.median_ms(0, now_s),
                delay_ms=self._analyses.median_ms(1, now_s),
                is_dark=self._is_dark,
                error=self._error,
                is_log_full=self.log.is_full,
            )

    def close(self) -> None:
        """Ends the analysis; the log, the counts and the newest result stay.

        Returns within two seconds: a thread whose analysis hangs ends once that returns, without
        further effect. May be called again.
        """
        with self._changed:
            self._is_closed = True
            self._waiting = None
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def _run(self, analyzer: Analyzer) -> None:
        frame_analyzer = LiveFrameAnalyzer(analyzer)
        while frame := self._next_frame():
            start_s = self._clock()
            settings = self.settings
            try:
                result = frame_analyzer.analyze(frame, settings)
                if self._is_closed:
                    return
                self.log.add(result, blur=settings.blur)
            except Exception as error:  # noqa: BLE001 - the stream continues, the page is told
                self._fail(error)
            else:
                self._publish(result, start_s)

    def _next_frame(self) -> LiveFrame | None:
        """Waits for a frame; ``None`` once closed."""
        with self._changed:
            while self._waiting is None and not self._is_closed:
                self._changed.wait(_WAKE_S)
            frame, self._waiting = self._waiting, None
            return frame

    def _publish(self, result: LiveResult, start_s: float) -> None:
        now_s = self._clock()
        with self._changed:
            self._n_analyzed += 1  # even if closed: the log has it
            self._error = ""
            self._analyses.mark(now_s, now_s - start_s, now_s - result.frame.arrived_s)
            if result.frame.arrived_s > self._dark_s:
                self.latest = result

    def _fail(self, error: Exception) -> None:
        if isinstance(error, EmotionError):
            sentence = str(error)
        else:
            sentence = f"A frame could not be analysed ({type(error).__name__}: {error})."
        with self._changed:
            if self._is_closed:
                return
            is_new = sentence != self._error
            self._error = sentence
            self._n_failed += 1
        if is_new:
            _log.warning("Live analysis failed.", exc_info=error)
