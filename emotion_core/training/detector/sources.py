"""The data of a detector as a user names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotion_core.errors import DatasetError
from emotion_core.training.detector.readers import read_box_samples, read_portraits, read_scenes
from emotion_core.training.detector.samples import SampleKind
from emotion_core.training.detector.wider import read_wider

if TYPE_CHECKING:
    from pathlib import Path

    from emotion_core.training.detector.samples import DetectionSample


@dataclass(frozen=True, slots=True)
class Sources:
    """Folders and ZIP files by what they hold; see ``readers`` and ``wider``.

    Attributes:
        boxes: Pictures with ``boxes.csv``.
        portraits: Pictures that a teacher is to mark.
        scenes: Pictures without faces.
        wider: WIDER FACE's folder; ``None`` if it is not used.
    """

    boxes: tuple[Path, ...] = ()
    portraits: tuple[Path, ...] = ()
    scenes: tuple[Path, ...] = ()
    wider: Path | None = None

    def read(self) -> dict[str, list[DetectionSample]]:
        """Read all of them.

        Returns:
            Pictures by the names of the attributes; the lists of what is not named are empty.

        Raises:
            DatasetError: None is named, or one is not laid out as its reader expects.
        """
        pictures = {
            "boxes": [p for path in self.boxes for p in read_box_samples(path)],
            "wider": read_wider(self.wider) if self.wider else [],
            "portraits": [p for path in self.portraits for p in read_portraits(path)],
            "scenes": [p for path in self.scenes for p in read_scenes(path)],
        }
        if not any(pictures.values()):
            raise DatasetError("Name data: --boxes, --portraits, --scenes, --wider, or several.")
        return pictures


def choose_validation(held_out: list[DetectionSample], limit: int) -> list[DetectionSample]:
    """Held-out pictures to validate on: marked by hand, or portraits if there are none.

    Args:
        held_out: Any.
        limit: At most so many, evenly spread.
    """
    kinds = (SampleKind.BOXES, SampleKind.PORTRAITS)
    found = next((m for kind in kinds if (m := [p for p in held_out if p.kind is kind])), [])
    n = min(limit, len(found))
    return [found[i * len(found) // n] for i in range(n)]
