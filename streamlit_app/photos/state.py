"""The photos of one visitor and what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotion_core.photos.pipeline import PhotoSource
from emotion_core.photos.tables import unique_names
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from emotion_core.photos.pipeline import PhotoResult


@dataclass(frozen=True, slots=True)
class VisitorOptions:
    """What a visitor chose in the sidebar.

    Attributes:
        emotion: Name of the emotion network; empty for the project's choice.
        detector: Name of the face detector; empty for the project's choice.
        min_score: Faces that the detector is less sure of, 0-1, are left out.
        min_face_px: Faces whose shorter side is less, in pixels of the photo, are left out.
        blur: Whether faces are made unrecognisable.
    """

    emotion: str
    detector: str
    min_score: float
    min_face_px: int
    blur: bool

    @property
    def analyze_options(self) -> AnalyzeOptions:
        """Which faces count."""
        return AnalyzeOptions(self.min_score, self.min_face_px)


@dataclass(frozen=True, eq=False, slots=True)
class Photo:
    """A photo on the page.

    Attributes:
        key: Tells uploads apart, also two of the same name.
        name: Readable and unique on the page.
        read: Gives its bytes.
    """

    key: str
    name: str
    read: Callable[[], bytes]

    def to_source(self) -> PhotoSource:
        """The photo as the core takes it."""
        return PhotoSource(self.name, self.read)


@dataclass(slots=True)
class PhotosState:
    """Results so far; a rerun of the page goes on where the last one was interrupted.

    Attributes:
        options: With which the results were made.
        results: By the key of the photo.
        is_stopped: Whether the rest waits until the visitor wants it.
        failure: Why nothing can be analysed at present; empty if that is not so.
        sample: Whether the sample is on the page while there is nothing else.
        kept: Photos that were in the upload field before the visitor looked at another page; the
            field itself forgets them then.
    """

    options: VisitorOptions | None = None
    results: dict[str, PhotoResult] = field(default_factory=dict)
    is_stopped: bool = False
    failure: str = ""
    sample: bool = False
    kept: list[Photo] = field(default_factory=list)
    _uploaded: list[Photo] = field(default_factory=list)

    def merge_uploads(self, uploads: Sequence[UploadedFile], *, is_back: bool) -> list[Photo]:
        """All photos on the page: those kept, then those in the upload field, under unique names.

        Args:
            uploads: What is in the upload field.
            is_back: Whether the field is a new one, since the visitor was on another page.
        """
        if is_back:
            self.kept += self._uploaded
        present = {upload.file_id for upload in uploads}
        self.kept = [photo for photo in self.kept if photo.key not in present]
        names = unique_names([*(p.name for p in self.kept), *(u.name for u in uploads)])
        self._uploaded = [
            Photo(upload.file_id, name, upload.getvalue)
            for upload, name in zip(uploads, names[len(self.kept) :], strict=True)
        ]
        photos = [*self.kept, *self._uploaded]
        if not photos:
            self.resume()
        return photos

    def discard_kept(self) -> None:
        """Take the kept photos off the page."""
        self.kept = []

    def clear(self) -> None:
        """Free everything."""
        self.results, self.kept, self._uploaded = {}, [], []

    def begin(self, photos: Sequence[Photo], options: VisitorOptions) -> list[Photo]:
        """Forget what is no longer on the page or was analysed otherwise.

        Args:
            photos: What is on the page.
            options: With the names of the networks that are at work, which may be others than the
                visitor chose.

        Returns:
            The photos that are still to be analysed.
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
        """Leave the photos that are not analysed yet."""
        self.is_stopped = True

    def fail(self, reason: str) -> None:
        """Leave them since nothing can be analysed."""
        self.is_stopped, self.failure = True, reason

    def resume(self) -> None:
        """Analyse them after all."""
        self.is_stopped, self.failure = False, ""

    def show_sample(self) -> None:
        """Put the sample photo on the page."""
        self.sample = True

    def hide_sample(self) -> None:
        """Take the sample photo off the page."""
        self.sample = False
