"""OpenAPI descriptions of request bodies and responses with nested fields."""

from __future__ import annotations

from typing import Any

from emotion_core.actions import ACTIONS
from emotion_core.quality import FACE_FLAGS, MEASURE_COLUMNS

_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def _response(text: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema or _ERROR}}}


def _list_of(item: dict[str, Any], text: str = "") -> dict[str, Any]:
    return {"type": "array", "items": item, **({"description": text} if text else {})}


def _record(fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields)}


_NUMBER = {"type": "number"}
_TEXT = {"type": "string"}
_INTEGER = {"type": "integer"}
_UNIT = {"type": "number", "minimum": -1, "maximum": 1}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_FLAG = {"enum": [str(flag) for flag in FACE_FLAGS]}

_ERRORS = {
    "400": _response("The body is not valid."),
    "401": _response("The bearer token is missing or wrong."),
    "408": _response("The body did not arrive in time."),
    "413": _response("The body is too large."),
    "422": _response("A value is out of range, or the image cannot be read."),
    "503": _response("Too many requests are waiting; try again after Retry-After seconds."),
}

_ANALYSIS = _record(
    {
        "version": {"const": 1},
        "size_wh": _list_of(_INTEGER, "Width and height of the upright image in pixels."),
        "model": _TEXT,
        "time_s": {"type": "number", "description": "Time of the analysis in seconds."},
        "server_ms": {
            "type": "number",
            "description": "Milliseconds in the server, with decoding and waiting for a batch.",
        },
        "faces": _record(
            {
                "boxes": _list_of(_list_of(_NUMBER), "x1, y1, x2, y2 in pixels, left to right."),
                "scores": _list_of({"type": "number", "minimum": 0, "maximum": 1}),
                "landmarks": {
                    "type": ["array", "null"],
                    "description": "Five points x, y per face: eyes, nose tip, mouth corners.",
                    "items": _list_of(_list_of(_NUMBER)),
                },
                "track_ids": {"type": ["array", "null"], "items": _INTEGER},
                "is_hidden_only": {
                    "type": ["array", "null"],
                    "description": "Which faces only serve hiding, if ``for_redaction`` was asked.",
                    "items": {"type": "boolean"},
                },
            }
        ),
        "predictions": _record(
            {
                "labels": _list_of(_TEXT, "Order of the columns of probabilities."),
                "probabilities": _list_of(_list_of(_NUMBER), "A row per face; each sums to 1."),
                "valence": _list_of(_UNIT, "Unpleasant to pleasant."),
                "arousal": _list_of(_UNIT, "Calm to excited."),
                "va_source": {"enum": ["head", "expectation"]},
                "actions": {
                    "type": ["array", "null"],
                    "description": f"If asked for, a row per face: {', '.join(ACTIONS)}.",
                    "items": _list_of(_SHARE),
                },
            }
        ),
        "quality": {
            "type": ["object", "null"],
            "description": "Of the faces, in the same order.",
            "properties": {
                "pose_deg": {
                    "type": "array",
                    "description": "Yaw, pitch, roll in degrees; null where it is unknown.",
                    "items": {"type": ["array", "null"], "items": _NUMBER},
                },
                "sharpness": _list_of(_SHARE),
                "brightness": _list_of(_SHARE),
                "quality": _list_of(_SHARE, "How far each reading may be trusted."),
                "flags": _list_of(_list_of(_FLAG), "What makes a face hard to read."),
            },
        },
        "warnings": _list_of(_TEXT, "Sentences about problems with the image."),
    }
)

ANALYZE_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": _record({"image": {"type": "string", "format": "binary"}})
            },
        },
    },
    "responses": {"200": _response("The analysis of the image.", _ANALYSIS), **_ERRORS},
}
"""OpenAPI description of ``POST /v1/analyze``."""

_B64 = _record({"b64": {"type": "string", "format": "byte"}})
_FIELDS = {
    "emotion": {"type": ["string", "null"]},
    "probabilities": {"type": ["object", "null"], "additionalProperties": _NUMBER},
    "valence": {"type": ["number", "null"]},
    "arousal": {"type": ["number", "null"]},
}
_MEASURED: dict[str, Any] = {
    **{name: {"type": ["number", "null"]} for name in MEASURE_COLUMNS},
    "flags": _list_of(_FLAG),
    "is_usable": {"type": "boolean"},
}
_FACE = _record({"box": _list_of(_NUMBER), "score": _NUMBER, **_FIELDS, **_MEASURED})
_FACES = {"faces": _list_of(_FACE, "Only for images; from left to right.")}
_PREDICTION = {**_record(_FIELDS), "properties": {**_FIELDS, **_FACES}}
_CROP = _list_of(_list_of(_list_of(_NUMBER)), "A face crop, H x W x 3, RGB, 0-255.")
_INSTANCE = {"anyOf": [_B64, _record({"image_bytes": _B64}), _CROP]}

PREDICT_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _record({"instances": _list_of(_INSTANCE)}),
                "example": {"instances": [{"b64": "/9j/4AAQSkZJRg..."}]},
            }
        },
    },
    "responses": {
        "200": _response(
            "One prediction per instance.", _record({"predictions": _list_of(_PREDICTION)})
        ),
        **_ERRORS,
    },
}
"""OpenAPI description of ``POST /v1/models/emotion:predict``."""
