"""A study without people: made readings that show what a study's results look like.

Nobody was filmed and nothing was analysed; every name, table and text of it says synthetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emotion_core import __version__
from emotion_core.labels import Emotion
from emotion_core.quality import MEASURE_COLUMNS
from emotion_core.study.assignment import StudyVideo
from emotion_core.study.events import no_events
from emotion_core.study.settings import Baseline, StudySettings
from emotion_core.study.tables import Study, StudyRecord
from emotion_core.types import VaSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    _Values = npt.NDArray[np.float64]

SYNTHETIC = "synthetic"
"""The word in the names of its participants, stimuli, events, files, model and detector."""

ABOUT_SYNTHETIC = (
    "All readings are synthetic: made by a program to show what results look like. Nobody was "
    "filmed, nothing was analysed, and no number here is a finding."
)
"""Stands wherever a synthetic study is shown or written."""

_EMOTIONS = (Emotion.NEUTRAL, Emotion.HAPPINESS, Emotion.SADNESS, Emotion.SURPRISE)
_PLACES = {
    Emotion.NEUTRAL: (0.0, 0.0),
    Emotion.HAPPINESS: (0.85, 0.35),
    Emotion.SADNESS: (-0.7, -0.3),
    Emotion.SURPRISE: (0.15, 0.85),
}
"""Where the made readings of each emotion lie in the plane; a shape for show, not a measurement."""

_SHARPNESS = 6.0
_STIMULI = ("calm", "joy", "sad film")
_SIZE_WH, _STEEPNESS = (640, 360), 16.0


def synthetic_study(
    participants: int = 8, *, seconds: float = 24.0, rate_hz: float = 10.0, seed: int = 0
) -> Study:
    """Makes a study of three stimuli; the same arguments give the same study.

    The first participant has no third video, and in the second one's first video somebody else
    walks through, so that missing videos and other people are seen in it, too.

    Args:
        participants: How many.
        seconds: Length of each video.
        rate_hz: Rows a second.
        seed: Of the generator of random numbers.
    """
    generator = np.random.default_rng(seed)
    records = []
    for person in range(participants):
        for number, stimulus in enumerate(_STIMULI):
            if person == 0 and number == len(_STIMULI) - 1 and participants > 1:
                continue
            name = f"{SYNTHETIC}{person + 1:02d}"
            video = StudyVideo(f"{name}_{stimulus}.mp4", name, f"{SYNTHETIC} {stimulus}")
            n = round(seconds * rate_hz)
            frames = _frames(stimulus, n, rate_hz, generator)
            if person == 1 and number == 0:
                frames = _with_visitor(frames, n)
            records.append(StudyRecord(video, "", frames, _facts(n, rate_hz)))
    events = pd.DataFrame({"time_s": [round(0.3 * seconds, 1)], "label": [f"{SYNTHETIC} turn"]})
    return Study(
        tuple(records),
        StudySettings(baseline=Baseline(to_s=2.0)),
        events=events.reindex(columns=no_events().columns, fill_value=""),
        about={"version": __version__, "material": ABOUT_SYNTHETIC, SYNTHETIC: True},
    )


def is_synthetic(about: Mapping[str, Any]) -> bool:
    """Whether what a study tells about its analysis says that there was none."""
    return bool(about.get(SYNTHETIC))


def _frames(stimulus: str, n: int, rate_hz: float, generator: np.random.Generator) -> pd.DataFrame:
    """A table of frames of one person, in the form of a video's analysis."""
    t = np.arange(n) / max(n, 1)
    strength, late = generator.uniform(0.6, 1.1), generator.uniform(-0.08, 0.08)
    valence, arousal = _course(stimulus, t - late)
    wander = np.cumsum(generator.normal(0, 0.03, (n, 2)), axis=0)
    wander -= np.linspace(0, 1, n)[:, None] * wander[-1:]  # ends where it began
    noise = wander + generator.normal(0, 0.02, (n, 2)) + generator.normal(0, 0.05, 2)
    plane = np.clip(np.column_stack([valence, arousal]) * strength + noise, -1, 1)
    places = np.array([_PLACES[emotion] for emotion in _EMOTIONS])
    nearness = -_SHARPNESS * ((plane[:, None] - places) ** 2).sum(axis=2)
    p = np.exp(nearness) / np.exp(nearness).sum(axis=1, keepdims=True)  # (n, emotions)
    probabilities = {f"p_{emotion}": np.zeros(n, np.float32) for emotion in Emotion}
    probabilities |= {f"p_{e}": p[:, i].astype(np.float32) for i, e in enumerate(_EMOTIONS)}
    best = np.array([str(emotion) for emotion in _EMOTIONS], object)[p.argmax(axis=1)]
    quality = {name: np.zeros(n, np.float32) for name in MEASURE_COLUMNS}
    quality |= {"sharpness": np.full(n, 0.5), "brightness": np.full(n, 0.5)}
    blinks = generator.random(n) < 0.03
    quality["quality"] = np.where(blinks, 0.3, 0.9)
    frames = pd.DataFrame(
        {
            "frame": np.arange(n),
            "time_s": (np.arange(n) / rate_hz).round(6),
            "track": pd.array(np.ones(n, np.int64), dtype="Int64"),
            **{name: np.full(n, edge) for name, edge in _box(240.0).items()},
            "score": np.full(n, 0.95),
            "emotion": pd.Series(best, dtype="str"),
            "confidence": p.max(axis=1).astype(np.float32),
            **probabilities,
            "valence": plane[:, 0].astype(np.float32),
            "arousal": plane[:, 1].astype(np.float32),
            "va_source": pd.Series([str(VaSource.HEAD)] * n, dtype="str"),
            "model": pd.Series([SYNTHETIC] * n, dtype="str"),
            **{name: values.astype(np.float32) for name, values in quality.items()},
            "flags": pd.Series(np.where(blinks, "blurred", ""), dtype="str"),
            "is_usable": ~blinks,
            "is_brief": np.zeros(n, bool),
        }
    )
    frames.attrs = {"end_s": n / rate_hz}
    return frames


def _with_visitor(frames: pd.DataFrame, n: int) -> pd.DataFrame:
    """The same with somebody else in the middle third."""
    other = frames.iloc[n // 3 : 2 * n // 3].assign(track=2, score=0.8, **_box(480.0))
    both = pd.concat([frames, other.astype(frames.dtypes.to_dict())])
    joined = both.sort_values(["frame", "track"], kind="stable", ignore_index=True)
    joined.attrs = dict(frames.attrs)
    return joined


def _facts(n: int, rate_hz: float) -> dict[str, Any]:
    return {
        "width": _SIZE_WH[0],
        "height": _SIZE_WH[1],
        "fps": rate_hz,
        "duration_s": n / rate_hz,
        "codec": "",
        "frames_read": n,
        "frames_analyzed": n,
        "model": SYNTHETIC,
        "detector": SYNTHETIC,
        "warning": ABOUT_SYNTHETIC,
    }


def _box(left: float) -> dict[str, float]:
    return {"x1": left, "y1": 80.0, "x2": left + 120, "y2": 240.0}


def _course(stimulus: str, t: _Values) -> tuple[_Values, _Values]:
    """Valence and arousal over a video, whose time is from 0 to 1."""
    if stimulus == "joy":
        return 0.85 * _rise(t, 0.3) * (1 - 0.5 * _rise(t, 0.85)), 0.4 * _rise(t, 0.3)
    if stimulus == "sad film":
        return -0.65 * _rise(t, 0.45), -0.25 * _rise(t, 0.45)
    return 0.1 * np.sin(3 * np.pi * t), np.full(len(t), 0.05)


def _rise(t: _Values, middle: float) -> _Values:
    """From 0 to 1 around a time."""
    return np.asarray(1 / (1 + np.exp(-(t - middle) * _STEEPNESS)))
