"""Hyper-parameters as JSON in checkpoints and files, and as KEY=VALUE on the command line."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from emotion_core.errors import EmotionError
from emotion_core.models.card_json import to_tuples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_T = TypeVar("_T")
_ABOVE_ZERO = math.nextafter(0, 1)


@dataclass(frozen=True, slots=True)
class BaseConfig:
    """Base of both trainings' configurations, whose fields all have defaults."""

    def to_json(self) -> str:
        """The configuration as JSON text."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what ``to_json`` wrote; missing fields take their defaults.

        Raises:
            EmotionError: The text is no JSON object, or a field is unknown or has an invalid value.
        """
        try:
            values: Any = json.loads(text)
        except ValueError as error:
            raise EmotionError(f"The configuration is not JSON: {error}.") from error
        if not isinstance(values, dict):
            raise EmotionError("The configuration is not a JSON object of names and values.")
        return cls().changed(values)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Reads a JSON file.

        Raises:
            EmotionError: The file cannot be read or is invalid.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise EmotionError(f"{path} cannot be read: {error}.") from error
        return cls.from_json(text)

    def changed(self, values: dict[str, Any]) -> Self:
        """A copy with other values, as JSON has them.

        Raises:
            EmotionError: A name is unknown or a value is invalid.
        """
        known = [field.name for field in fields(self)]
        for name in values:
            if name not in known:
                raise EmotionError(f"There is no setting {name!r}; there are: {', '.join(known)}.")
        return replace(self, **{name: to_tuples(value) for name, value in values.items()})

    def to_differences(self, other: Self) -> str:
        """How another configuration differs, for people: ``"epochs 28, not 3"``; or empty."""
        pairs = [(f.name, getattr(other, f.name), getattr(self, f.name)) for f in fields(self)]
        return ", ".join(f"{name} {its}, not {ours}" for name, its, ours in pairs if its != ours)


def check_fields(settings: BaseConfig, fits: Callable[[Any], bool], tuples: str) -> None:
    """Refuses values of another type than the default's, or outside of the limits of their field.

    A whole number also counts as a float.

    Args:
        settings: The configuration.
        fits: Whether a tuple is valid.
        tuples: Description of valid tuples, for people.
    """
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
    for setting in fields(settings):
        name, value, kind = setting.name, getattr(settings, setting.name), type(setting.default)
        types = (int, float) if kind is float else kind
        is_right = isinstance(value, types) and (kind is bool or not isinstance(value, bool))
        if not is_right or (kind is tuple and not fits(value)):
            raise EmotionError(f"{name} must be {words.get(kind, tuples)}, not {value!r}.")
        if limits := setting.metadata.get("limits"):
            low, high = limits
            if not low <= value <= high or value == math.inf:
                span = f"at least {low}" if high == math.inf else f"between {low} and {high}"
                span = "positive" if low == _ABOVE_ZERO else span
                raise EmotionError(f"{name} must be {span}, not {value}.")


def limited(default: _T, low: float, high: float = math.inf) -> _T:
    """Declares a field whose value is finite and lies between ``low`` and ``high``, inclusively."""
    value: _T = field(default=default, metadata={"limits": (low, high)})
    return value


def positive(default: float) -> float:
    """Declares a field whose value is finite and above 0."""
    return limited(default, _ABOVE_ZERO)


def parse_settings(words: Iterable[str]) -> dict[str, Any]:
    """Parses ``KEY=VALUE`` words; a value is JSON, or else text.

    Raises:
        EmotionError: A word has no ``=``.
    """
    settings: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise EmotionError(f"--set takes KEY=VALUE, not {word!r}.")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings
