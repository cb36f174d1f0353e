"""JSON of analyses and model cards, and its strict validation.

An analysis, version 1::

    {
      "version": 1,
      "size_wh": [512, 330],
      "model": "emoscope-fer-s",
      "time_s": 0.021,
      "server_ms": 34.5,
      "faces": {
        "boxes": [[x1, y1, x2, y2]],
        "scores": [0.93],
        "landmarks": [[[x, y], ...]] or null,
        "track_ids": [1] or null,
        "is_hidden_only": [false] or null
      },
      "predictions": {
        "labels": ["neutral", ...],
        "probabilities": [[0.02, ...]],
        "valence": [0.71],
        "arousal": [0.33],
        "va_source": "head",
        "actions": [[0.01, ...]] or null
      },
      "quality": {"pose_deg": [[yaw, pitch, roll] or null], "sharpness": [0.41],
        "brightness": [0.48], "quality": [0.93], "flags": [["turned"]]} or null,
      "warnings": ["..."]
    }

Coordinates are pixels of the sent image, upright. Earlier servers send no ``quality`` and no
``actions``, which are in the order of ``actions.ACTIONS``, and no ``is_hidden_only``, which tells
of each face whether it only serves hiding. ``time_s``
is the time of the analysis, ``server_ms`` also includes decoding and waiting for a batch. Readers
ignore unknown fields; a change of meaning gets a new version.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np

from emotion_core.actions import ACTIONS, POSE
from emotion_core.errors import RemoteError, WeightsMismatchError
from emotion_core.labels import Emotion
from emotion_core.models.card import AnalyzerInfo, ModelCard, Task
from emotion_core.quality import FACE_FLAGS, MEASURE_COLUMNS, FaceQuality
from emotion_core.serving.strict_json import parse_json, read_numbers
from emotion_core.types import Analysis, Device, Faces, Predictions, VaSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from emotion_core.types import FloatArray

VERSION = 1
"""Version of both documents, the analysis and the description of a server."""

_MEASURES = MEASURE_COLUMNS[len(POSE) :]
_MAX_FACES = 100_000
_MAX_SIDE_PX = 1_000_000
_T = TypeVar("_T")
_N = TypeVar("_N", bound=np.generic)


def analysis_to_wire(
    analysis: Analysis, *, server_ms: float, warnings: Sequence[str] = ()
) -> dict[str, Any]:
    """Converts an analysis to the JSON document described above.

    Args:
        analysis: The analysis of an image.
        server_ms: Milliseconds since the image arrived.
        warnings: Sentences about problems with the image.
    """
    faces, predictions, hidden = analysis.faces, analysis.predictions, analysis.faces.is_hidden_only
    return {
        "version": VERSION,
        "size_wh": list(analysis.size_wh),
        "model": analysis.model,
        "time_s": round(analysis.time_s, 6),
        "server_ms": round(server_ms, 3),
        "faces": {
            "boxes": faces.boxes.tolist(),
            "scores": faces.scores.tolist(),
            "landmarks": None if faces.landmarks is None else faces.landmarks.tolist(),
            "track_ids": None if faces.track_ids is None else faces.track_ids.tolist(),
            "is_hidden_only": None if hidden is None else hidden.tolist(),
        },
        "predictions": {
            "labels": [str(label) for label in predictions.labels],
            "probabilities": predictions.probabilities.tolist(),
            "valence": predictions.valence.tolist(),
            "arousal": predictions.arousal.tolist(),
            "va_source": str(predictions.va_source),
            "actions": None if predictions.actions is None else predictions.actions.tolist(),
        },
        "quality": None if analysis.quality is None else _quality_to_wire(analysis.quality),
        "warnings": list(warnings),
    }


def _quality_to_wire(quality: FaceQuality) -> dict[str, Any]:
    poses = [pose.tolist() if np.isfinite(pose).all() else None for pose in quality.pose_deg]
    measures = {name: getattr(quality, name).tolist() for name in _MEASURES}
    flags = [list(map(str, quality.flags_of(face))) for face in range(len(quality))]
    return {"pose_deg": poses, **measures, "flags": flags}


def analysis_from_json(data: bytes) -> Analysis:
    """Parses the JSON document of an analysis, as described above.

    Raises:
        RemoteError: The document is not valid.
    """
    return _read(data, _to_analysis)


def info_to_wire(info: AnalyzerInfo) -> dict[str, Any]:
    """Converts the description of an analyzer to JSON, with both full model cards."""
    return {
        "version": VERSION,
        "emotion": info.emotion.to_fields(),
        "detector": info.detector.to_fields(),
        "device": info.device,
        "origins": list(info.origins),
        "notices": list(info.notices),
    }


def info_from_json(data: bytes) -> AnalyzerInfo:
    """Parses the JSON description of a server's analyzer.

    Raises:
        RemoteError: The document is not valid.
    """
    return _read(data, _to_info)


def _read(data: bytes, convert: Callable[[dict[str, Any]], _T]) -> _T:
    try:
        fields = _expect(dict, parse_json(data), "the response")
        if fields.get("version") != VERSION:
            raise ValueError(f"its version is not {VERSION}")
        return convert(fields)
    except (ValueError, TypeError, LookupError, OverflowError, WeightsMismatchError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise RemoteError(
            f"The server's response is not valid ({str(reason)[:200]}); use the same version of "
            "Emoscope on both sides, and check that the address is that of its server."
        ) from error


def _to_analysis(fields: dict[str, Any]) -> Analysis:
    width, height = (
        _to_int(side, "size_wh") for side in _expect(list, fields["size_wh"], "size_wh")
    )
    if max(width, height) > _MAX_SIDE_PX:
        raise ValueError("size_wh is too large")
    found = _expect(dict, fields["faces"], "faces")
    read = _expect(dict, fields["predictions"], "predictions")
    n = len(_expect(list, found["boxes"], "boxes"))
    labels = tuple(Emotion(label) for label in _expect(list, read["labels"], "labels"))
    if n > _MAX_FACES or not labels or len(set(labels)) != len(labels):
        raise ValueError("there are too many faces, or no distinct labels")
    points, acts = found["landmarks"], read.get("actions")
    faces = Faces(
        _floats(found["boxes"], (n, 4), "boxes"),
        _floats(found["scores"], (n,), "scores"),
        None if points is None else _floats(points, (n, 5, 2), "landmarks"),
        _to_array(found["track_ids"], _to_int, np.int64, "track_ids"),
        _to_array(found.get("is_hidden_only"), partial(_expect, bool), np.bool_, "is_hidden_only"),
    )
    if (faces.boxes < 0).any() or (faces.boxes > [width, height, width, height]).any():
        raise ValueError("boxes extend beyond the image")
    predictions = Predictions(
        labels,
        _floats(read["probabilities"], (n, len(labels)), "probabilities"),
        _floats(read["valence"], (n,), "valence"),
        _floats(read["arousal"], (n,), "arousal"),
        VaSource(read["va_source"]),
        None if acts is None else _floats(acts, (n, len(ACTIONS)), "actions"),
    )
    model = _expect(str, fields["model"], "model")
    time_s = float(_floats([fields["time_s"]], (1,), "time_s")[0])
    measured = fields.get("quality")
    quality = None if measured is None else _to_quality(_expect(dict, measured, "quality"), n)
    return Analysis((width, height), faces, predictions, model[:200], time_s, quality)


def _to_quality(fields: dict[str, Any], n: int) -> FaceQuality:
    poses = _expect(list, fields["pose_deg"], "pose_deg")
    known = [pose is not None for pose in poses]
    pose_deg = np.full((len(poses), 3), np.nan, np.float32)
    pose_deg[known] = _floats([p for p in poses if p is not None], (sum(known), 3), "pose_deg")
    words = [_to_texts(row, "flags") for row in _expect(list, fields["flags"], "flags")]
    flags = np.array([[flag in row for flag in FACE_FLAGS] for row in words], np.bool_)
    sharpness, brightness, quality = (_floats(fields[name], (n,), name) for name in _MEASURES)
    flags = flags.reshape(len(words), len(FACE_FLAGS))
    return FaceQuality(pose_deg, sharpness, brightness, quality, flags)


def _to_info(fields: dict[str, Any]) -> AnalyzerInfo:
    device = fields["device"]
    if device not in get_args(Device):
        raise ValueError("its device is unknown")
    return AnalyzerInfo(
        _to_card(fields["emotion"], Task.EMOTION),
        _to_card(fields["detector"], Task.DETECTION),
        device,
        _to_texts(fields["origins"], "origins"),
        _to_texts(fields["notices"], "notices"),
    )


def _to_card(value: object, task: Task) -> ModelCard:
    fields: dict[str, Any] = _expect(dict, value, "a card")
    for name in ("repo_id", "revision"):
        if fields[name] is not None:
            _expect(str, fields[name], name)
    card = ModelCard.from_json(json.dumps(fields), repo_id="", revision="")
    if card.task is not task:
        raise ValueError(f"{card.name} is not a {task} model")
    return replace(card, repo_id=fields["repo_id"], revision=fields["revision"])


def _expect(kind: type[_T], value: object, name: str) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is not of type {kind.__name__}")
    return value


def _to_int(value: object, name: str) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{name} is not a number")
    return _expect(int, value, name)


def _to_array(
    value: object, convert: Callable[[object, str], _T], dtype: type[_N], name: str
) -> npt.NDArray[_N] | None:
    if value is None:
        return None
    return np.array([convert(one, name) for one in _expect(list, value, name)], dtype)


def _floats(value: object, shape: tuple[int, ...], name: str) -> FloatArray:
    """Converts nested lists to an array of a shape; rejects text, booleans and infinity."""
    array = read_numbers(_expect(list, value, name))
    if np.abs(array).max(initial=0) > np.finfo(np.float32).max:
        raise ValueError(f"{name} must be finite")
    if array.size and array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, not {array.shape}")
    return array.astype(np.float32).reshape(shape)


def _to_texts(value: object, name: str) -> tuple[str, ...]:
    return tuple(_expect(str, one, name)[:1000] for one in _expect(list, value, name))
