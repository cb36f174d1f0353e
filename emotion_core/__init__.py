"""Emoscope's core: emotions, valence and arousal from faces, without a user interface.

Example:
    >>> import emotion_core as emo
    >>> analyzer = emo.load_analyzer()
    >>> for face in analyzer.read("photo.jpg"):
    ...     print(face.box, face.emotion, face.confidence, face.valence, face.arousal)

``__all__`` is the stable public API; everything else may change. Importing the package loads none
of it: each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_HOMES = {
    "load_analyzer": "emotion_core.local_analyzer",
    "load_remote_analyzer": "emotion_core.serving.client",
    "Analyzer": "emotion_core.analyzer",
    "AnalyzeOptions": "emotion_core.types",
    "Analysis": "emotion_core.types",
    "Face": "emotion_core.face",
    "Emotion": "emotion_core.labels",
    "annotate": "emotion_core.imaging.annotate",
    "analyze_video": "emotion_core.video.pipeline",
    "faces_table": "emotion_core.photos.tables",
    "EmotionError": "emotion_core.errors",
}

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer as Analyzer
    from emotion_core.errors import EmotionError as EmotionError
    from emotion_core.face import Face as Face
    from emotion_core.imaging.annotate import annotate as annotate
    from emotion_core.labels import Emotion as Emotion
    from emotion_core.local_analyzer import load_analyzer as load_analyzer
    from emotion_core.photos.tables import faces_table as faces_table
    from emotion_core.serving.client import load_remote_analyzer as load_remote_analyzer
    from emotion_core.types import Analysis as Analysis
    from emotion_core.types import AnalyzeOptions as AnalyzeOptions
    from emotion_core.video.pipeline import analyze_video as analyze_video

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
