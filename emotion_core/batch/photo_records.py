"""The photos of a chunk through the core."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from emotion_core.batch.sources import read_photo
from emotion_core.photos.pipeline import PhotoSource, iter_photo_batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.analyzer import Analyzer
    from emotion_core.photos.pipeline import AnalyzedPhoto
    from emotion_core.photos.tables import PhotoRecord
    from emotion_core.video.types import VideoSettings

_READERS = 4  # more than cores, as storage makes readers wait


def iter_records(
    analyzer: Analyzer, urls: Sequence[str], settings: VideoSettings
) -> Iterator[list[PhotoRecord]]:
    """Analyse photos, see ``photos.pipeline.iter_photo_batches``.

    Args:
        analyzer: The core.
        urls: Places of the photos.
        settings: Which faces are left out.

    Yields:
        The records of the photos that were analysed together, in order; ``source`` is the place.
    """
    batches = iter_photo_batches(
        analyzer,
        (PhotoSource(url, partial(read_photo, url)) for url in urls),
        settings.analyze_options,
        readers=_READERS,
    )
    yield from map(_records, batches)  # no name holds a batch on while the next is analysed


def _records(batch: list[AnalyzedPhoto]) -> list[PhotoRecord]:
    return [photo.record for photo in batch]
