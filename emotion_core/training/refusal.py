"""A run that is refused before it begins leaves no folder behind."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.training.run_folder import RunFolder


@contextlib.contextmanager
def no_folder_if_refused(run: RunFolder) -> Iterator[None]:
    """Take away a run's folder, if it was made meanwhile, where an error ends it before training.

    Args:
        run: Nothing of it is open any more at the end of the with-block.

    Raises:
        EmotionError: What ended the run.
    """
    is_new = not run.path.exists()
    try:
        yield
    except EmotionError:
        if is_new and not run.summary.exists():
            shutil.rmtree(run.path, ignore_errors=True)
        raise
