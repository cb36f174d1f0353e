"""Progress of a run: a bar over all its steps in a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

if TYPE_CHECKING:
    import torch

    from emotion_core.training.evaluation.metrics import Metrics

_REFRESH_S = 0.5
"""Reading the loss makes a GPU wait, so it is not done after every step."""


class Progress:
    """A progress bar with time left, loss and the last validation result.

    Args:
        n_steps: Of the whole run.
        n_done: Steps done before.
        is_visible: Whether to show it, if stderr is a terminal.
        unit: Steps, or seconds of a run that the clock ends.
    """

    def __init__(self, n_steps: int, n_done: int, *, is_visible: bool, unit: str = "step") -> None:
        self._bar = tqdm(
            total=n_steps,
            initial=n_done,
            unit=unit,
            disable=not (is_visible and sys.stderr.isatty()),
            dynamic_ncols=True,
        )
        self._result = ""
        self._next_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def on_step(self, n_done: int, loss: torch.Tensor) -> None:
        """Moves the bar."""
        if self._bar.disable:
            return
        self._bar.update(n_done - self._bar.n)
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _REFRESH_S
            self._bar.set_postfix_str(f"loss {float(loss):.3f}{self._result}", refresh=False)

    def on_share(self, share: float, loss: torch.Tensor) -> None:
        """Moves the bar to a share of the run, 0-1."""
        self.on_step(round(share * self._bar.total), loss)

    def on_epoch(self, metrics: Metrics | None) -> None:
        """Shows the new validation accuracy from now on."""
        if metrics and metrics.accuracy is not None:
            self.show(f"validation accuracy {metrics.accuracy:.4f}")

    def show(self, result: str) -> None:
        """Shows a validation's result from now on."""
        self._result = f", {result}"
