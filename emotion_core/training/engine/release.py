"""What both exports share: a check before anything long, and what was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from emotion_core.errors import EmotionError, MissingExtraError
from emotion_core.models.local import describe_file

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """A file that was written, as the catalog needs it; ``str`` gives one line of it."""

    path: Path
    size_bytes: int
    sha256: str
    temperature: float | None = None

    @classmethod
    def of(cls, path: Path, temperature: float | None = None) -> Self:
        """Describe a file that is there."""
        return cls(path, path.stat().st_size, describe_file(path).sha256, temperature)

    def __str__(self) -> str:
        calibrated = "" if self.temperature is None else f"  temperature {self.temperature}"
        return f"{self.path}  {self.size_bytes} bytes  sha256 {self.sha256}{calibrated}"


def check_release(path: Path) -> None:
    """Find out before anything long that nothing could be written.

    Raises:
        EmotionError: The file's name does not fit, or onnxscript is not installed.
    """
    if path.suffix != ".safetensors":
        raise EmotionError(f"Name the file OUT.safetensors, not {path.name}.")
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "Making ONNX needs the package onnxscript; `pip install onnxscript` adds it."
        ) from error
