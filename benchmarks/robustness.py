"""Portraits made harder: how many faces are found, and how many are read as before.

Of a folder or a ZIP archive of portraits, those with one face are turned in the plane of the image
on a canvas that cuts nothing off, shrunk, blurred, made dark or bright, cut by the border of the
image, and covered by a drawn mask or hand. "As before" is the word for the untouched portrait.
"""

from __future__ import annotations

import json
import sys
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import altair as alt
import cv2
import numpy as np
import pandas as pd
import torch
import vl_convert

from benchmarks.degrade import hold_hand, mask
from benchmarks.harness import (
    describe_machine,
    iter_image_files,
    make_parser,
    print_table,
    write_json,
)
from emotion_core.detection.paired import PairedDetector
from emotion_core.detection.turned import TurnedFaceDetector
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import LocalAnalyzer, load_analyzer, make_detector
from emotion_core.models.registry import CARDS
from emotion_core.reporting.photo_charts import vegalite_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emotion_core.analyzer import Analyzer
    from emotion_core.face import Face
    from emotion_core.types import Image

STEP_DEG = 15
_MIN_PX = 150
_CANVAS_WH = (640, 480)
_BARS = {"found": 0.97, "as before": 0.93}
"""What is wanted at every angle."""


class Changed(NamedTuple):
    """A changed portrait.

    Attributes:
        pixels: RGB ``(H, W, 3)``, 0-255.
        matrix: ``(2, 3)`` from pixels of the portrait to these.
    """

    pixels: Image
    matrix: Any


class Change(NamedTuple):
    """A way to make a portrait harder: what is changed, how much, and what changes a portrait."""

    kind: str
    level: float
    apply: Callable[[Image, Face, np.random.Generator], Changed]


def main() -> None:
    """Measures, prints, draws and writes the figures."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("portraits", type=Path, help="a folder or a ZIP archive")
    parser.add_argument("--yunet", type=Path, metavar="ONNX", help="YuNet in place of our own")
    parser.add_argument("--limit", type=int, default=200, help="portraits to turn, at random")
    parser.add_argument("--step", type=int, default=STEP_DEG, help="degrees")
    parser.add_argument("--turns-only", action="store_true", help="nothing but turned portraits")
    parser.add_argument(
        "--add", type=Path, nargs="+", default=[], metavar="JSON", help="draw these figures, too"
    )
    parser.add_argument("--plot", type=Path, metavar="SVG", help="draw the figures here")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    limit = min(chosen.limit, 20) if chosen.quick else chosen.limit
    analyzer, name = load_detector(chosen.yunet)
    portraits = choose_portraits(analyzer, chosen.portraits, limit)
    half = portraits[: max(1, limit // 2)]
    todo = [(change, portraits) for change in map(turned, range(0, 360, chosen.step))]
    todo += [] if chosen.turns_only else [(change, half) for change in other_changes()]
    rows = []
    for change, some in todo:
        rows.append({"detector": name, **measure(analyzer, some, change)})
        print(*rows[-1].values(), file=sys.stderr, flush=True)
    print_table(f"{name}, {len(portraits)} portraits", list(rows[0]), [[*r.values()] for r in rows])
    write_json(chosen.json, {"machine": describe_machine(), "robustness": rows})
    if chosen.plot:
        for path in chosen.add:
            rows += json.loads(path.read_text(encoding="utf-8"))["robustness"]
        chosen.plot.write_text(plot(pd.DataFrame(rows)), encoding="utf-8")


def load_detector(yunet: Path | None) -> tuple[LocalAnalyzer, str]:
    """The small emotion network behind one of the two detectors; also that one's name."""
    analyzer = load_analyzer("emoscope-fer-s", "emoscope-face-s", device="cpu")
    if yunet is None:
        return analyzer, "emoscope-face-s"
    turned_too = TurnedFaceDetector(make_detector(CARDS["yunet"], yunet, "cpu"))
    detector = PairedDetector(turned_too, repeat(None).__next__)
    return LocalAnalyzer(detector, analyzer.classifier, analyzer.info), "yunet"


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
    analyzer: Analyzer, portraits: list[tuple[Image, Face]], change: Change
) -> dict[str, Any]:
    """Shares of portraits found and, of those, read alike; mean change of valence; other faces.

    A face is found if the nose of one lies less than a quarter of its height from its place.
    """
    found, same, extra = 0, 0, 0
    valences: list[float] = []
    rng = np.random.default_rng(0)
    for image, face in portraits:
        pixels, matrix = change.apply(image, face, rng)
        nose = matrix @ np.append(_nose(face), 1)
        scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        faces = list(analyzer.analyze([pixels])[0])
        reach = scale * _height(face) / 4
        hits = [f for f in faces if np.linalg.norm(_nose(f) - nose) < reach]
        found += bool(hits)
        extra += len(faces) - bool(hits)
        if hits:
            best = max(hits, key=lambda f: f.score)
            same += best.emotion is face.emotion
            valences.append(best.valence - face.valence)
    return {
        "change": change.kind,
        "level": change.level,
        "portraits": len(portraits),
        "found": found / len(portraits),
        "as before": same / max(1, found),
        "valence": float(np.mean(valences)) if valences else 0.0,
        "more faces": extra,
    }


def turned(angle: int) -> Change:
    """Turned clockwise by some degrees."""
    return Change("turned (degrees)", angle, lambda image, *_: turn_portrait(image, angle))


def other_changes() -> Iterator[Change]:
    """All but the turned ones, easy ones first."""
    for px in (96, 64, 48, 32, 24, 16, 12):
        yield Change("height of the face (pixels)", px, _shrunk(px))
    for share in (0.01, 0.02, 0.04, 0.08, 0.12):
        yield Change("blur (sigma by height of the face)", share, _still(blur_by, share))
    for gain in (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 2, 3, 4):
        yield Change("light (times)", gain, _still(light_by, gain))
    for share in (0.1, 0.2, 0.3, 0.4):
        yield Change("cut by the border (share of the face)", share, _cut(share))
    for level, draw in enumerate((mask, hold_hand)):
        yield Change("drawn mask (0), drawn hand (1)", level, _drawn(draw))


def turn_portrait(image: Image, angle: int) -> Changed:
    """Turns clockwise on a larger canvas, edges repeated."""
    height, width = image.shape[:2]
    side = int(np.ceil(np.hypot(height, width)))
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), -angle, 1)
    matrix[:, 2] += [(side - width) / 2, (side - height) / 2]
    pixels = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return Changed(np.asarray(pixels, np.uint8), matrix)


def shrink(image: Image, face: Face, height_px: float) -> Changed:
    """Shrinks or enlarges until the face has a height, on a canvas, edges repeated."""
    scale = height_px / _height(face)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=way)
    rest = [max(0, side - px) for side, px in zip(_CANVAS_WH, small.shape[1::-1], strict=True)]
    left, top = rest[0] // 2, rest[1] // 2
    borders = (top, rest[1] - top, left, rest[0] - left)
    pixels = cv2.copyMakeBorder(small, *borders, cv2.BORDER_REPLICATE)
    return Changed(np.asarray(pixels, np.uint8), np.array([[scale, 0, left], [0, scale, top]]))


def blur_by(image: Image, face: Face, share: float) -> Image:
    """Out of focus by a share of the height of the face."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), share * _height(face)), np.uint8)


def light_by(image: Image, _: Face, gain: float) -> Image:
    """Darker or brighter; what is brighter than white is lost."""
    return np.asarray(np.clip(np.rint(image * gain), 0, 255), np.uint8)


def _still(
    change: Callable[[Image, Face, float], Image], level: float
) -> Callable[[Image, Face, np.random.Generator], Changed]:
    return lambda image, face, _: Changed(change(image, face, level), np.eye(2, 3))


def _shrunk(px: float) -> Callable[[Image, Face, np.random.Generator], Changed]:
    return lambda image, face, _: shrink(image, face, px)


def _drawn(
    draw: Callable[[Image, Face, np.random.Generator], Image],
) -> Callable[[Image, Face, np.random.Generator], Changed]:
    return lambda image, face, rng: Changed(draw(image, face, rng), np.eye(2, 3))


def _cut(share: float) -> Callable[[Image, Face, np.random.Generator], Changed]:
    """Cuts a share of the face off, at the left or the right."""

    def apply(image: Image, face: Face, rng: np.random.Generator) -> Changed:
        x1, _, x2, _ = face.box
        left = max(0, round(x1 + share * (x2 - x1)))
        if rng.random() < 0.5:
            return Changed(
                np.ascontiguousarray(image[:, left:]), np.array([[1, 0, -left], [0, 1, 0]])
            )
        return Changed(
            np.ascontiguousarray(image[:, : round(x2 - share * (x2 - x1))]), np.eye(2, 3)
        )

    return apply


def _height(face: Face) -> float:
    return face.box[3] - face.box[1]


def _nose(face: Face) -> Any:
    x1, y1, x2, y2 = face.box
    if face.landmarks is None:
        return np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    return face.landmarks[2].astype(np.float64)


def plot(rows: pd.DataFrame) -> str:
    """Shares against levels, a chart for each change, as SVG."""
    rows = rows.assign(**{"as before": rows["as before"].where(rows["found"] > 0)})
    data = rows.melt(["detector", "change", "level"], list(_BARS), "what", "share").dropna()
    turns = data["change"].str.startswith("turned")
    charts: list[Any] = [_chart(data[turns], 620, is_turned=True)]
    others = [_chart(part, 270) for _, part in data[~turns].groupby("change", sort=False)]
    charts += [alt.hconcat(*others[i : i + 2]) for i in range(0, len(others), 2)]
    chart = alt.vconcat(*charts).configure(background="white").configure_view(stroke=None)
    svg: str = vl_convert.vegalite_to_svg(json.dumps(chart.to_dict()), vegalite_release())
    return svg


def _chart(data: pd.DataFrame, width: int, *, is_turned: bool = False) -> Any:
    title = str(data["change"].iloc[0])
    levels = sorted(data["level"].unique())
    scale = alt.Scale(domain=[0, 345]) if is_turned else alt.Scale(type="log", nice=False)
    if levels[0] == 0 and not is_turned:
        scale = alt.Scale(domain=[-0.3, 1.3])
    elif levels[-1] <= 0.4 and levels[0] >= 0.1:
        scale = alt.Scale(zero=False)
    ticks = levels if not is_turned else list(range(0, 346, 45))
    x = alt.X("level:Q", title=title, scale=scale, axis=alt.Axis(values=ticks, format=".3~g"))
    domain = alt.Scale(domain=[0.8 if is_turned else 0, 1])
    y = alt.Y("share:Q", title=None, scale=domain, axis=alt.Axis(format="%"))
    colours = alt.Scale(domain=["emoscope-face-s", "yunet"], range=["#2E86C9", "#D98200"])
    dashes = alt.Scale(domain=list(_BARS), range=[[1, 0], [5, 3]])
    lines = alt.Chart(data).mark_line(point=True, strokeWidth=1.5).encode(
        x, y, alt.Color("detector:N", scale=colours, title="Detector"),
        alt.StrokeDash("what:N", scale=dashes, title="Share of portraits"),
    )  # fmt: skip
    if is_turned:
        bars = pd.DataFrame({"share": list(_BARS.values()), "what": list(_BARS)})
        wanted = alt.Chart(bars).mark_rule(color="#777", opacity=0.7)
        return (wanted.encode(y=y, strokeDash="what:N") + lines).properties(width=width, height=220)
    return lines.properties(width=width, height=150)


if __name__ == "__main__":
    main()
