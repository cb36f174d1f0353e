"""What goes over the wire: results and cards as JSON, and back under strict checks.

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
        "track_ids": [1] or null
      },
      "predictions": {
        "labels": ["neutral", ...],
        "probabilities": [[0.02, ...]],
        "valence": [0.71],
        "arousal": [0.33],
        "va_source": "head"
      },
      "warnings": ["..."]
    }

Pixels are those of the picture that was sent, upright. ``time_s`` is the analysis' own,
``server_ms`` also counts decoding and the wait for a batch. A reader ignores fields that it does
not know; a change of meaning gets a new version.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np

from emotion_core.errors import RemoteError, WeightsMismatchError
from emotion_core.labels import Emotion
from emotion_core.models.card import AnalyzerInfo, ModelCard, Task
from emotion_core.types import Analysis, Device, Faces, Predictions, VaSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from emotion_core.types import FloatArray

VERSION = 1
"""Of both forms, the analysis and the description of a server."""

_MAX_FACES = 100_000
_MAX_SIDE_PX = 1_000_000
_T = TypeVar("_T")


def analysis_to_wire(
    analysis: Analysis, *, server_ms: float, warnings: Sequence[str] = ()
) -> dict[str, Any]:
    """Turn an analysis into what JSON can hold; the form is described above.

    Args:
        analysis: What was found in a picture.
        server_ms: Milliseconds between the picture's arrival and now.
        warnings: What is odd about the picture, one sentence each.
    """
    faces, read = analysis.faces, analysis.predictions
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
        },
        "predictions": {
            "labels": [str(label) for label in read.labels],
            "probabilities": read.probabilities.tolist(),
            "valence": read.valence.tolist(),
            "arousal": read.arousal.tolist(),
            "va_source": str(read.va_source),
        },
        "warnings": list(warnings),
    }


def analysis_from_json(data: bytes) -> Analysis:
    """Read an analysis that a server sent.

    Args:
        data: UTF-8 JSON of the form described above.

    Raises:
        RemoteError: It is anything else.
    """
    return _read(data, _to_analysis)


def info_to_wire(info: AnalyzerInfo) -> dict[str, Any]:
    """Describe what is at work: both cards whole, so that a page can cite them."""
    return {
        "version": VERSION,
        "emotion": info.emotion.to_fields(),
        "detector": info.detector.to_fields(),
        "device": info.device,
        "origins": list(info.origins),
        "notices": list(info.notices),
    }


def info_from_json(data: bytes) -> AnalyzerInfo:
    """Read a server's description of itself.

    Raises:
        RemoteError: It is none.
    """
    return _read(data, _to_info)


def parse_json(data: bytes) -> Any:
    """Read JSON that anybody may have written; stricter than ``json.loads``.

    Raises:
        ValueError: It is not JSON, holds NaN or Infinity, or is nested too deeply. The message is
            a sentence that may be shown.
    """
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None
    except UnicodeDecodeError:
        raise ValueError("The JSON is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"This is not JSON: {error.msg} at character {error.pos}.") from None
    except _NoNumberError:
        raise
    except ValueError:  # of int(), which refuses thousands of digits
        raise ValueError("The JSON holds a number with too many digits.") from None


def read_numbers(lists: list[Any]) -> npt.NDArray[np.float64]:
    """Numbers in nested lists of one shape, as JSON has them.

    Each entry is looked at before an array is made of them: of text, NumPy's would take as much
    for every entry as for the longest.

    Raises:
        ValueError: The lists hold something else, or differ in length.
        OverflowError: A number is beyond all bounds.
    """
    entries = np.array(lists, object)
    if not set(map(type, entries.flat)) <= {int, float}:
        raise ValueError("the lists do not hold numbers only")
    return entries.astype(np.float64)


class _NoNumberError(ValueError):
    pass


def _refuse(constant: str) -> None:
    raise _NoNumberError(f"{constant} is not a number in JSON.")


def _read(data: bytes, convert: Callable[[dict[str, Any]], _T]) -> _T:
    try:
        fields = _as(dict, parse_json(data), "the answer")
        if fields.get("version") != VERSION:
            raise ValueError(f"its version is not {VERSION}")
        return convert(fields)
    except (ValueError, TypeError, LookupError, OverflowError, WeightsMismatchError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise RemoteError(
            f"The server's answer is not in the agreed form ({str(reason)[:200]}); use the same "
            "version of Emoscope on both sides, and check that the address is that of its server."
        ) from error


def _to_analysis(fields: dict[str, Any]) -> Analysis:
    width, height = (_whole(side, "size_wh") for side in _as(list, fields["size_wh"], "size_wh"))
    if max(width, height) > _MAX_SIDE_PX:
        raise ValueError("size_wh is beyond all bounds")
    found = _as(dict, fields["faces"], "faces")
    read = _as(dict, fields["predictions"], "predictions")
    n = len(_as(list, found["boxes"], "boxes"))
    labels = tuple(Emotion(label) for label in _as(list, read["labels"], "labels"))
    if n > _MAX_FACES or not labels or len(set(labels)) != len(labels):
        raise ValueError("faces or labels are beyond all bounds")
    points, ids = found["landmarks"], found["track_ids"]
    faces = Faces(
        _floats(found["boxes"], (n, 4), "boxes"),
        _floats(found["scores"], (n,), "scores"),
        None if points is None else _floats(points, (n, 5, 2), "landmarks"),
        None if ids is None else _track_ids(ids),
    )
    if (faces.boxes < 0).any() or (faces.boxes > [width, height, width, height]).any():
        raise ValueError("boxes reach beyond the picture")
    predictions = Predictions(
        labels,
        _floats(read["probabilities"], (n, len(labels)), "probabilities"),
        _floats(read["valence"], (n,), "valence"),
        _floats(read["arousal"], (n,), "arousal"),
        VaSource(read["va_source"]),
    )
    model = _as(str, fields["model"], "model")
    time_s = float(_floats([fields["time_s"]], (1,), "time_s")[0])
    return Analysis((width, height), faces, predictions, model[:200], time_s)


def _to_info(fields: dict[str, Any]) -> AnalyzerInfo:
    device = fields["device"]
    if device not in get_args(Device):
        raise ValueError("its device is unknown")
    return AnalyzerInfo(
        _to_card(fields["emotion"], Task.EMOTION),
        _to_card(fields["detector"], Task.DETECTION),
        device,
        _sentences(fields["origins"], "origins"),
        _sentences(fields["notices"], "notices"),
    )


def _to_card(value: object, task: Task) -> ModelCard:
    fields: dict[str, Any] = _as(dict, value, "a card")
    for name in ("repo_id", "revision"):
        if fields[name] is not None:
            _as(str, fields[name], name)
    card = ModelCard.from_json(json.dumps(fields), repo_id="", revision="")
    if card.task is not task:
        raise ValueError(f"{card.name} is no {task} network")
    return replace(card, repo_id=fields["repo_id"], revision=fields["revision"])


def _as(kind: type[_T], value: object, name: str) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is no {kind.__name__}")
    return value


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{name} is no number")
    return _as(int, value, name)


def _floats(value: object, shape: tuple[int, ...], name: str) -> FloatArray:
    """Numbers in nested lists of a shape; no text, no truth values, nothing infinite."""
    array = read_numbers(_as(list, value, name))
    if np.abs(array).max(initial=0) > np.finfo(np.float32).max:
        raise ValueError(f"{name} must be finite")
    if array.size and array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, not {array.shape}")
    return array.astype(np.float32).reshape(shape)


def _track_ids(value: object) -> npt.NDArray[np.int64]:
    return np.array(
        [_whole(number, "track_ids") for number in _as(list, value, "track_ids")], np.int64
    )


def _sentences(value: object, name: str) -> tuple[str, ...]:
    return tuple(_as(str, one, name)[:1000] for one in _as(list, value, name))
