"""The thread that analyses the videos of a study, one after another."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from streamlit_app.video.job_queue import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emotion_core.analyzer import Analyzer
    from emotion_core.video.types import VideoSettings
    from streamlit_app.study.clips import StudyClip
    from streamlit_app.video.job_queue import JobQueue


class StudyRunner:
    """Analyses videos one after another in a thread, which ends when none is left.

    Attributes:
        is_paused: Whether no further video is begun.

    Args:
        queue: In which each waits for its turn.
        analyzer: What finds and reads faces.
        settings: How each video is analysed.
    """

    def __init__(self, queue: JobQueue, analyzer: Analyzer, settings: VideoSettings) -> None:
        self.is_paused = False
        self._queue, self._analyzer, self._settings = queue, analyzer, settings
        self._waiting: deque[StudyClip] = deque()
        self._current: StudyClip | None = None
        self._lock = threading.Lock()
        self._is_running = False

    def add(self, clips: Iterable[StudyClip]) -> None:
        """Appends videos.

        Raises:
            EmotionError: The system cannot start another thread.
        """
        with self._lock:
            self._waiting.extend(clips)
            self._start()

    def pause(self) -> None:
        """Begins no further video; the one that runs is begun again later."""
        self.is_paused = True
        with self._lock:
            if self._current:
                self._current.put_back()

    def resume(self) -> None:
        """Goes on.

        Raises:
            EmotionError: The system cannot start another thread.
        """
        self.is_paused = False
        with self._lock:
            self._start()

    def give_way(self) -> None:
        """Pauses if others wait for a place."""
        current = self._current
        if current and not current.is_shared and self._queue.is_awaited(current):
            self.pause()

    def _start(self) -> None:
        if self._is_running or self.is_paused or not self._waiting:
            return
        self._is_running = True
        try:
            threading.Thread(target=self._run, name="study-runner", daemon=True).start()
        except RuntimeError as error:  # the system has no more threads
            self._is_running = False
            raise EmotionError("The server has no room for another study now.") from error

    def _run(self) -> None:
        for clip in self._turns():
            clip.run(self._queue, self._analyzer, self._settings)
            if clip.state is JobState.WAITING:
                with self._lock:
                    self._waiting.appendleft(clip)

    def _turns(self) -> Iterator[StudyClip]:
        while True:
            with self._lock:
                if self.is_paused or not self._waiting:
                    self._is_running, self._current = False, None
                    return
                self._current = clip = self._waiting.popleft()
            yield clip
