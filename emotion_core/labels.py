"""The emotions of this project, their synonyms, and their valence and arousal."""

from collections.abc import Iterable
from enum import StrEnum
from types import MappingProxyType


class Emotion(StrEnum):
    """A discrete facial expression; the value is the word used in files, charts and HTTP."""

    NEUTRAL = "neutral"
    HAPPINESS = "happiness"
    SADNESS = "sadness"
    SURPRISE = "surprise"
    FEAR = "fear"
    DISGUST = "disgust"
    ANGER = "anger"
    CONTEMPT = "contempt"
    UNCERTAIN = "uncertain"


LabelSet = tuple[Emotion, ...]
"""The order of a network's outputs. A class index means nothing without it."""

ALL_EMOTIONS: LabelSet = tuple(Emotion)

_SYNONYMS = MappingProxyType(
    {
        "angry": Emotion.ANGER,
        "contemptuous": Emotion.CONTEMPT,
        "disgusted": Emotion.DISGUST,
        "fearful": Emotion.FEAR,
        "happy": Emotion.HAPPINESS,
        "joy": Emotion.HAPPINESS,
        "none": Emotion.UNCERTAIN,
        "sad": Emotion.SADNESS,
        "surprised": Emotion.SURPRISE,
        "unknown": Emotion.UNCERTAIN,
    }
)


def to_emotion(word: str) -> Emotion:
    """Parses one label of a dataset or network.

    Args:
        word: A noun or an adjective in any case, e.g. ``"happy"`` or ``"Happiness"``.

    Raises:
        ValueError: The word is not a known emotion.
    """
    key = word.strip().lower()
    if key in _SYNONYMS:
        return _SYNONYMS[key]
    try:
        return Emotion(key)
    except ValueError:
        known = ", ".join([*ALL_EMOTIONS, *_SYNONYMS])
        raise ValueError(f"{word!r} is not an emotion; known words are: {known}.") from None


def to_label_set(words: Iterable[str]) -> LabelSet:
    """Parses a network's labels in the order of its outputs.

    Raises:
        ValueError: A word is unknown, or two words mean the same emotion.
    """
    labels = tuple(to_emotion(word) for word in words)
    if len(set(labels)) != len(labels):
        raise ValueError(f"Labels name an emotion twice: {', '.join(labels)}.")
    return labels


def _from_unit_interval(valence: float, arousal: float) -> tuple[float, float]:
    return round(2 * valence - 1, 3), round(2 * arousal - 1, 3)


VALENCE_AROUSAL = MappingProxyType(
    {
        Emotion.NEUTRAL: (0.0, 0.0),
        Emotion.HAPPINESS: _from_unit_interval(0.960, 0.732),
        Emotion.SADNESS: _from_unit_interval(0.052, 0.288),
        Emotion.SURPRISE: _from_unit_interval(0.875, 0.875),
        Emotion.FEAR: _from_unit_interval(0.073, 0.840),
        Emotion.DISGUST: _from_unit_interval(0.052, 0.775),
        Emotion.ANGER: _from_unit_interval(0.167, 0.865),
        Emotion.CONTEMPT: _from_unit_interval(0.206, 0.636),
        Emotion.UNCERTAIN: (0.0, 0.0),
    }
)
"""Valence and arousal in [-1, 1] that people associate with the word for each emotion.

For a network without a valence/arousal head, the expectation of these under its probabilities is
reported, and labelled as such. For training faces that nobody rated, a head learns their
expectation under the votes.

Source: S. Mohammad, "Obtaining Reliable Human Ratings of Valence, Arousal, and Dominance for
20,000 English Words", ACL 2018 (NRC-VAD lexicon 1.0, rows of the same words, given there in
[0, 1]; free for research, for commercial use by consent of the National Research Council Canada).
Neutral, and with it uncertain, is the origin of the circumplex (J. Russell, "A Circumplex
Model of Affect", Journal of Personality and Social Psychology 39, 1980), not the lexicon's entry
for the word "neutral".
"""
