"""The photo pipeline: decodes in threads beside the analysis, yields results in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emotion_core.detection.turned_view import MIN_ROLL_DEG, estimate_rolls, roll_difference
from emotion_core.errors import EmotionError, ImageDecodeError
from emotion_core.imaging.annotate import annotate, blur_faces
from emotion_core.imaging.codec import MAX_JPEG_PX, DecodedImage, decode_image, encode_jpeg
from emotion_core.imaging.resize import shrink
from emotion_core.models.card import Preprocessing
from emotion_core.photos.tables import PhotoRecord
from emotion_core.recognition.alignment import crop_faces
from emotion_core.tracking.redaction import widen_for_redaction
from emotion_core.types import DEFAULT_OPTIONS, AnalyzeOptions, Faces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from emotion_core.analyzer import Analyzer
    from emotion_core.types import Analysis, Image

BATCH_PHOTOS = 8
"""Maximum number of photos in a batch."""

PREVIEW_PX = 1280
"""Longest side of previews for the page."""

BATCH_PIXELS = 24_000_000
"""Maximum number of pixels in a batch (but at least one photo); bounds memory."""


@dataclass(frozen=True, eq=False, slots=True)
class PhotoSource:
    """A photo that is not yet read.

    Attributes:
        name: Unique in its batch.
        read: Returns the file's bytes; may raise ``OSError``.
    """

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, eq=False, slots=True)
class PhotoResult:
    """The results of one photo with its images.

    Attributes:
        record: Content of the tables.
        annotated: JPEG of the annotated photo at full size, or as large as a JPEG can be; empty if
            the input failed.
        preview: The same at no more than ``PREVIEW_PX``; empty if the input failed.
        thumbnails: One ``(96, 96, 3)`` RGB image per face.
    """

    record: PhotoRecord
    annotated: bytes = b""
    preview: bytes = b""
    thumbnails: tuple[Image, ...] = ()


class AnalyzedPhoto(NamedTuple):
    """The results of one photo without images of faces.

    Attributes:
        record: Content of the tables.
        image: The photo; ``None`` if the input failed.
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
    """Analyses photos; one result per source, in order; see ``iter_photo_batches``.

    Args:
        analyzer: Local or remote.
        sources: The photos.
        options: Which faces count.
        blur: Whether to make faces unrecognisable in all images, even faces that do not count.

    Raises:
        EmotionError: As in ``iter_photo_batches``.
    """
    batches = iter_photo_batches(analyzer, sources, widen_for_redaction(options, blur=blur))
    # No variable keeps a photo in memory while the next ones are analysed.
    yield from map(partial(_to_result, options=options, blur=blur), chain.from_iterable(batches))


def iter_photo_batches(
    analyzer: Analyzer,
    sources: Iterable[PhotoSource],
    options: AnalyzeOptions = DEFAULT_OPTIONS,
    *,
    readers: int = 2,
    max_photos: int = BATCH_PHOTOS,
) -> Iterator[list[AnalyzedPhoto]]:
    """Analyses photos in batches, which depend only on the photos and the last two arguments.

    While a batch is analysed, the next photos are decoded in other threads; the larger the photos,
    the fewer of them are in memory. A photo that fails gets a record with an error and does not
    stop the others.

    Args:
        analyzer: Local or remote.
        sources: The photos.
        options: Which faces count.
        readers: Photos decoded at the same time, and before the size of any is known.
        max_photos: Maximum number of photos in a batch.

    Yields:
        The photos that were analysed together, in order.

    Raises:
        EmotionError: No image can be analysed any more, e.g. because the server is down. Earlier
            results are complete.
    """
    waiting = iter(sources)
    queue: list[_Decoding] = []
    ahead = readers
    with ThreadPoolExecutor(readers, thread_name_prefix="photo-decode") as pool:

        def fill() -> None:
            new = islice(waiting, max(0, ahead - len(queue)))
            queue.extend((source, pool.submit(_decode, source)) for source in new)

        try:
            fill()
            while queue:
                batch, pixels = _take_batch(queue, max_photos)
                ahead = min(BATCH_PHOTOS, max(2, BATCH_PIXELS * len(batch) // max(1, pixels)))
                fill()
                yield _analyze_batch(lambda images: analyzer.analyze(images, options), batch)
        finally:
            for _, future in queue:
                future.cancel()


_THUMBNAIL = Preprocessing(size_px=96, mean=(0.0,) * 3, std=(1.0,) * 3, margin=0.15)
_BLANK: Image = np.zeros((64, 64, 3), np.uint8)
_Decoding = tuple[PhotoSource, "Future[DecodedImage]"]


def _decode(source: PhotoSource) -> DecodedImage:
    return decode_image(source.read())


def _take_batch(
    queue: list[_Decoding], max_photos: int = BATCH_PHOTOS
) -> tuple[list[_Decoding], int]:
    """Takes photos from the queue up to the limits, at least one; returns them and their pixels."""
    pixels = 0
    batch: list[_Decoding] = []
    while queue and len(batch) < max_photos:
        future = queue[0][1]
        if future.exception() is None:
            height, width = future.result().pixels.shape[:2]
            if batch and pixels + height * width > BATCH_PIXELS:
                break
            pixels += height * width
        batch.append(queue.pop(0))
    return batch, pixels


def _analyze_batch(
    analyze: Callable[[list[Image]], list[Analysis]], batch: list[_Decoding]
) -> list[AnalyzedPhoto]:
    photos = [AnalyzedPhoto(PhotoRecord(source.name), None) for source, _ in batch]
    decoded: dict[int, DecodedImage] = {}
    errors: dict[int, str] = {}
    for i, (_, future) in enumerate(batch):
        try:
            decoded[i] = future.result()
        except EmotionError as error:
            errors[i] = str(error)
        except OSError as error:
            errors[i] = f"The file cannot be read ({error.strerror or error})."
    results = _analyze_each(analyze, [image.pixels for image in decoded.values()])
    for (i, image), result in zip(decoded.items(), results, strict=True):
        if isinstance(result, EmotionError):
            errors[i] = str(result)
        else:
            warnings = (*image.warnings, *turn_note(result.faces))
            record = PhotoRecord(photos[i].record.source, result, warnings=warnings)
            photos[i] = AnalyzedPhoto(record, image)
    for i, text in errors.items():
        photos[i] = AnalyzedPhoto(replace(photos[i].record, error=text), None)
    return photos


def turn_note(faces: Faces) -> tuple[str, ...]:
    """A sentence on a photo whose faces are all turned by about the same right angle."""
    if not len(faces):
        return ()
    rolls = estimate_rolls(faces)
    quarter = int(np.round(rolls[0] / 90)) % 4
    is_alike = abs(roll_difference(rolls, 90 * quarter)) <= MIN_ROLL_DEG
    if quarter == 0 or not is_alike.all():
        return ()
    how = ("", "by 90 degrees clockwise", "upside down", "by 90 degrees anticlockwise")[quarter]
    return (
        f"The photo seems to be turned {how}; its faces are read as if it were upright, and shown "
        "where they are.",
    )


def _analyze_each(
    analyze: Callable[[list[Image]], list[Analysis]], images: list[Image]
) -> list[Analysis | EmotionError]:
    """Analyses images together or, if that fails, one by one; errors take the place of results.

    Raises:
        EmotionError: A blank image fails as well, so the images are not the cause.
    """
    try:
        return list(analyze(images))
    except EmotionError as error:
        if not isinstance(error, ImageDecodeError):
            analyze([_BLANK])
        if len(images) > 1:
            return [result for image in images for result in _analyze_each(analyze, [image])]
        return [error]


def _to_result(photo: AnalyzedPhoto, *, options: AnalyzeOptions, blur: bool) -> PhotoResult:
    record, image = photo
    if image is None or record.analysis is None:
        return PhotoResult(record)
    shown = blur_faces(image.pixels, record.analysis.faces.boxes) if blur else image.pixels
    analysis = options.select(record.analysis)
    faces = analysis.faces
    notes = (*image.warnings, *turn_note(faces))  # not of faces that are only hidden
    record = replace(record, analysis=analysis, warnings=notes)
    drawn = mark_faces(shown, analysis, options)
    saved = shrink(drawn, MAX_JPEG_PX)
    if saved is not drawn:
        note = f"The annotated image is made smaller: a JPEG has at most {MAX_JPEG_PX} px a side."
        record = replace(record, warnings=(*record.warnings, note))
    thumbnails = crop_faces(shown, Faces(faces.boxes, faces.scores), _THUMBNAIL)
    return PhotoResult(record, encode_jpeg(saved), make_preview(drawn), tuple(thumbnails))


def mark_faces(image: Image, analysis: Analysis, options: AnalyzeOptions) -> Image:
    """Annotates a photo; unusable faces differ from others unless they count as well."""
    return annotate(image, replace(analysis, quality=None) if options.all_faces else analysis)


def make_preview(image: Image) -> bytes:
    """Encodes an image as JPEG, its longest side at most ``PREVIEW_PX`` pixels."""
    return encode_jpeg(shrink(image, PREVIEW_PX), quality=88)
