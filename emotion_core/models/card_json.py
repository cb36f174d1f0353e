"""The JSON of a model card: the types of its fields, and lists turned back into tuples."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES: Mapping[str, type] = MappingProxyType(
    {
        **dict.fromkeys(("name", "architecture", "licence", "source", "note"), str),
        "weights": dict,
        "has_va": bool,
        "has_actions": bool,
        "metrics": dict,
    }
)
"""Types of the fields of a card in JSON that are not converted."""


def check_types(fields: dict[str, Any]) -> None:
    """Raises a ``TypeError`` or ``ValueError`` if fields of a card are not what they should be."""
    for name, kind in _TYPES.items():
        if name in fields and not isinstance(fields[name], kind):
            raise TypeError(f"{name} is no {kind.__name__}")
    for file in (fields["weights"], fields.get("torch_weights") or {}):
        if not isinstance(file.get("filename", ""), str):
            raise TypeError("filename is no str")
    if not all(map(math.isfinite, fields.get("metrics", {}).values())):
        raise ValueError("metrics must be finite")


def to_tuples(value: Any) -> Any:
    """Turns JSON's lists, at any depth, back into tuples."""
    return tuple(map(to_tuples, value)) if isinstance(value, list) else value
