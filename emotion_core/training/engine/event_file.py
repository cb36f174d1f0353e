"""A folder that TensorBoard reads."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

    from emotion_core.types import Image

_LOG = logging.getLogger(__name__)


class EventFile:
    """Writes a folder that TensorBoard reads; without the package ``tensorboard`` it does nothing.

    Args:
        folder: Where the event files go.
        n_done: Epochs done before; what an earlier start wrote of later ones is not shown.
    """

    def __init__(self, folder: Path, n_done: int) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            _LOG.warning(
                "TensorBoard is not installed, so no summary is written; "
                "pip install tensorboard adds it."
            )
            return
        self._writer = SummaryWriter(str(folder), purge_step=n_done + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()

    def add_scalar(self, tag: str, value: float, epoch: int) -> None:
        """Add a point to a curve."""
        if self._writer:
            self._writer.add_scalar(tag, value, epoch)

    def add_image(self, tag: str, image: Image, epoch: int) -> None:
        """Add an RGB picture ``(H, W, 3)``."""
        if self._writer:
            self._writer.add_image(tag, image, epoch, dataformats="HWC")

    def flush(self) -> None:
        """Let readers see what has been added."""
        if self._writer:
            self._writer.flush()
