"""Checkpoints: all that is needed to resume a run or to release its network."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from emotion_core.errors import WeightsMismatchError, WeightsUnavailableError
from emotion_core.files.tempfiles import AnonymousTempFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from emotion_core.training.engine.base_config import BaseConfig

_KEYS = ("config", "epoch", "network", "averaged", "optimiser")

# What torch raises on files that it did not write.
_READ_ERRORS = (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError)
_TEXT_ERRORS = (LookupError, AttributeError, TypeError)  # of a text that looks like a pickle


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """Where a run's checkpoints are written, and which one it starts from.

    Attributes:
        folder: Gets ``last.pt`` after every epoch, and ``best.pt``.
        keep_every: Also keep ``epoch-NNNN.pt`` of every n-th epoch; 0 keeps none.
        resume: Start from this checkpoint, not from ``last.pt`` in ``folder``. Its settings may
            differ as long as its network is the same.
    """

    folder: Path
    keep_every: int = 0
    resume: Path | None = None

    @property
    def branch(self) -> Path | None:
        """The checkpoint of another run to start from, if any."""
        is_own = self.resume and self.resume.resolve().parent == self.folder.resolve()
        return None if is_own else self.resume

    @property
    def last(self) -> Path:
        """The checkpoint of the last epoch."""
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation."""
        return self.folder / "best.pt"

    def find(
        self, config: BaseConfig, load: Callable[[Path], dict[str, Any]]
    ) -> dict[str, Any] | None:
        """Loads the checkpoint to start from: ``resume``, or the run's last one; ``None`` if new.

        Args:
            config: Of the run; its own last checkpoint must have the same.
            load: Reads a checkpoint whose ``config`` is JSON.

        Raises:
            WeightsMismatchError: It is of another configuration.
            WeightsUnavailableError: The checkpoint to start from is missing.
        """
        if self.resume is not None:
            return load(self.resume)
        if not self.last.exists():
            return None
        found = load(self.last)
        differences = config.to_differences(type(config).from_json(found["config"]))
        if differences:
            raise WeightsMismatchError(
                f"{self.last} is of another configuration ({differences}); "
                "choose another --run, or give the same settings."
            )
        return found

    def save(self, checkpoint: dict[str, Any], *, is_best: bool) -> None:
        """Writes the checkpoint of an epoch; an interruption leaves the old ones intact.

        ``last.pt`` comes last: after an interruption before it, the epoch is repeated.
        """
        epoch = checkpoint["epoch"]
        with AnonymousTempFile(self.folder) as file:
            torch.save(checkpoint, file.path)
            if is_best:
                file.publish(self.best)
            if self.keep_every and epoch % self.keep_every == 0:
                file.publish(self.folder / f"epoch-{epoch:04d}.pt")
            file.publish(self.last)

    def take_as_best(self, checkpoint: Path) -> None:
        """Copies a checkpoint, of another run, to ``best.pt``."""
        with AnonymousTempFile(self.folder) as file:
            shutil.copyfile(checkpoint, file.path)
            file.publish(self.best)


def load_checkpoint(
    path: Path, keys: Sequence[str] = _KEYS, what: str = "an emotion network"
) -> dict[str, Any]:
    """Reads what a trainer saved.

    Args:
        path: Checkpoint.
        keys: Required keys.
        what: Kind of network, for the message.

    Returns:
        For an emotion network ``config`` (JSON), ``epoch``, ``network``, ``averaged`` and
        ``optimiser``; from newer runs also ``history``, ``n_faces``, ``data`` and ``pretrained``.

    Raises:
        WeightsUnavailableError: The file is missing.
        WeightsMismatchError: It is no such file.
    """
    if not path.is_file():
        raise WeightsUnavailableError(f"There is no checkpoint {path}.")
    try:
        checkpoint: Any = torch.load(path, weights_only=True, map_location="cpu")
    except (*_READ_ERRORS, *_TEXT_ERRORS) as error:
        raise WeightsMismatchError(f"{path} is no readable checkpoint.") from error
    if not isinstance(checkpoint, dict) or any(key not in checkpoint for key in keys):
        raise WeightsMismatchError(f"{path} is no checkpoint of {what}.")
    return checkpoint
