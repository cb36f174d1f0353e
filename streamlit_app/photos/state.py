"""The photos of one visitor and their results."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, ClassVar

from emotion_core.errors import EmotionError
from emotion_core.files import archive
from emotion_core.files.archive import MediaArchive, has_suffix
from emotion_core.imaging.codec import MAX_BYTES, SUFFIXES
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.photos import cropped
from emotion_core.photos.pipeline import PhotoSource, make_preview
from emotion_core.photos.tables import unique_names
from streamlit_app.photos.explaining import FaceExplainer
from streamlit_app.photos.face_labels import FaceLabels
from streamlit_app.photos.second_readings import SecondReadings
from streamlit_app.visits import RETURN_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from emotion_core.analyzer import Analyzer
    from emotion_core.photos.cropped import CroppedPhoto
    from emotion_core.types import Image
    from streamlit_app.visitor_options import VisitorOptions

_MAX_PREVIEWS = 6
"""Photos whose previews are kept; more are made again when they are looked at."""


@dataclass(frozen=True, eq=False, slots=True)
class Photo(PhotoSource):
    """A photo on the page.

    Attributes:
        key: Unique, even for uploads of the same name.
        n_bytes: Size of the file, or of its part of an archive.
    """

    key: str
    n_bytes: int = 0

    @property
    def sha256(self) -> str:
        """Hash of the file, in hexadecimal digits."""
        return hashlib.sha256(self.read()).hexdigest()


@dataclass(slots=True)
class PhotosState:
    """Photos and results; a rerun of the page resumes where the last one was interrupted.

    Attributes:
        models: Names of the models of the results.
        results: Results by key of the photo, with faces that do not count at present, too.
        is_stopped: Whether the analysis is paused.
        failure: Why the analysis failed; empty if it did not.
        sample: Whether the sample is shown if there is no other photo.
        kept: Photos from before the visitor was on another page, when the upload field forgets
            them.
        remarks: One sentence per uploaded ZIP archive that could not be read, or not completely.
        labels: What the visitor says of the faces.
        explainer: Explains readings, and keeps the last ones.
        second: What other models read.
    """

    return_s: ClassVar[float] = RETURN_S

    models: tuple[str, str] = ("", "")
    results: dict[str, CroppedPhoto] = field(default_factory=dict)
    is_stopped: bool = False
    failure: str = ""
    sample: bool = False
    kept: list[Photo] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    labels: FaceLabels = field(default_factory=FaceLabels)
    explainer: FaceExplainer = field(default_factory=FaceExplainer)
    second: SecondReadings = field(default_factory=SecondReadings)
    _uploaded: list[Photo] = field(default_factory=list)
    _previews: dict[tuple[str, bool, float], bytes] = field(default_factory=dict)
    _blurred: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    _known: dict[str, CroppedPhoto] = field(default_factory=dict)  # by another emotion model

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
            self.models,
            dict(self.results),
            is_stopped=self.is_stopped,
            sample=self.sample,
            kept=[*self.kept, *self._uploaded],
            labels=self.labels.fork(),
        )

    @property
    def has_photos(self) -> bool:
        """Whether there were photos on the page when it ran last."""
        return bool(self.sample or self.kept or self._uploaded)

    @property
    def n_bytes(self) -> int:
        """Size of the photos and of the images in their results."""
        images = sum(result.n_bytes for result in list(self.results.values()))
        images += sum(map(len, list(self._previews.values()))) + self.explainer.n_bytes
        return images + sum(photo.n_bytes for photo in [*self.kept, *self._uploaded])

    def give_way(self) -> None:
        """Does nothing: photos are only analysed while their visitor is here."""

    def clear(self) -> None:
        """Frees everything."""
        self.sample = False
        self.results, self.kept, self._uploaded = {}, [], []
        self._previews, self._blurred, self._known = {}, {}, {}
        self.labels = FaceLabels()
        self.explainer, self.second = FaceExplainer(), SecondReadings()

    def begin(
        self, photos: Sequence[Photo], models: tuple[str, str], *, blur: bool = False
    ) -> list[Photo]:
        """Drops results of other models and of photos that are no longer on the page.

        Args:
            photos: Photos on the page.
            models: Names of the models in use, which may differ from the choice.
            blur: Whether faces are made unrecognisable: photos that cannot be blurred yet have to
                be analysed again, and must not be shown before.

        Returns:
            The photos still to be analysed.
        """
        names = {photo.key: photo.name for photo in photos}
        if models != self.models:
            has_same_faces = models[1] == self.models[1]
            self._known = {**self._known, **self.results} if has_same_faces else {}
            self.models, self.results = models, {}
            if not has_same_faces:  # images of other faces, or with other faces hidden, go too
                self._previews, self._blurred = {}, {}
        self.results = _keep_named(self.results, names)
        self._known = _keep_named(self._known, names)
        self._previews = {k: jpeg for k, jpeg in self._previews.items() if k[0] in names}
        self._blurred = {key: crops for key, crops in self._blurred.items() if key in names}
        waiting = [photo for photo in photos if not self._is_done(photo, blur=blur)]
        if not waiting:
            self.resume()
        return waiting

    def _is_done(self, photo: Photo, *, blur: bool) -> bool:
        result = self.results.get(photo.key)
        return result is not None and (result.can_be_blurred or not blur)

    def iter_results(
        self, analyzer: Analyzer, waiting: Sequence[Photo], *, blur: bool
    ) -> Iterator[tuple[Photo, CroppedPhoto]]:
        """Analyses photos, first those whose faces are known; see ``iter_photo_batches``."""
        new = []
        for photo in waiting:
            known = self._known.get(photo.key)
            again = None
            if isinstance(analyzer, LocalAnalyzer) and known and blur <= known.can_be_blurred:
                with suppress(EmotionError, OSError):  # a new analysis tells what is wrong
                    again = cropped.read_again(analyzer, photo, known)
            if again is None:
                new.append(photo)
            else:
                yield photo, again
        yield from zip(new, cropped.iter_cropped_photos(analyzer, new, blur=blur), strict=True)

    def add(self, photo: Photo, result: CroppedPhoto) -> None:
        """Keeps the result of a photo, and forgets images made from an earlier one."""
        self.results[photo.key] = result
        self._known.pop(photo.key, None)
        self._blurred.pop(photo.key, None)
        self._previews = {k: jpeg for k, jpeg in self._previews.items() if k[0] != photo.key}

    def preview(self, photo: Photo, options: VisitorOptions) -> bytes:
        """A JPEG of a photo for the page, blurred if the visitor wishes.

        Raises:
            EmotionError: The photo is gone.
        """
        key = (photo.key, options.blur, options.min_score if options.blur else 0.0)
        jpeg = self._previews.pop(key, None)  # what was looked at last is dropped last
        if jpeg is None:
            jpeg = make_preview(self._draw(photo, options, is_marked=False))
        self._previews[key] = jpeg
        for old in list(self._previews)[:-_MAX_PREVIEWS]:
            del self._previews[old]
        return jpeg

    def annotated(self, photo: Photo, options: VisitorOptions, *, all_faces: bool = False) -> bytes:
        """A JPEG of a photo at full size with its faces marked; made anew each time.

        With ``all_faces`` marks do not show which faces are unusable.
        """
        return cropped.encode_photo(self._draw(photo, options, is_marked=True, all_faces=all_faces))

    def crops(self, photo: Photo, options: VisitorOptions) -> CroppedPhoto:
        """The result of a photo with the faces that count, blurred if the visitor wishes."""
        result = self.results[photo.key]
        if options.blur:
            if photo.key not in self._blurred:
                self._blurred[photo.key] = tuple(map(cropped.blur_crop, result.crops))
            result = replace(result, crops=self._blurred[photo.key])
        else:
            self._blurred.pop(photo.key, None)
        return result.select(options.analyze_options)

    def _draw(
        self, photo: Photo, options: VisitorOptions, *, is_marked: bool, all_faces: bool = False
    ) -> Image:
        record = self.results[photo.key].record
        choice, blur = replace(options.analyze_options, all_faces=all_faces), options.blur
        return cropped.draw_photo(photo.read(), record, choice, blur=blur, is_marked=is_marked)

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


def _keep_named(results: dict[str, CroppedPhoto], names: dict[str, str]) -> dict[str, CroppedPhoto]:
    """The results of photos on the page that are still called the same."""
    return {k: found for k, found in results.items() if names.get(k) == found.record.source}


def _unpack(upload: UploadedFile, name: str) -> bytes:
    with MediaArchive(BytesIO(upload.getvalue()), SUFFIXES) as opened:
        return opened.read(name, MAX_BYTES + 1)
