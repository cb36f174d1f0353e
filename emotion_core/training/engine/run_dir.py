"""The folder of a run: log, metrics, weights, TensorBoard, configuration."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm import tqdm

from emotion_core.errors import EmotionError
from emotion_core.files.save import save_file, write_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.training.engine.base_config import BaseConfig

Row = dict[str, float | None]
"""Metrics of one epoch by name; ``None`` where there is no ground truth."""

RUNS = Path("debug")
"""Parent folder of runs that are given by name."""

_LOG = logging.getLogger(__name__)
_LOGGER = logging.getLogger("emotion_core.training")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of a run.

    Attributes:
        path: Of the folder; it is created when something is written.
    """

    path: Path

    @property
    def weights(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "weights"

    @property
    def summary(self) -> Path:
        """Folder that TensorBoard reads."""
        return self.path / "summary"

    @property
    def logs(self) -> Path:
        """Folder of ``train.log`` and ``metrics.csv``."""
        return self.path / "logs"

    def write_config(self, config: BaseConfig) -> None:
        """Writes ``config.json``."""
        save_file(self.path / "config.json", f"{config.to_json()}\n".encode())

    def write_history(self, history: Sequence[Row]) -> None:
        """Writes ``logs/metrics.csv``, one row per epoch; cells of missing metrics are empty."""
        table = pd.DataFrame(history).to_csv(index=False, lineterminator="\n")
        save_file(self.logs / "metrics.csv", table.encode())

    def open_summary(self, n_done: int) -> Any | None:
        """Opens a ``SummaryWriter`` for TensorBoard; ``None`` if the package is not installed.

        Args:
            n_done: Epochs done before; later ones from an earlier start are hidden.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            _LOG.warning(
                "TensorBoard is not installed, so no summary is written; "
                "pip install tensorboard adds it."
            )
            return None
        return SummaryWriter(str(self.summary), purge_step=n_done + 1)

    @contextlib.contextmanager
    def unless_refused(self) -> Iterator[None]:
        """Removes the folder, if new, when an ``EmotionError`` ends the block before training.

        No file in it may still be open at the end of the block.
        """
        is_new = not self.path.exists()
        try:
            yield
        except EmotionError:
            if is_new and not self.summary.exists():
                shutil.rmtree(self.path, ignore_errors=True)
            raise

    @contextlib.contextmanager
    def keep_log(self) -> Iterator[None]:
        """Writes what training logs to ``logs/train.log`` with the time, to stderr without it.

        Raises:
            EmotionError: The folder cannot be written.
        """
        with write_errors(self.path):
            self.logs.mkdir(parents=True, exist_ok=True)
            file = logging.FileHandler(self.logs / "train.log", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        handlers: list[logging.Handler] = [file, _Terminal()]
        level, propagate = _LOGGER.level, _LOGGER.propagate
        _LOGGER.setLevel(logging.INFO)
        _LOGGER.propagate = False
        for handler in handlers:
            _LOGGER.addHandler(handler)
        try:
            yield
        finally:
            for handler in handlers:
                _LOGGER.removeHandler(handler)
                handler.close()
            _LOGGER.setLevel(level)
            _LOGGER.propagate = propagate


class _Terminal(logging.Handler):
    """Log lines on stderr that do not break a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)
