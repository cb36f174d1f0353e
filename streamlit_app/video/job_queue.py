"""Work beside the page, in threads, and the queue in which it waits for its turn."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from emotion_core.errors import EmotionError
from streamlit_app.shared_file import SharedTempFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

    from emotion_core.video.pipeline import OnProgress
    from emotion_core.video.types import VideoProgress

_Result = TypeVar("_Result")


class JobState(StrEnum):
    """State of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class QueuedJob(Protocol):
    """What waits for its turn."""

    def cancel(self) -> None:
        """Ends the job soon."""

    def raise_if_cancelled(self) -> None:
        """Raises a ``CancelledError`` if the job is to end."""


class JobQueue:
    """Runs the first few jobs; the others wait in order of arrival."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._jobs: list[QueuedJob] = []
        self._changed = threading.Condition()
        self._is_over = False

    def join(self, job: QueuedJob) -> None:
        """Appends a job; at the end of the process it is cancelled at once."""
        with self._changed:
            self._jobs.append(job)
            if self._is_over:
                job.cancel()

    def leave(self, job: QueuedJob) -> None:
        """Removes a job."""
        with self._changed:
            self._jobs.remove(job)
            self._changed.notify_all()

    def n_before(self, job: QueuedJob) -> int | None:
        """The number of jobs that wait before a job; ``None`` if it does not wait."""
        with self._changed:
            if job not in self._jobs[self._at_once :]:
                return None
            return self._jobs.index(job) - self._at_once

    def is_awaited(self, job: QueuedJob) -> bool:
        """Whether other jobs wait for a place."""
        with self._changed:
            return any(other is not job for other in self._jobs[self._at_once :])

    @contextmanager
    def slot(self, job: QueuedJob) -> Iterator[None]:
        """Waits for a job's turn; the job leaves the queue at the end of the with-block.

        Raises:
            CancelledError: The job was cancelled while it waited.
        """
        try:
            with self._changed:
                while self._jobs.index(job) >= self._at_once:
                    job.raise_if_cancelled()
                    self._changed.wait(0.2)
            yield
        finally:
            self.leave(job)

    def end_all(self, timeout_s: float = 3.0) -> None:
        """Ends all jobs and waits for them: a process that exits during native code aborts."""
        with self._changed:
            self._is_over = True
            for job in self._jobs:
                job.cancel()
            self._changed.wait_for(lambda: not self._jobs, timeout_s)


class BackgroundJob(ABC, Generic[_Result]):
    """Work in a thread, at once or when it is its turn in the queue."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._owners, self._lock = 1, threading.Lock()
        self._cancelled = threading.Event()
        self._ended: Future[_Result] = Future()

    @property
    def state(self) -> JobState:
        """The state of the job, which is cancelled as soon as that is requested."""
        if self._ended.done():
            error = self._ended.exception()
            if error is None:
                return JobState.DONE
            is_cancelled = isinstance(error, CancelledError)
            return JobState.CANCELLED if is_cancelled else JobState.FAILED
        if self._cancelled.is_set():
            return JobState.CANCELLED
        return JobState.RUNNING if self._queue.n_before(self) is None else JobState.WAITING

    @property
    def n_before(self) -> int:
        """The number of jobs that wait before this one."""
        return self._queue.n_before(self) or 0

    def result(self, timeout_s: float | None = None) -> _Result:
        """The result; waits for the end of the job.

        Raises:
            EmotionError: The work could not be done.
            CancelledError: The job was cancelled.
            TimeoutError: It did not end in time.
        """
        return self._ended.result(timeout_s)

    def cancel(self) -> None:
        """Ends the job soon and frees its files; a finished job stays as it is."""
        self._cancelled.set()

    def share(self) -> Self:
        """The same job for one more owner, who closes it, too."""
        with self._lock:
            self._owners += 1
        return self

    def give_way(self) -> None:
        """Ends the job if others wait for a place; called when its only owner is away."""
        if self._owners == 1 and self._queue.is_awaited(self):
            self.cancel()

    def close(self) -> None:
        """Ends the job and frees its result once all owners have closed it."""
        with self._lock:
            self._owners -= 1
            is_last = self._owners == 0
        if is_last:
            self.cancel()
            self._free()

    def raise_if_cancelled(self) -> None:
        """Ends the work from inside.

        Raises:
            CancelledError: The job was cancelled.
        """
        if self._cancelled.is_set():
            raise CancelledError

    def _start(self, name: str) -> None:
        """Starts the thread; the last step of making a job.

        Raises:
            EmotionError: The system cannot start another thread.
        """
        self._queue.join(self)
        try:
            threading.Thread(target=self._run, name=name, daemon=True).start()
        except RuntimeError as error:  # the system has no more threads
            self._queue.leave(self)
            self.close()
            raise EmotionError("The server has no room for another video now.") from error

    def _run(self) -> None:
        try:
            with self._queue.slot(self):
                result = self._work()
        except BaseException as error:  # noqa: BLE001 - raised by ``result``
            self._free()
            self._ended.set_exception(error)
        else:
            self._ended.set_result(result)

    @abstractmethod
    def _work(self) -> _Result:
        """Does the work, in the job's thread."""

    def _free(self) -> None:
        """Frees the files of the result."""


class FileJob(BackgroundJob[_Result]):
    """Makes a file of a video.

    Attributes:
        progress: The latest progress; ``None`` before the first frame.
        video: The file; complete once the job is done.

    Args:
        source: The video.
        queue: Of the jobs of all visitors.
        make: Is given the paths of the video and the file, and reports its progress.

    Raises:
        EmotionError: The system cannot start another thread.
    """

    def __init__(
        self,
        source: SharedTempFile,
        queue: JobQueue,
        make: Callable[[Path, Path, OnProgress], _Result],
    ) -> None:
        super().__init__(queue)
        self.progress: VideoProgress | None = None
        self.video = SharedTempFile()
        self._source, self._make = source, make
        self._start("video-job")

    def _work(self) -> _Result:
        with self._source.in_use() as source, self.video.in_use() as target:
            return self._make(source, target, self._on_progress)

    def _free(self) -> None:
        self.video.close()

    def _on_progress(self, progress: VideoProgress) -> None:
        self.progress = progress
        self.raise_if_cancelled()
