"""Loads models in the background, so that a page can show the progress of downloads."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError, WeightsUnavailableError
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.card import Task
from emotion_core.models.hub import find_model
from emotion_core.models.local import is_path
from emotion_core.models.registry import candidates
from emotion_core.serving.client import load_remote_analyzer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emotion_core.analyzer import Analyzer
    from emotion_core.models.card import ModelCard
    from emotion_core.models.material import Material
    from streamlit_app.settings import RemoteServer


@dataclass(frozen=True, slots=True)
class Download:
    """Progress of a download in bytes; ``total`` is 0 if it is unknown."""

    filename: str
    done: int
    total: int


class AnalyzerLoader:
    """Loads one choice of models in a thread. Shared by all visitors.

    Args:
        emotion: Name of the emotion model; empty for the default.
        detector: Name of the face detector; empty for the default.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        material: What is read, see ``ModelCard.logit_shift``.
        server: A server that analyses with its own models instead, if its URL is set.
        timeout_s: Timeout of the server's responses in seconds.

    Attributes:
        download: Progress of the current download.
        unavailable: Why a chosen model is unavailable; complete once loading has ended.
    """

    def __init__(
        self,
        emotion: str,
        detector: str,
        device: str,
        server: RemoteServer | None = None,
        *,
        material: Material = "everyday",
        timeout_s: float = 30.0,
    ) -> None:
        self.download: Download | None = None
        self.unavailable: dict[Task, str] = {}
        self._future: Future[Analyzer] = Future()

        def run() -> None:
            try:
                if server and server.url:
                    self._future.set_result(_connect(server, timeout_s))
                else:
                    self._future.set_result(self._load(emotion, detector, device, material))
            except BaseException as error:  # noqa: BLE001 - raised by ``result``
                self._future.set_exception(error)

        threading.Thread(target=run, name="load", daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Waits; returns whether loading has ended, successfully or not."""
        try:
            self._future.exception(timeout_s)
        except TimeoutError:
            return False
        return True

    def result(self) -> Analyzer:
        """The loaded analyzer.

        Raises:
            EmotionError: It could not be loaded.
        """
        return self._future.result()

    @property
    def has_failed(self) -> bool:
        """Whether loading has failed."""
        return self._future.done() and self._future.exception() is not None

    def _load(self, emotion: str, detector: str, device: str, material: Material) -> Analyzer:
        chosen = {Task.EMOTION: emotion, Task.DETECTION: detector}
        found = {task: _preferred(name, task) for task, name in chosen.items()}
        self.unavailable = {task: reason for task, (_, reason) in found.items() if reason}
        missing = [
            f"{reason} Going on without {'it' if is_path(chosen[task]) else chosen[task]}."
            for task, reason in self.unavailable.items()
        ]
        (emotions, _), (detectors, _) = found.values()
        load = partial(load_analyzer, emotions, detectors, device=device)
        try:
            analyzer = load(material=material, on_progress=self._on_progress)
        except EmotionError as error:
            if material == "everyday":
                raise
            analyzer = load(on_progress=self._on_progress)  # or else its own error is raised
            missing.append(str(error))
        for task, (cards, _) in found.items():
            if chosen[task] and (reason := _reason(analyzer.info.notices, cards[0].name)):
                self.unavailable.setdefault(task, reason)
        notices = (*missing, *analyzer.info.notices)
        analyzer.info = replace(analyzer.info, notices=notices)
        return analyzer

    def _on_progress(self, filename: str, done: int, total: int) -> None:
        self.download = Download(filename, done, total)


def _connect(server: RemoteServer, timeout_s: float) -> Analyzer:
    analyzer = load_remote_analyzer(server.url, server.token, timeout_s=timeout_s)
    origin = f"Analysed by the server at {server.host}."
    analyzer.info = replace(analyzer.info, origins=(origin, *analyzer.info.origins))
    return analyzer


def _reason(notices: Iterable[str], name: str) -> str:
    """Why another model is used instead of the one with this name; empty if none is."""
    reasons = (n.rpartition(" Using ")[0] for n in notices if n.endswith(f" instead of {name}."))
    return next(reasons, "")


def _preferred(name: str, task: Task) -> tuple[list[ModelCard], str]:
    """The chosen model before the defaults, or the defaults and why it is unavailable."""
    defaults = candidates(task)
    if not name:
        return defaults, ""
    try:
        chosen = find_model(name, task)
    except WeightsUnavailableError as error:
        if is_path(name):  # visitors must not see its folder
            return defaults, f"There is no {Path(name).name} on this machine."
        return defaults, str(error)
    return [chosen, *(card for card in defaults if card.name != chosen.name)], ""
