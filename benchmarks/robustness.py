"""Faces turned in the plane of the image: how many are found, and whether they are read the same.

Of a folder or a ZIP archive of portraits, those with one face that is found upright are turned in
steps, on a canvas that cuts nothing off.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from benchmarks.harness import (
    describe_machine,
    iter_image_files,
    make_parser,
    print_table,
    write_json,
)
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import load_analyzer

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.face import Face
    from emotion_core.types import Image

STEP_DEG = 15
_MIN_PX = 150


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("portraits", type=Path, help="a folder or a ZIP archive")
    parser.add_argument("--detector", help="by default the project's choice")
    parser.add_argument("--limit", type=int, default=200, help="portraits, chosen at random")
    parser.add_argument("--step", type=int, default=STEP_DEG, help="degrees")
    chosen = parser.parse_args()
    analyzer = load_analyzer("emoscope-fer-s", chosen.detector, device="cpu")
    limit = min(chosen.limit, 20) if chosen.quick else chosen.limit
    portraits = choose_portraits(analyzer, chosen.portraits, limit)
    rows = [measure(analyzer, portraits, angle) for angle in range(0, 360, chosen.step)]
    print_table(
        f"{analyzer.info.detector.name}, {len(portraits)} portraits turned clockwise",
        ["degrees", "found", "same word", "valence", "more faces"],
        [list(row.values()) for row in rows],
    )
    detector = analyzer.info.detector.name
    write_json(chosen.json, {"machine": describe_machine(), "detector": detector, "angles": rows})


def choose_portraits(analyzer: Analyzer, source: Path, limit: int) -> list[tuple[Image, Face]]:
    """Portraits at random, always the same, each with its only face."""
    chosen: list[tuple[Image, Face]] = []
    for data in iter_image_files(source):
        image = decode_image(data).pixels
        if min(image.shape[:2]) < _MIN_PX:
            continue
        faces = list(analyzer.analyze([image])[0])
        if len(faces) == 1:
            chosen.append((image, faces[0]))
        if len(chosen) == limit:
            break
    return chosen


def measure(
    analyzer: Analyzer, portraits: list[tuple[Image, Face]], angle: int
) -> dict[str, int | float]:
    """Shares of portraits found and, of those, read alike; mean change of valence; other faces.

    A face is found if the nose of one lies less than a quarter of its height from its place.
    """
    found, same, extra = 0, 0, 0
    changes: list[float] = []
    for image, face in portraits:
        turned, matrix = turn_portrait(image, angle)
        nose = matrix @ np.append(_nose(face), 1)
        reach = (face.box[3] - face.box[1]) / 4
        faces = list(analyzer.analyze([turned])[0])
        hits = [f for f in faces if np.linalg.norm(_nose(f) - nose) < reach]
        found += bool(hits)
        extra += len(faces) - bool(hits)
        if hits:
            best = max(hits, key=lambda f: f.score)
            same += best.emotion is face.emotion
            changes.append(best.valence - face.valence)
    return {
        "degrees": angle,
        "found": found / len(portraits),
        "same_word": same / max(1, found),
        "valence_change": float(np.mean(changes)) if changes else 0.0,
        "more_faces": extra,
    }


def turn_portrait(image: Image, angle: int) -> tuple[Image, Any]:
    """Turns clockwise on a larger canvas, edges repeated; also ``(2, 3)`` to its pixels."""
    height, width = image.shape[:2]
    side = int(np.ceil(np.hypot(height, width)))
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), -angle, 1)
    matrix[:, 2] += [(side - width) / 2, (side - height) / 2]
    turned = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8), matrix


def _nose(face: Face) -> Any:
    x1, y1, x2, y2 = face.box
    if face.landmarks is None:
        return np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    return face.landmarks[2].astype(np.float64)


if __name__ == "__main__":
    main()
