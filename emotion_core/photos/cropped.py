"""Photos analysed once with every face, of which options choose without another analysis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.imaging.annotate import blur_all, blur_faces
from emotion_core.imaging.codec import MAX_JPEG_PX, decode_image, encode_jpeg
from emotion_core.imaging.resize import shrink
from emotion_core.models.card import Preprocessing
from emotion_core.photos.pipeline import AnalyzedPhoto, iter_photo_batches, mark_faces, turn_note
from emotion_core.recognition.alignment import crop_faces
from emotion_core.tracking.redaction import widen_for_redaction
from emotion_core.types import AnalyzeOptions, Faces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emotion_core.analyzer import Analyzer
    from emotion_core.local_analyzer import LocalAnalyzer
    from emotion_core.photos.pipeline import PhotoSource
    from emotion_core.photos.tables import PhotoRecord
    from emotion_core.types import Image

EVERY_FACE = AnalyzeOptions(min_score=0.3, min_face_px=8, actions=True)
"""The search of ``iter_cropped_photos``. Options that ask for more choose among its faces; those
that ask for less get no more."""

_CROP = Preprocessing(size_px=128, mean=(0.0,) * 3, std=(1.0,) * 3, margin=0.15)


@dataclass(frozen=True, eq=False, slots=True)
class CroppedPhoto:
    """A photo's analysis with small images of its faces, but without the photo.

    Attributes:
        record: Content of the tables.
        crops: One JPEG of 128 by 128 pixels per face.
        can_be_blurred: Whether a second detector searched, too, for faces to hide.
    """

    record: PhotoRecord
    crops: tuple[bytes, ...] = ()
    can_be_blurred: bool = False

    def select(self, options: AnalyzeOptions) -> CroppedPhoto:
        """The same with the faces that count."""
        analysis = self.record.analysis
        if analysis is None:
            return self
        is_counted = options.find_counted(analysis)
        counted = options.select(analysis)
        if not options.actions:
            counted = replace(counted, predictions=replace(counted.predictions, actions=None))
        warnings = (*self.record.warnings, *turn_note(counted.faces))
        record = replace(self.record, analysis=counted, warnings=warnings)
        crops = [crop for crop, counts in zip(self.crops, is_counted, strict=True) if counts]
        return replace(self, record=record, crops=tuple(crops))

    @property
    def n_bytes(self) -> int:
        """Size of the images."""
        return sum(map(len, self.crops))


def iter_cropped_photos(
    analyzer: Analyzer, sources: Iterable[PhotoSource], *, blur: bool = False
) -> Iterator[CroppedPhoto]:
    """Analyses photos one by one, so that a caller may stop after each; finds ``EVERY_FACE``.

    Args:
        analyzer: Local or remote.
        sources: The photos.
        blur: Whether faces may be blurred, for which a second detector searches, too.

    Raises:
        EmotionError: As in ``iter_photo_batches``.
    """
    options = replace(EVERY_FACE, for_redaction=blur)
    for batch in iter_photo_batches(analyzer, sources, options, max_photos=1):
        yield from (replace(_crop_faces(photo), can_be_blurred=blur) for photo in batch)


def read_again(analyzer: LocalAnalyzer, source: PhotoSource, known: CroppedPhoto) -> CroppedPhoto:
    """Reads the faces of an analysed photo with another model; none is looked for.

    Args:
        analyzer: Reads them.
        source: The photo.
        known: Its result by another model, with every face.

    Raises:
        EmotionError: The photo could not be analysed before, or cannot be decoded any more.
        OSError: It cannot be read any more.
    """
    record = known.record
    if record.analysis is None:
        raise EmotionError(record.error)
    image = decode_image(source.read()).pixels
    options = replace(EVERY_FACE, for_redaction=known.can_be_blurred)
    (analysis,) = analyzer.read_found([image], [record.analysis.faces], options)
    return replace(known, record=replace(record, analysis=analysis))


def blur_crop(crop: bytes) -> bytes:
    """A crop of ``CroppedPhoto`` that nobody can be recognised in."""
    return encode_jpeg(blur_all(decode_image(crop).pixels))


def draw_photo(
    data: bytes, record: PhotoRecord, options: AnalyzeOptions, *, blur: bool, is_marked: bool
) -> Image:
    """Decodes a photo again for somebody who wants to look at it.

    Args:
        data: The photo's file.
        record: Its record with every face.
        options: Which faces count, and whether marks show which of them are unusable.
        blur: Whether to make faces unrecognisable, even faces that do not count, of a photo that
            ``can_be_blurred``.
        is_marked: Whether to mark the faces that count.

    Returns:
        RGB ``(H, W, 3)``, 0-255.

    Raises:
        ImageDecodeError: The file cannot be decoded.
    """
    image = decode_image(data).pixels
    if record.analysis is None:
        return image
    if blur:
        redacted = widen_for_redaction(options, blur=True).select(record.analysis)
        image = blur_faces(image, redacted.faces.boxes)
    return mark_faces(image, options.select(record.analysis), options) if is_marked else image


def encode_photo(image: Image) -> bytes:
    """Encodes a photo as JPEG at its size, or as large as a JPEG can be."""
    return encode_jpeg(shrink(image, MAX_JPEG_PX))


def _crop_faces(photo: AnalyzedPhoto) -> CroppedPhoto:
    record, image = photo
    if image is None or record.analysis is None:
        return CroppedPhoto(record)
    faces = record.analysis.faces
    crops = crop_faces(image.pixels, Faces(faces.boxes, faces.scores), _CROP)
    return CroppedPhoto(
        replace(record, warnings=image.warnings),  # whether it is turned, its counted faces tell
        tuple(encode_jpeg(crop, quality=85) for crop in crops),
    )
