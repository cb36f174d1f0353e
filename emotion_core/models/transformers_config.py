"""Labels and input of a network, from the JSON files of a transformers repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotion_core.errors import UnknownModelError, WeightsMismatchError
from emotion_core.labels import to_label_set
from emotion_core.models.card import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emotion_core.labels import LabelSet

_STEPS = frozenset({"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"})
"""Supported steps of a ``preprocessor_config.json``."""

_OTHER_STEPS = frozenset({"include_top", "rescale_offset"})
"""EfficientNet's further steps, whose names don't begin with ``do_``."""


def read_config_labels(config: Mapping[str, Any], repo_id: str) -> LabelSet:
    """Reads the order of a network's outputs.

    Args:
        config: Content of its ``config.json``.
        repo_id: For errors.

    Raises:
        UnknownModelError: It classifies no images, or something else than emotions.
    """
    architectures, names = config.get("architectures"), config.get("id2label")
    first = architectures[0] if isinstance(architectures, list) and architectures else ""
    if "ForImageClassification" not in str(first):
        raise UnknownModelError(f"{repo_id} is no image-classification model of transformers.")
    if not isinstance(names, dict) or not names:
        raise UnknownModelError(f"{repo_id} does not name its labels in its config.json.")
    try:
        return to_label_set(str(names[str(i)]) for i in range(len(names)))
    except KeyError:
        raise UnknownModelError(f"{repo_id} does not number its labels from 0 on.") from None
    except ValueError as error:
        raise UnknownModelError(f"{repo_id} does not classify emotions: {error}") from None


def read_preprocessing(config: Mapping[str, Any], repo_id: str) -> Preprocessing:
    """Reads size and normalisation from a network's ``preprocessor_config.json``.

    The library scales pixels by ``rescale_factor``, then subtracts ``image_mean`` and divides by
    ``image_std``; here both are on the 0-255 scale. Other steps are refused. The library resizes
    the whole image; here a square somewhat larger than the face is cut out first.

    Args:
        config: Content of the file.
        repo_id: For errors.

    Raises:
        UnknownModelError: The input needs unsupported steps.
        WeightsMismatchError: The file lacks something.
    """
    enabled = {key for key, value in config.items() if value is True}
    foreign = {key for key in enabled - _STEPS if key.startswith("do_") or key in _OTHER_STEPS}
    if foreign:
        raise UnknownModelError(
            f"{repo_id} needs its input made in a way that is not supported here "
            f"({', '.join(sorted(foreign))}); choose another model."
        )
    try:
        scale = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1
        normalises = config.get("do_normalize", True)
        mean = config["image_mean"] if normalises else (0.0, 0.0, 0.0)
        std = config["image_std"] if normalises else (1.0, 1.0, 1.0)
        return Preprocessing(
            size_px=_to_side(config),
            mean=tuple(float(m) / scale for m in mean),
            std=tuple(float(s) / scale for s in std),
            margin=0.1,
        )
    except (ArithmeticError, ValueError, TypeError, KeyError) as error:
        raise WeightsMismatchError(
            f"The preprocessor_config.json of {repo_id} does not describe a square input and its "
            f"normalisation ({error})."
        ) from None


def _to_side(config: Mapping[str, Any]) -> int:
    """Side of the input in pixels, e.g. of ``{"size": {"height": 224, "width": 224}}``."""
    size = config["crop_size"] if config.get("do_center_crop") else config["size"]
    if not isinstance(size, dict):
        return int(size)
    sides = {int(size[key]) for key in ("height", "width", "shortest_edge") if key in size}
    if len(sides) != 1:
        raise ValueError(f"size {size}")
    return sides.pop()
