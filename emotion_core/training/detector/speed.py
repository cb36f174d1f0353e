"""How long a detector takes for a picture, by its size, on one core."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_core.training.detector.load import load_detector
from emotion_core.training.engine.threads import limited_cores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emotion_core.types import Image

SIZES_WH = ((320, 240), (640, 480), (1280, 960), (4000, 3000))
_WARM_UPS, _MOST, _LIMIT_S = 2, 30, 6.0


def measure_detector_speed(
    names: Sequence[str], picture: Image, *, limit_s: float = _LIMIT_S
) -> dict[str, dict[str, float]]:
    """Measure detectors in turn, pixels to faces, as the product asks.

    Args:
        names: As ``load_detector`` knows them.
        picture: RGB; it is brought to each size.
        limit_s: For a detector and a size, but at least three runs.

    Returns:
        Median milliseconds by detector and size, e.g. ``"640x480"``.

    Raises:
        EmotionError: A detector cannot be loaded.
    """
    with limited_cores(1):
        detectors = {name: load_detector(name, "cpu").detector for name in names}
        times: dict[str, dict[str, float]] = {name: {} for name in names}
        for size_wh in SIZES_WH:
            image = np.asarray(cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
            runs: dict[str, list[float]] = {name: [] for name in names}
            end_s = time.perf_counter() + limit_s * len(names)
            while len(runs[names[0]]) < _MOST + _WARM_UPS and (
                time.perf_counter() < end_s or len(runs[names[0]]) <= _WARM_UPS
            ):
                for name, detector in detectors.items():
                    start_s = time.perf_counter()
                    detector.detect([image])
                    runs[name].append((time.perf_counter() - start_s) * 1e3)
            _note(times, runs, f"{size_wh[0]}x{size_wh[1]}")
    return times


def _note(
    times: dict[str, dict[str, float]], runs: Mapping[str, Sequence[float]], size: str
) -> None:
    for name, values in runs.items():
        times[name][size] = round(statistics.median(values[_WARM_UPS:]), 2)
