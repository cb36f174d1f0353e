"""JSON from untrusted sources, read more strictly than by ``json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def parse_json(data: bytes) -> Any:
    """Parses JSON from an untrusted source, more strictly than ``json.loads``.

    Raises:
        ValueError: It is not JSON, has NaN or Infinity, or is nested too deeply. The message is a
            sentence that may be shown.
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
    except ValueError:  # from int(), which rejects thousands of digits
        raise ValueError("The JSON has a number with too many digits.") from None


def read_numbers(lists: list[Any]) -> npt.NDArray[np.float64]:
    """Converts nested lists of numbers from JSON to an array.

    Checks each entry first: in an array of text, every entry would take the memory of the longest.

    Raises:
        ValueError: The lists hold something else, or differ in length.
        OverflowError: A number is too large.
    """
    entries = np.array(lists, object)
    if not set(map(type, entries.flat)) <= {int, float}:
        raise ValueError("the lists do not hold numbers only")
    return entries.astype(np.float64)


class _NoNumberError(ValueError):
    pass


def _refuse(constant: str) -> None:
    raise _NoNumberError(f"{constant} is not a number in JSON.")
