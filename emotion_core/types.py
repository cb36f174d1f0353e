"""The types that carry the data. Validated once, when they are made; never coerced."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from emotion_core.actions import ACTIONS
from emotion_core.checks import check, check_floats, check_shares
from emotion_core.face import Face, face_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from emotion_core.labels import Emotion, LabelSet
    from emotion_core.quality import FaceQuality

    Chosen = slice | npt.NDArray[np.bool_] | npt.NDArray[np.int64]

Image = npt.NDArray[np.uint8]
"""RGB, shape ``(H, W, 3)``, 0-255."""

FloatArray = npt.NDArray[np.float32]
"""A float32 array; each use states its shape."""

Region = tuple[int, int, int, int]  # x, y, width and height in pixels

Device = Literal["cpu", "cuda"]

DEFAULT_MIN_SCORE = 0.6
"""Default minimum confidence of a detected face."""

DEFAULT_MIN_FACE_PX = 12
"""Default minimum of a face's shorter side. Emotion networks see 48 pixels or more: at a quarter of
that they recognise next to nothing. Of the street photos' annotated faces of at least 16 pixels
this loses none (16 would: boxes err)."""

DEFAULT_MIN_SEEN_S = 0.3
"""Default minimum of seconds for which a face must be seen in a video to count as a person. SORT
(A. Bewley et al., ICIP 2016) waits for three frames; a time suits any rate of analysis."""


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """How images are analysed; shared by all images of a batch.

    Attributes:
        min_score: Minimum confidence of the detector, 0-1.
        min_face_px: Minimum of a face's shorter side in pixels of the image.
        search_px: Longest side, in pixels, at which an image is searched in a single quick pass,
            for frames of a video. ``None`` for a thorough search, as for photos.
        region: x, y, width and height in pixels of the part to search; ``None`` for all.
        largest_only: Whether only the largest face counts.
        rolls_deg: Clockwise angles, in degrees, of turned faces to search for besides upright ones.
        all_faces: Whether unusable faces count in means, charts and drawings, too.
        actions: Whether to report action features, too, if the model has them.
        for_redaction: Whether faces are to be hidden: a second detector then searches, too, if
            there is one, and what only that one finds (``Faces.is_hidden_only``) counts.
    """

    min_score: float = DEFAULT_MIN_SCORE
    min_face_px: float = DEFAULT_MIN_FACE_PX
    search_px: int | None = None
    region: Region | None = None
    largest_only: bool = False
    rolls_deg: tuple[float, ...] = ()
    all_faces: bool = False
    actions: bool = False
    for_redaction: bool = False

    def find_counted(self, analysis: Analysis) -> npt.NDArray[np.bool_]:
        """Which faces of an analysis count, as a mask ``(N,)``."""
        boxes = analysis.faces.boxes
        sides = boxes[:, 2:] - boxes[:, :2]
        kept = (analysis.faces.scores >= self.min_score) & (sides >= self.min_face_px).all(axis=1)
        if analysis.faces.is_hidden_only is not None and not self.for_redaction:
            kept &= ~analysis.faces.is_hidden_only
        if self.region:
            x, y, width, height = self.region
            inside = boxes[:, :2] + sides / 2 - (x, y)
            kept &= ((inside >= 0) & (inside <= (width, height))).all(axis=1)
        if self.largest_only and kept.any():
            kept = np.arange(len(kept)) == np.where(kept, sides.prod(axis=1), -1).argmax()
        return np.asarray(kept, np.bool_)

    def select(self, analysis: Analysis) -> Analysis:
        """Drops the faces of an analysis that do not count."""
        kept = self.find_counted(analysis)
        return analysis if kept.all() else analysis[kept]


DEFAULT_OPTIONS = AnalyzeOptions()


class VaSource(StrEnum):
    """Where valence and arousal come from."""

    HEAD = "head"
    """Outputs of the network's own regression head."""

    EXPECTATION = "expectation"
    """Expectation of published per-emotion coordinates under the network's probabilities."""


@dataclass(frozen=True, eq=False, slots=True)
class Faces:
    """The faces found in one image, from left to right.

    Attributes:
        boxes: ``(N, 4)`` x1, y1, x2, y2 in pixels of the image, inside it.
        scores: ``(N,)`` detector confidence, 0-1.
        landmarks: ``(N, 5, 2)`` pixels: two eyes, nose tip, two mouth corners; of each pair the one
            that is left in the image of an upright face comes first. ``None`` if unknown.
        track_ids: ``(N,)`` int64 identity within one video or stream; ``None`` outside of one.
        is_hidden_only: ``(N,)`` whether only a second detector found a face, which is hidden if
            faces are, and counts nowhere else; ``None`` if none searched.
    """

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray | None = None
    track_ids: npt.NDArray[np.int64] | None = None
    is_hidden_only: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        n = len(self.boxes)
        check_floats(self.boxes, (n, 4), "boxes")
        check_floats(self.scores, (n,), "scores")
        check(bool((self.boxes[:, :2] <= self.boxes[:, 2:]).all()), "boxes must be x1, y1, x2, y2.")
        check_shares(self.scores, "scores")
        if self.landmarks is not None:
            check_floats(self.landmarks, (n, 5, 2), "landmarks")
        if self.track_ids is not None:
            check(self.track_ids.shape == (n,), "track_ids must have one entry per box.")
        if self.is_hidden_only is not None:
            is_mask = self.is_hidden_only.dtype == bool and self.is_hidden_only.shape == (n,)
            check(is_mask, "is_hidden_only must have one truth value per box.")

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, chosen: Chosen) -> Faces:
        """Selects faces by a mask, by indices or, without a copy, by a slice."""
        part = object.__new__(Faces)  # skips the checks, which would take longer than the selection
        for name in self.__slots__:
            values = getattr(self, name)
            object.__setattr__(part, name, None if values is None else values[chosen])
        return part

    @classmethod
    def empty(cls) -> Faces:
        """The value for an image without a face."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


@dataclass(frozen=True, eq=False, slots=True)
class Predictions:
    """The emotions that a network predicts for N faces.

    Attributes:
        labels: Order of the C columns of ``probabilities``.
        probabilities: ``(N, C)``, each row sums to 1.
        valence: ``(N,)`` unpleasant to pleasant, [-1, 1].
        arousal: ``(N,)`` calm to excited, [-1, 1].
        va_source: Where valence and arousal come from.
        actions: ``(N, 51)`` action features in the order of ``actions.ACTIONS``, each from 0 (at
            rest) to 1; ``None`` if the model has none or they were not asked for.
    """

    labels: LabelSet
    probabilities: FloatArray
    valence: FloatArray
    arousal: FloatArray
    va_source: VaSource
    actions: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.probabilities)
        check_floats(self.probabilities, (n, len(self.labels)), "probabilities")
        sums = self.probabilities.sum(axis=1)
        check(bool(np.allclose(sums, 1, atol=1e-3)), "rows of probabilities must sum to 1.")
        for name, values in (("valence", self.valence), ("arousal", self.arousal)):
            check_floats(values, (n,), name)
            check(bool((np.abs(values) <= 1).all()), f"{name} must lie in [-1, 1].")
        if self.actions is not None:
            check_floats(self.actions, (n, len(ACTIONS)), "actions")
            check_shares(self.actions, "actions")

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, chosen: Chosen) -> Predictions:
        """Selects faces by a slice, a mask or indices."""
        names = ("probabilities", "valence", "arousal", "actions")
        given = {name: getattr(self, name) for name in names}
        return replace(self, **{k: v[chosen] for k, v in given.items() if v is not None})

    @property
    def top(self) -> list[Emotion]:
        """The most probable emotion of each face."""
        return [self.labels[i] for i in self.probabilities.argmax(axis=1)] if len(self) else []

    @property
    def confidence(self) -> FloatArray:
        """``(N,)`` probability of the most probable emotion."""
        return np.asarray(self.probabilities.max(axis=1, initial=0), np.float32)


@dataclass(frozen=True, eq=False, slots=True)
class Analysis:
    """The result for one image, the only one that pages, files and servers handle.

    Attributes:
        size_wh: Width and height of the image in pixels.
        faces: The faces, from left to right.
        predictions: One per face, in the same order.
        model: Name of the emotion network, as files and charts cite it.
        time_s: Seconds of analysis per image (the time of a batch is divided evenly).
        quality: Of the faces, in the same order; ``None`` if it was not measured.
    """

    size_wh: tuple[int, int]
    faces: Faces
    predictions: Predictions
    model: str
    time_s: float
    quality: FaceQuality | None = None

    def __post_init__(self) -> None:
        check(len(self.faces) == len(self.predictions), "one prediction per face is needed.")
        check(min(self.size_wh) > 0, "an image has at least one pixel.")
        if self.quality is not None:
            check(len(self.quality) == len(self), "one quality per face is needed.")

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, chosen: Chosen) -> Analysis:
        """Selects faces by a slice, a mask or indices."""
        quality = None if self.quality is None else self.quality[chosen]
        faces, predictions = self.faces[chosen], self.predictions[chosen]
        return replace(self, faces=faces, predictions=predictions, quality=quality)

    @property
    def is_usable(self) -> npt.NDArray[np.bool_]:
        """``(N,)`` whether the reading of each face counts; all do if their quality is unknown."""
        return np.ones(len(self), bool) if self.quality is None else self.quality.is_usable

    def __iter__(self) -> Iterator[Face]:
        """Yields the faces, from left to right."""
        faces, predictions, labels = self.faces, self.predictions, self.predictions.labels
        confidence = predictions.confidence.tolist()  # computed for all faces at once
        actions = None if predictions.actions is None else predictions.actions.tolist()
        measured = [{}] * len(self) if self.quality is None else self.quality.to_fields()
        for i, emotion in enumerate(predictions.top):
            x1, y1, x2, y2 = faces.boxes[i].tolist()
            yield Face(
                box=(x1, y1, x2, y2),
                score=float(faces.scores[i]),
                emotion=emotion,
                confidence=confidence[i],
                probabilities=dict(zip(labels, predictions.probabilities[i].tolist(), strict=True)),
                valence=float(predictions.valence[i]),
                arousal=float(predictions.arousal[i]),
                landmarks=None if faces.landmarks is None else faces.landmarks[i],
                track_id=None if faces.track_ids is None else int(faces.track_ids[i]),
                actions={} if actions is None else dict(zip(ACTIONS, actions[i], strict=True)),
                **measured[i],
            )

    @property
    def columns(self) -> list[str]:
        """The ``face_columns`` of ``to_rows``."""
        return face_columns(self.predictions.labels, actions=self.predictions.actions is not None)

    def to_rows(self) -> list[dict[str, object]]:
        """One dictionary per face, keyed by ``columns``."""
        columns, boxes = self.columns, self.faces.boxes.round(1).tolist()
        source = str(self.predictions.va_source)
        rows: list[dict[str, object]] = []
        for number, (face, box) in enumerate(zip(self, boxes, strict=True), 1):
            values = [number, *box, face.score, str(face.emotion), face.confidence]
            values += [*face.probabilities.values(), face.valence, face.arousal, source, self.model]
            values += [*face.quality_cells.values(), *face.actions.values()]
            rows.append(dict(zip(columns, values, strict=True)))
        return rows

    def to_dataframe(self) -> pd.DataFrame:
        """A table with one row per face and these ``columns``."""
        import pandas as pd

        return pd.DataFrame(self.to_rows(), columns=self.columns)
