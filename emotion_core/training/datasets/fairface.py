"""FairFace: real faces of all ages and seven groups, with ratings that come with this project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.training.datasets.photo_labels import read_photo_labels, to_face_set
from emotion_core.training.datasets.splits import ALL, SplitMissingError

if TYPE_CHECKING:
    from emotion_core.training.datasets.face_set import FaceSet

RATINGS = Path(__file__).with_name("fairface_ratings.csv")
"""Emotion, each emotion's share of the votes, valence, arousal, and the person's age, gender and
group, of 12,526 faces; where the ratings come from stands in ``docs/fairface_ratings.md``.

Split: "valid" where the CRC-32 of the image's name is a multiple of five, else "train"."""


def read_fairface(root: Path, split: str) -> FaceSet:
    """Reads the rated faces of FairFace; the images are used as they are published, uncropped.

    Args:
        root: Holds FairFace's folders ``train`` and ``val``.
        split: ``"train"``, ``"valid"`` (a fifth, of both folders) or ``"all"``.

    Raises:
        SplitMissingError: The split is another.
        DatasetError: An image is missing.

    Source: K. Karkkainen and J. Joo, "FairFace: Face Attribute Dataset for Balanced Race, Gender,
    and Age", WACV 2021; CC BY 4.0.
    """
    if split not in ("train", "valid", ALL):
        raise SplitMissingError(
            f"FairFace has no ratings of a split {split!r}; it has train and valid."
        )
    labels = [
        label for label in read_photo_labels(RATINGS) if split in (label.row.cells["split"], ALL)
    ]
    hint = "; unpack FairFace's fairface-img-margin025-trainval.zip there"
    return to_face_set(root, labels, f"FairFace {split}", hint)
