"""The V1 inference protocol of TensorFlow Serving and KServe: instances and predictions.

Source: https://www.tensorflow.org/tfx/serving/api_rest (Predict API, row format, base64) and
https://kserve.github.io/website/latest/modelserving/data_plane/v1_protocol/.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_core.detection.boxes import largest
from emotion_core.quality import QUALITY_COLUMNS
from emotion_core.recognition.alignment import crop_faces
from emotion_core.serving.strict_json import parse_json, read_numbers
from emotion_core.types import Faces

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.models.card import Preprocessing
    from emotion_core.types import Analysis, Image, Predictions

MAX_INSTANCES = 64
"""Maximum number of instances in a request."""

MAX_JSON_BYTES = 16 * 1024 * 1024
"""Maximum size of the JSON, of which a megabyte may take twenty in memory."""

_MAX_LISTS = 1_000_000
_MAX_SIDE_PX = 2048

_FORMS = 'an instance is {"b64": "..."}, {"image_bytes": {"b64": "..."}} or a face crop as lists'


class PredictFormatError(ValueError):
    """A request does not follow the protocol; the message is for its sender."""


def read_instances(data: bytes) -> list[bytes | Image]:
    """Parses the body of a predict request.

    Args:
        data: ``{"instances": [...]}``; other fields, such as ``signature_name``, are ignored.

    Returns:
        For each instance the bytes of an image file, or a face crop, RGB ``(H, W, 3)``.

    Raises:
        PredictFormatError: The body is not valid.
    """
    if data.count(b"[") + data.count(b"{") > _MAX_LISTS:
        raise PredictFormatError(
            "The JSON has more than a million lists; send fewer or smaller crops."
        )
    try:
        body = parse_json(data)
    except ValueError as error:
        raise PredictFormatError(str(error)) from None
    if not isinstance(body, dict) or not isinstance(body.get("instances"), list):
        raise PredictFormatError(
            'The body must be {"instances": [...]} (the row format of protocol V1).'
        )
    instances = body["instances"]
    if not 1 <= len(instances) <= MAX_INSTANCES:
        raise PredictFormatError(
            f"There must be 1 to {MAX_INSTANCES} instances, not {len(instances)}."
        )
    return [_read_instance(instance, i) for i, instance in enumerate(instances)]


def resize_crop(crop: Image, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Resizes a face crop to the network's input, padded to a square by repeating its edge.

    Args:
        crop: RGB ``(H, W, 3)``, cut out by a detector's box.
        preprocessing: From the model card, except for its margin, which a crop already has.

    Returns:
        ``(S, S, 3)`` RGB, 0-255.
    """
    box = np.array([[0, 0, crop.shape[1], crop.shape[0]]], np.float32)
    face = Faces(box, np.ones(1, np.float32))
    resized: npt.NDArray[np.uint8] = crop_faces(crop, face, replace(preprocessing, margin=0.0))[0]
    return resized


def face_prediction(predictions: Predictions, i: int) -> dict[str, Any]:
    """The JSON prediction of face ``i``."""
    probabilities = predictions.probabilities[i].tolist()
    return {
        "emotion": str(predictions.top[i]),
        "probabilities": dict(zip(map(str, predictions.labels), probabilities, strict=True)),
        "valence": float(predictions.valence[i]),
        "arousal": float(predictions.arousal[i]),
    }


def image_prediction(analysis: Analysis) -> dict[str, Any]:
    """The JSON prediction of an image: that of its largest face, and all faces.

    Without a face, ``emotion``, ``probabilities``, ``valence`` and ``arousal`` are null and
    ``faces`` is empty.
    """
    boxes = analysis.faces.boxes
    faces = [
        {
            "box": box.tolist(),
            "score": float(analysis.faces.scores[i]),
            **face_prediction(analysis.predictions, i),
            **{name: getattr(face, name) for name in QUALITY_COLUMNS},
        }
        for i, (box, face) in enumerate(zip(boxes, analysis, strict=True))
    ]
    names = ("emotion", "probabilities", "valence", "arousal")
    if not faces:
        return {**dict.fromkeys(names), "faces": []}
    main = faces[largest(boxes)]
    return {**{name: main[name] for name in names}, "faces": faces}


def _read_instance(instance: object, i: int) -> bytes | Image:
    content = instance
    if isinstance(content, dict) and "b64" not in content and len(content) == 1:
        content = next(iter(content.values()))  # a named input, with a name of the client's choice
    if isinstance(content, dict) and isinstance(content.get("b64"), str):
        try:
            return base64.b64decode(content["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise PredictFormatError(f"Instance {i}: the value of b64 is not base64.") from None
    if isinstance(content, list):
        return _read_crop(content, i)
    raise PredictFormatError(f"Instance {i} cannot be read: {_FORMS}.")


def _read_crop(rows: list[Any], i: int) -> Image:
    try:
        numbers = read_numbers(rows)
    except (ValueError, OverflowError):
        numbers = np.zeros(0)
    if numbers.ndim != 3 or numbers.shape[2] != 3:
        raise PredictFormatError(f"Instance {i}: a face crop is H x W x 3 numbers (RGB, 0-255).")
    if min(numbers.shape[:2]) < 1 or max(numbers.shape[:2]) > _MAX_SIDE_PX:
        raise PredictFormatError(
            f"Instance {i}: sides of a face crop are 1 to {_MAX_SIDE_PX} pixels."
        )
    if not (numbers.min() >= 0 and numbers.max() <= 255):
        raise PredictFormatError(f"Instance {i}: a face crop's values lie between 0 and 255.")
    return np.asarray(np.rint(numbers), np.uint8)
