"""Fits the look that tells which faces may be upside down (``detection.upside_down``).

Portraits are searched by both detectors as they are and upside down, where they see many faces
with landmarks that stand on their heads. Fits on four fifths of the portraits and measures on the
others.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.harness import iter_image_files, make_parser, print_table
from emotion_core.detection.glance import Place
from emotion_core.detection.turned_view import turn
from emotion_core.detection.upside_down import to_cells
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import make_detector
from emotion_core.models.download import WEIGHTS_DIR
from emotion_core.models.registry import CARDS
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from emotion_core.types import FloatArray

_ROLLS = (0, 170, 180, 190)
_FOUND = 0.99  # of the faces upside down that the look is to let through
_EVERY = 5  # portraits of one that are kept for measuring


def main() -> None:
    """Fits, measures and prints the coefficients."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("portraits", type=Path, help="a folder or a ZIP archive")
    parser.add_argument("--yunet", type=Path, required=True, metavar="ONNX")
    parser.add_argument("--limit", type=int, default=1200, help="portraits")
    chosen = parser.parse_args()
    weights = {"emoscope-face-s": WEIGHTS_DIR / "emoscope-face-s.onnx", "yunet": chosen.yunet}
    seen = {name: list(_iter_cells(name, path, chosen)) for name, path in weights.items()}
    rows = [row for some in seen.values() for row in some]
    known = [row for row in rows if row[0] % _EVERY]
    x = np.concatenate([cells for _, _, cells in known])
    y = np.array([is_inverted for _, is_inverted, _ in known])
    fitted = LogisticRegression(C=0.03, class_weight="balanced", max_iter=3000).fit(x, y)
    weight = np.round(fitted.coef_[0], 2)
    intercept = -round(float(np.quantile(x[y] @ weight, 1 - _FOUND)), 2)
    print(f"_INTERCEPT = {intercept}\n{np.array2string(weight.reshape(-1, 6), separator=', ')}")
    table = []
    for name, some in seen.items():
        for is_inverted in (True, False):
            kept = [c for i, truth, c in some if i % _EVERY == 0 and truth == is_inverted]
            share = float((np.concatenate(kept) @ weight + intercept > 0).mean())
            table.append([name, "upside down" if is_inverted else "upright", len(kept), share])
    print_table("may be upside down", ["detector", "faces", "count", "share"], table)


def _iter_cells(
    name: str, path: Path, chosen: argparse.Namespace
) -> Iterator[tuple[int, bool, FloatArray]]:
    """Number of the portrait, whether it was upside down, and the cells of its surest face."""
    detector = make_detector(CARDS[name], path, "cpu")
    files = list(iter_image_files(chosen.portraits))
    for i, data in enumerate(files[:: max(1, len(files) // chosen.limit)]):
        image = decode_image(data).pixels
        for roll in _ROLLS:
            view = turn(image, roll).pixels
            (faces,) = detector.detect([view], AnalyzeOptions(min_score=0.7))
            if len(faces):
                best = int(faces.scores.argmax())
                yield i, roll != 0, to_cells([Place(view, faces[best : best + 1])])


if __name__ == "__main__":
    main()
