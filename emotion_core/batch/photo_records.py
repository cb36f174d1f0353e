"""The photos of a chunk through the core: read and decoded beside the analysis."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from emotion_core.batch.sources import read_photo
from emotion_core.errors import EmotionError
from emotion_core.images import decode_image
from emotion_core.photos import BATCH_PHOTOS, BATCH_PIXELS
from emotion_core.report import PhotoRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from emotion_core.analyzer import Analyzer
    from emotion_core.images import DecodedImage
    from emotion_core.video.values import VideoSettings

_READERS = 4
"""Photos read and decoded at the same time; more than cores, as storage makes readers wait."""


def iter_records(
    analyzer: Analyzer, urls: Sequence[str], settings: VideoSettings
) -> Iterator[list[PhotoRecord]]:
    """Analyse photos, in batches that depend on the photos alone.

    While a batch is analysed the next one is decoded. At most two batches are in memory, and
    while the size of photos is not known, four photos. A photo that fails is a record with an
    error.

    Args:
        analyzer: The core.
        urls: Places of the photos.
        settings: Which faces are left out.

    Yields:
        The records of the photos that were analysed together, in order; ``source`` is the place.
    """
    waiting = iter(urls)
    queue: deque[_Decoding] = deque()
    ahead = _READERS
    with ThreadPoolExecutor(_READERS, thread_name_prefix="decode") as pool:

        def fill() -> None:
            new = islice(waiting, max(0, ahead - len(queue)))
            queue.extend((url, pool.submit(_decode, url)) for url in new)

        try:
            fill()
            while queue:
                batch, pixels = _take_batch(queue)
                fitting = BATCH_PIXELS * len(batch) // max(1, pixels)
                ahead = min(BATCH_PHOTOS, max(2, fitting))
                fill()
                yield _analyze(analyzer, batch, settings)
        finally:
            for _, future in queue:
                future.cancel()


_Decoding = tuple[str, "Future[DecodedImage]"]


def _decode(url: str) -> DecodedImage:
    return decode_image(read_photo(url))


def _take_batch(queue: deque[_Decoding]) -> tuple[list[_Decoding], int]:
    """Take as many photos from the queue as fit the limits, one at least; tell their pixels."""
    pixels = 0
    batch: list[_Decoding] = []
    while queue and len(batch) < BATCH_PHOTOS:
        future = queue[0][1]
        if future.exception() is None:
            height, width = future.result().pixels.shape[:2]
            if batch and pixels + height * width > BATCH_PIXELS:
                break
            pixels += height * width
        batch.append(queue.popleft())
    return batch, pixels


def _analyze(
    analyzer: Analyzer, batch: list[_Decoding], settings: VideoSettings
) -> list[PhotoRecord]:
    decoded: dict[str, DecodedImage] = {}
    failed: dict[str, str] = {}
    for url, future in batch:
        try:
            decoded[url] = future.result()
        except EmotionError as error:
            failed[url] = str(error)
    analyses = analyzer.analyze(
        [image.pixels for image in decoded.values()],
        min_score=settings.min_score,
        min_face_px=settings.min_face_px,
    )
    found = dict(zip(decoded, analyses, strict=True))
    return [
        PhotoRecord(
            url,
            found.get(url),
            failed.get(url, ""),
            decoded[url].warnings if url in decoded else (),
        )
        for url, _ in batch
    ]
