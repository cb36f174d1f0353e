"""The photos of one visitor and their results."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.files import archive
from emotion_core.files.archive import MediaArchive, has_suffix
from emotion_core.imaging.codec import MAX_BYTES, SUFFIXES
from emotion_core.photos.pipeline import PhotoSource
from emotion_core.photos.tables import unique_names
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from emotion_core.photos.pipeline import PhotoResult
    from emotion_core.types import Region


@dataclass(frozen=True, slots=True)
class VisitorOptions:
    """Options from the sidebar.

    Attributes:
        emotion: Name of the emotion model; empty for the default.
        detector: Name of the face detector; empty for the default.
        min_score: Minimum detection score, 0-1.
        min_face_px: Minimum length of a face's shorter side in pixels of the photo.
        blur: Whether faces are made unrecognisable.
        largest_only: Whether only the largest face of each image counts.
        region: Part of the image to search; ``None`` for all.
    """

    emotion: str
    detector: str
    min_score: float
    min_face_px: int
    blur: bool
    largest_only: bool = False
    region: Region | None = None

    @property
    def analyze_options(self) -> AnalyzeOptions:
        """Which faces count."""
        return AnalyzeOptions(
            self.min_score, self.min_face_px, region=self.region, largest_only=self.largest_only
        )


@dataclass(frozen=True, eq=False, slots=True)
class Photo(PhotoSource):
    """A photo on the page.

    Attributes:
        key: Unique, even for uploads of the same name.
        n_bytes: Size of the file, or of its part of an archive.
    """

    key: str
    n_bytes: int = 0


@dataclass(slots=True)
class PhotosState:
    """Photos and results; a rerun of the page resumes where the last one was interrupted.

    Attributes:
        options: Options of the results.
        results: Results by key of the photo.
        is_stopped: Whether the analysis is paused.
        failure: Why the analysis failed; empty if it did not.
        sample: Whether the sample is shown if there is no other photo.
        kept: Photos from before the visitor was on another page, when the upload field forgets
            them.
        remarks: One sentence per uploaded ZIP archive that could not be read, or not completely.
    """

    options: VisitorOptions | None = None
    results: dict[str, PhotoResult] = field(default_factory=dict)
    is_stopped: bool = False
    failure: str = ""
    sample: bool = False
    kept: list[Photo] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    _uploaded: list[Photo] = field(default_factory=list)

    def merge_uploads(self, uploads: Sequence[UploadedFile], *, is_back: bool) -> list[Photo]:
        """All photos on the page with unique names: those kept, then the uploads.

        Args:
            uploads: Value of the upload field.
            is_back: Whether the field is a new one, since the visitor was on another page.
        """
        if is_back:
            self.kept += self._uploaded
        present = {upload.file_id for upload in uploads}
        self.kept = [p for p in self.kept if p.key.partition("/")[0] not in present]
        self.remarks = []
        found = [photo for upload in uploads for photo in self._to_photos(upload)]
        names = unique_names([*(p.name for p in self.kept), *(p.name for p in found)])
        self._uploaded = [
            replace(photo, name=name)
            for photo, name in zip(found, names[len(self.kept) :], strict=True)
        ]
        photos = [*self.kept, *self._uploaded]
        if not photos:
            self.resume()
            if not self.sample:
                self.results = {}
        return photos

    def _to_photos(self, upload: UploadedFile) -> Iterator[Photo]:
        """An upload, or the photos in it if it is a ZIP archive."""
        if not has_suffix(upload.name, (archive.SUFFIX,)):
            yield Photo(upload.name, upload.getvalue, upload.file_id, upload.size)
            return
        try:
            with MediaArchive(BytesIO(upload.getvalue()), SUFFIXES) as opened:
                names, n_other = opened.names, len(opened.passed_over)
        except EmotionError as error:
            self.remarks.append(f"{upload.name}: {error}")
            return
        if n_other or not names:
            self.remarks.append(
                f"Photos in {upload.name}: {len(names)}. Other files, passed over: {n_other}."
            )
        for name in names:
            key, share = f"{upload.file_id}/{name}", upload.size // len(names)
            yield Photo(name, partial(_unpack, upload, name), key, share)

    def discard_kept(self) -> None:
        """Removes the kept photos and their results."""
        for photo in self.kept:
            self.results.pop(photo.key, None)
        self.kept = []

    def fork(self) -> PhotosState:
        """The same photos and results for another window, which removes them for itself."""
        return PhotosState(
            self.options,
            dict(self.results),
            is_stopped=self.is_stopped,
            sample=self.sample,
            kept=[*self.kept, *self._uploaded],
        )

    @property
    def n_bytes(self) -> int:
        """Size of the photos and of the images in their results."""
        photos, results = [*self.kept, *self._uploaded], list(self.results.values())
        images = sum(len(result.annotated) + len(result.preview) for result in results)
        return images + sum(photo.n_bytes for photo in photos)

    def give_way(self) -> None:
        """Does nothing: photos are only analysed while their visitor is here."""

    def clear(self) -> None:
        """Frees everything."""
        self.sample = False
        self.results, self.kept, self._uploaded = {}, [], []

    def begin(self, photos: Sequence[Photo], options: VisitorOptions) -> list[Photo]:
        """Drops results of other options and of photos that are no longer on the page.

        Args:
            photos: Photos on the page.
            options: Options with the names of the models in use, which may differ from the choice.

        Returns:
            The photos still to be analysed.
        """
        names = {photo.key: photo.name for photo in photos}
        if options != self.options:
            self.options, self.results = options, {}
        self.results = {
            key: result
            for key, result in self.results.items()
            if names.get(key) == result.record.source
        }
        waiting = [photo for photo in photos if photo.key not in self.results]
        if not waiting:
            self.resume()
        return waiting

    def stop(self) -> None:
        """Pauses the analysis."""
        self.is_stopped = True

    def fail(self, reason: str) -> None:
        """Pauses the analysis because it failed."""
        self.is_stopped, self.failure = True, reason

    def resume(self) -> None:
        """Resumes the analysis."""
        self.is_stopped, self.failure = False, ""

    def hide_sample(self) -> None:
        """Removes the sample and its result."""
        self.sample, self.results = False, {}


def _unpack(upload: UploadedFile, name: str) -> bytes:
    with MediaArchive(BytesIO(upload.getvalue()), SUFFIXES) as opened:
        return opened.read(name, MAX_BYTES + 1)
