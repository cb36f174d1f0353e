"""Where in a face a reading comes from, and how much it depends on chance.

The occlusion map covers one part of the aligned face after another with the face's mean grey and
tells how much the logit of an emotion falls: where it falls, the network uses what it sees there.
It does not show what a person would look at, nor what causes the expression, and parts that stand
in for each other (both eyes) each seem less important than they are together.

Stability: the same face a little shifted, turned, scaled, lit and mirrored. What a reading changes
by is noise that a user cannot avoid.

Source: M. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_core.recognition.alignment import crop_faces
from emotion_core.types import Predictions

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.labels import Emotion
    from emotion_core.models.card import Preprocessing
    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.types import Faces, FloatArray, Image

_STEPS = 12
"""Places of the patch along each side of the face."""

_PATCH = 1 / 5
"""Side of the patch as a share of the face's."""

_SHIFTS = (-0.04, 0.04)  # of the face's side: detectors err by as much
_TURNS_DEG = (-6.0, 6.0)
_SCALES = (0.94, 1.06)
_GAMMAS = (0.7, 1.4)  # about half a stop darker and brighter
FOR, AGAINST = (214, 39, 40), (31, 119, 180)
"""RGB of the places of a map that speak for the emotion, and against it."""

_SLOPE = 0.3  # of the brightness, from one side to the other

_MIN_FULL_COLOUR = 0.5
"""Change of the log odds below which no place takes full colour: a map of nothing stays pale."""


@dataclass(frozen=True, eq=False, slots=True)
class OcclusionMap:
    """How much each part of an aligned face speaks for an emotion.

    Attributes:
        emotion: What is explained.
        crop: The aligned face as the network sees it, RGB ``(S, S, 3)``.
        drop: ``(S, S)`` fall of the emotion's log odds if the place is covered; negative where
            covering makes the emotion likelier.
        log_odds: Of the emotion, with nothing covered.
        points: ``(5, 2)`` where eyes, nose tip and mouth corners are, as shares of the crop's side;
            ``None`` if the face was not aligned.
    """

    emotion: Emotion
    crop: Image
    drop: FloatArray
    log_odds: float
    points: FloatArray | None = None

    @property
    def share(self) -> float:
        """The emotion's probability with nothing covered, 0-1."""
        return _to_share(self.log_odds)

    def find_strongest(self, *, is_against: bool = False) -> tuple[tuple[float, float], float]:
        """Finds the place that speaks most for the emotion, or most against it.

        Returns:
            x and y as shares of the crop's side, and the probability if the place is covered.
        """
        at = int(self.drop.argmin() if is_against else self.drop.argmax())
        y, x = np.unravel_index(at, self.drop.shape)
        side = len(self.drop)
        share = _to_share(self.log_odds - float(self.drop[y, x]))
        return ((float(x) + 0.5) / side, (float(y) + 0.5) / side), share

    def draw(self, size_px: int = 256) -> Image:
        """The face in grey, redder where it speaks for the emotion and bluer where against it.

        Returns:
            RGB ``(size_px, size_px, 3)``.
        """
        face = cv2.resize(self.crop, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
        grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
        drop = cv2.resize(self.drop, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
        share = (drop / max(_MIN_FULL_COLOUR, float(np.abs(drop).max())))[..., None]
        colour = np.where(share > 0, np.array(FOR, np.float32), np.array(AGAINST, np.float32))
        strength = 0.65 * np.abs(share)
        return np.asarray(grey * (1 - strength) + colour * strength, np.uint8)


@dataclass(frozen=True, eq=False, slots=True)
class ReadingSpread:
    """A face's reading, and between what it lies under small changes of the image.

    Attributes:
        readings: The reading itself, then one for each change.
    """

    readings: Predictions

    def interval(self, emotion: Emotion) -> tuple[float, float]:
        """Minimum and maximum of an emotion's probability."""
        column = self.readings.probabilities[:, self.readings.labels.index(emotion)]
        return float(column.min()), float(column.max())

    @property
    def valence(self) -> tuple[float, float]:
        """Minimum and maximum of valence."""
        return float(self.readings.valence.min()), float(self.readings.valence.max())

    @property
    def arousal(self) -> tuple[float, float]:
        """Minimum and maximum of arousal."""
        return float(self.readings.arousal.min()), float(self.readings.arousal.max())

    @property
    def same_word(self) -> float:
        """Share of the changes under which the word stays the same, 0-1."""
        words = self.readings.top
        return float(np.mean([word is words[0] for word in words[1:]]))


def explain_face(
    classifier: EmotionClassifier, image: Image, face: Faces, emotion: Emotion | None = None
) -> OcclusionMap:
    """Maps which parts of a face speak for an emotion; 144 readings in batches.

    Args:
        classifier: Reads the face.
        image: RGB ``(H, W, 3)``, 0-255.
        face: One face in it.
        emotion: By default the one that is read.

    Raises:
        ValueError: There is not exactly one face, or the model does not know the emotion.
    """
    crop = _crop_one(image, face, classifier.preprocessing)
    before = classifier.classify_crops(crop[None])
    emotion = before.top[0] if emotion is None else emotion
    column = before.labels.index(emotion)
    size_px = len(crop)
    patches = list(_iter_patches(size_px))
    covered = np.repeat(crop[None], len(patches), axis=0)
    grey = crop.mean(axis=(0, 1)).astype(np.uint8)
    for one, (rows, columns) in zip(covered, patches, strict=True):
        one[rows, columns] = grey
    after = classifier.classify_crops(covered)
    log_odds = float(_to_log_odds(before, column)[0])
    fall = log_odds - _to_log_odds(after, column)
    total, times = np.zeros((2, size_px, size_px), np.float32)
    for (rows, columns), value in zip(patches, fall, strict=True):
        total[rows, columns] += value
        times[rows, columns] += 1
    drop = np.asarray(total / np.maximum(times, 1), np.float32)
    template = classifier.preprocessing.template
    is_aligned = template is not None and face.landmarks is not None
    points = np.array(template, np.float32) if is_aligned else None
    return OcclusionMap(emotion, crop, drop, log_odds, points)


def measure_spread(classifier: EmotionClassifier, image: Image, face: Faces) -> ReadingSpread:
    """Reads a face as it is, mirrored, a little shifted, turned, scaled, and in other light.

    Args:
        classifier: Reads the face.
        image: RGB ``(H, W, 3)``, 0-255.
        face: One face in it.

    Raises:
        ValueError: There is not exactly one face.
    """
    crop = _crop_one(image, face, classifier.preprocessing)
    size_px = len(crop)
    middle = ((size_px - 1) / 2, (size_px - 1) / 2)
    turns = [(angle, 1.0) for angle in _TURNS_DEG] + [(0.0, scale) for scale in _SCALES]
    moves = [np.asarray(cv2.getRotationMatrix2D(middle, *turn), np.float64) for turn in turns]
    for share in _SHIFTS:
        moves.append(np.array([[1.0, 0, share * size_px], [0, 1, 0]]))
        moves.append(np.array([[1.0, 0, 0], [0, 1, share * size_px]]))
    crops = [crop, crop[:, ::-1], *(_warp(crop, matrix) for matrix in moves)]
    crops += [_light(crop, gamma, 0) for gamma in _GAMMAS]
    crops += [_light(crop, 1, slope) for slope in (-_SLOPE, _SLOPE)]
    return ReadingSpread(classifier.classify_crops(np.stack(crops)))


def _crop_one(image: Image, face: Faces, preprocessing: Preprocessing) -> Image:
    if len(face) != 1:
        raise ValueError(f"One face is explained at a time, not {len(face)}.")
    crop: Image = crop_faces(image, face, preprocessing)[0]
    return crop


def _iter_patches(size_px: int) -> list[tuple[slice, slice]]:
    side = max(1, round(_PATCH * size_px))
    starts = np.unique(np.linspace(0, size_px - side, _STEPS).round().astype(int))
    return [(slice(y, y + side), slice(x, x + side)) for y in starts for x in starts]


def _to_log_odds(readings: Predictions, column: int) -> npt.NDArray[np.float64]:
    shares = readings.probabilities.astype(np.float64).clip(1e-30)  # 1 - p would be 0 near 1
    rest = np.delete(shares, column, axis=1).sum(axis=1)
    return np.asarray(np.log(shares[:, column] / rest))


def _to_share(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))


def _warp(crop: Image, matrix: npt.NDArray[np.float64]) -> Image:
    size = crop.shape[1::-1]
    return np.asarray(cv2.warpAffine(crop, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _light(crop: Image, gamma: float, slope: float) -> Image:
    ramp = 1 + slope * np.linspace(-0.5, 0.5, crop.shape[1])[None, :, None]
    lit = 255 * (crop / 255) ** gamma * ramp
    return np.asarray(lit.clip(0, 255), dtype=np.uint8)
