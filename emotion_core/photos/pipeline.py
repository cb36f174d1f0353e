"""Many photos through the core: decoding beside analysis, results in order as they come."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emotion_core.errors import EmotionError, ImageDecodeError
from emotion_core.imaging.annotate import annotate, blur_faces
from emotion_core.imaging.codec import MAX_JPEG_PX, DecodedImage, decode_image, encode_jpeg
from emotion_core.imaging.resize import shrink
from emotion_core.models.card import Preprocessing
from emotion_core.photos.tables import PhotoRecord
from emotion_core.recognition.alignment import crop_faces
from emotion_core.tracking.redaction import widen_for_redaction
from emotion_core.types import (
    DEFAULT_OPTIONS,
    AnalyzeOptions,
    Faces,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from emotion_core.analyzer import Analyzer
    from emotion_core.types import Analysis, Image

BATCH_PHOTOS = 8
"""Photos analysed together at most."""

PREVIEW_PX = 1280
"""Longest side of the pictures that the page shows."""

BATCH_PIXELS = 24_000_000
"""Pixels analysed together at most (but always one photo); bounds memory."""


@dataclass(frozen=True, eq=False, slots=True)
class PhotoSource:
    """A photo still to be read.

    Attributes:
        name: Unique in its batch.
        read: Gives the file's bytes; may raise ``OSError``.
    """

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, eq=False, slots=True)
class PhotoResult:
    """One photo, analysed.

    Attributes:
        record: What the tables show.
        annotated: JPEG of the annotated photo at full size, or as large as a JPEG can be; empty
            where the input failed.
        preview: The same at no more than ``PREVIEW_PX``; empty where the input failed.
        thumbnails: One ``(96, 96, 3)`` RGB picture per face.
    """

    record: PhotoRecord
    annotated: bytes = b""
    preview: bytes = b""
    thumbnails: tuple[Image, ...] = ()


class AnalyzedPhoto(NamedTuple):
    """One photo as the core read it.

    Attributes:
        record: What the tables show.
        image: The photo; ``None`` where the input failed.
    """

    record: PhotoRecord
    image: DecodedImage | None


def iter_photos(
    analyzer: Analyzer,
    sources: Iterable[PhotoSource],
    options: AnalyzeOptions = DEFAULT_OPTIONS,
    *,
    blur: bool = False,
) -> Iterator[PhotoResult]:
    """Analyse photos, one result with pictures per source, in order; see ``iter_photo_batches``.

    Args:
        analyzer: The core.
        sources: The photos.
        options: Which faces count.
        blur: Make faces unrecognisable in ``annotated``, also those that are left out.

    Raises:
        EmotionError: As of ``iter_photo_batches``.
    """
    batches = iter_photo_batches(analyzer, sources, widen_for_redaction(options, blur=blur))
    # No name holds a photo on while the next ones are analysed.
    yield from map(partial(_to_result, options=options, blur=blur), chain.from_iterable(batches))


def iter_photo_batches(
    analyzer: Analyzer,
    sources: Iterable[PhotoSource],
    options: AnalyzeOptions = DEFAULT_OPTIONS,
    *,
    readers: int = 2,
) -> Iterator[list[AnalyzedPhoto]]:
    """Analyse photos, in batches that depend on the photos and ``readers`` alone.

    While a batch is analysed, the next photos are decoded in other threads; the larger the
    photos, the fewer of them are in memory. A photo that fails has a record with an error, and the
    others go on.

    Args:
        analyzer: The core.
        sources: The photos.
        options: Which faces count.
        readers: Photos read and decoded at the same time, and before the size of any is known.

    Yields:
        The photos that were analysed together, in order.

    Raises:
        EmotionError: No picture at all can be analysed any more, e.g. as the server is gone. What
            was yielded before is whole.
    """

    def analyze(images: list[Image]) -> list[Analysis]:
        return analyzer.analyze(images, options)

    waiting = iter(sources)
    queue: list[_Decoded] = []
    ahead = readers
    with ThreadPoolExecutor(readers, thread_name_prefix="photo-decode") as pool:

        def fill() -> None:
            new = islice(waiting, max(0, ahead - len(queue)))
            queue.extend((source, pool.submit(_decode, source)) for source in new)

        try:
            fill()
            while queue:
                batch, pixels = _take_batch(queue)
                fitting = BATCH_PIXELS * len(batch) // max(1, pixels)
                ahead = min(BATCH_PHOTOS, max(2, fitting))
                fill()
                yield _analyze_batch(analyze, batch)
        finally:
            for _, future in queue:
                future.cancel()


_THUMBNAIL = Preprocessing(size_px=96, mean=(0.0,) * 3, std=(1.0,) * 3, margin=0.15)
_BLANK: Image = np.zeros((64, 64, 3), np.uint8)
_Decoded = tuple[PhotoSource, "Future[DecodedImage]"]


def _decode(source: PhotoSource) -> DecodedImage:
    return decode_image(source.read())


def _take_batch(queue: list[_Decoded]) -> tuple[list[_Decoded], int]:
    """Take as many photos from the queue as fit the limits, one at least; tell their pixels."""
    pixels = 0
    batch: list[_Decoded] = []
    while queue and len(batch) < BATCH_PHOTOS:
        future = queue[0][1]
        if future.exception() is None:
            height, width = future.result().pixels.shape[:2]
            if batch and pixels + height * width > BATCH_PIXELS:
                break
            pixels += height * width
        batch.append(queue.pop(0))
    return batch, pixels


def _analyze_batch(
    analyze: Callable[[list[Image]], list[Analysis]], batch: list[_Decoded]
) -> list[AnalyzedPhoto]:
    decoded: dict[int, DecodedImage] = {}
    found: dict[int, Analysis] = {}
    failed: dict[int, str] = {}
    for i, (_, future) in enumerate(batch):
        try:
            decoded[i] = future.result()
        except EmotionError as error:
            failed[i] = str(error)
        except OSError as error:
            failed[i] = f"The file cannot be read ({error.strerror or error})."
    answers = _analyze_each(analyze, [image.pixels for image in decoded.values()])
    for i, answer in zip(decoded, answers, strict=True):
        if isinstance(answer, EmotionError):
            failed[i] = str(answer)
        else:
            found[i] = answer
    return [
        AnalyzedPhoto(PhotoRecord(source.name, error=failed[i]), None)
        if i in failed
        else AnalyzedPhoto(
            PhotoRecord(source.name, found[i], warnings=decoded[i].warnings), decoded[i]
        )
        for i, (source, _) in enumerate(batch)
    ]


def _analyze_each(
    analyze: Callable[[list[Image]], list[Analysis]], images: list[Image]
) -> list[Analysis | EmotionError]:
    """Analyse pictures together; where that fails, each alone, with the error of those that fail.

    Raises:
        EmotionError: A blank picture fails as well, so it is not these.
    """
    try:
        return list(analyze(images))
    except EmotionError as error:
        if not isinstance(error, ImageDecodeError):
            analyze([_BLANK])
        if len(images) > 1:
            return [answer for image in images for answer in _analyze_each(analyze, [image])]
        return [error]


def _to_result(photo: AnalyzedPhoto, *, options: AnalyzeOptions, blur: bool) -> PhotoResult:
    record, image = photo
    if image is None or record.analysis is None:
        return PhotoResult(record)
    shown = blur_faces(image.pixels, record.analysis.faces.boxes) if blur else image.pixels
    analysis = options.select(record.analysis)
    record, faces = replace(record, analysis=analysis), analysis.faces
    drawn = annotate(shown, analysis)
    written = shrink(drawn, MAX_JPEG_PX)
    if written is not drawn:
        note = f"The annotated picture is made smaller: a JPEG has at most {MAX_JPEG_PX} px a side."
        record = replace(record, warnings=(*record.warnings, note))
    return PhotoResult(
        record,
        encode_jpeg(written),
        make_preview(drawn),
        tuple(crop_faces(shown, Faces(faces.boxes, faces.scores), _THUMBNAIL)),
    )


def make_preview(image: Image) -> bytes:
    """JPEG of a picture, shrunk so that its longest side has at most ``PREVIEW_PX`` pixels."""
    return encode_jpeg(shrink(image, PREVIEW_PX), quality=88)
