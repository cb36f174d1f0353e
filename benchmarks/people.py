"""People in videos: how many are counted, how many there are, and how often an identity changes.

The clips are composed of portraits, so that it is known who is where in each frame. An identity
switch is counted as in K. Bernardin and R. Stiefelhagen, "Evaluating Multiple Object Tracking
Performance: The CLEAR MOT Metrics", EURASIP Journal on Image and Video Processing, 2008: a person
has another track than when last seen.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.card import Task
from emotion_core.models.registry import candidates
from emotion_core.types import AnalyzeOptions
from emotion_core.video.pipeline import analyze_video
from emotion_core.video.types import VideoSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from emotion_core.analyzer import Analyzer
    from emotion_core.types import Image

FPS = 12.5
SIZE_WH = (640, 360)
MAX_PORTRAITS = 32
_SIDE_PX = 150


Places = dict[int, tuple[float, float, float]]
"""Centre and side of the portrait of each visible person, by number."""


@dataclass(slots=True)
class Scene:
    """One frame of a clip as it is composed.

    Attributes:
        image: RGB ``(H, W, 3)``.
        people: Where they are.
    """

    image: Image
    people: Places = field(default_factory=dict)

    def add(
        self,
        who: int,
        portrait: Image,
        centre_xy: tuple[float, float],
        *,
        side_px: int = _SIDE_PX,
        is_counted: bool = True,
    ) -> None:
        """Pastes a portrait; whoever is behind its middle is hidden from then on."""
        left, top = (round(c - side_px / 2) for c in centre_xy)
        x1, y1 = max(0, left), max(0, top)
        x2 = min(self.image.shape[1], left + side_px)
        y2 = min(self.image.shape[0], top + side_px)
        if x1 >= x2 or y1 >= y2:
            return
        small = cv2.resize(portrait, (side_px, side_px), interpolation=cv2.INTER_AREA)
        self.image[y1:y2, x1:x2] = small[y1 - top : y2 - top, x1 - left : x2 - left]
        for other, (x, y, _) in list(self.people.items()):
            if max(abs(x - centre_xy[0]), abs(y - centre_xy[1])) < 0.6 * side_px:
                del self.people[other]
        if is_counted:
            self.people[who] = (*centre_xy, float(side_px))


Clip = tuple[int, "Iterator[Scene]"]
"""The number of people, and the frames."""


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("portraits", type=Path, help="a folder of square photos of one face each")
    parser.add_argument("--only", nargs="+", choices=sorted(CLIPS), help="some clips only")
    chosen = parser.parse_args()
    analyzer = load_analyzer(candidates(Task.EMOTION), candidates(Task.DETECTION), device="cpu")
    portraits = load_portraits(chosen.portraits, analyzer)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.only or CLIPS:
            figures[name] = measure(CLIPS[name](portraits), analyzer, Path(folder) / "clip.mp4")
    header = ["clip", "people", "counted", "identity switches", "brief tracks"]
    print_table(
        "people in videos", header, [[name, *row.values()] for name, row in figures.items()]
    )
    right = sum(row["people"] == row["counted"] for row in figures.values())
    print(f"\n{right} of {len(figures)} clips are counted right.")
    write_json(chosen.json, {"machine": describe_machine(), "clips": figures})


def load_portraits(folder: Path, analyzer: Analyzer) -> list[Image]:
    """The first photos of a folder with one clear face in the middle."""
    found: list[Image] = []
    for path in sorted(folder.glob("*.jpg")):
        image = decode_image(path.read_bytes()).pixels
        (analysis,) = analyzer.analyze([image], AnalyzeOptions(search_px=640))
        if len(analysis) == 1 and analysis.faces.scores[0] > 0.85:
            found.append(image)
        if len(found) == MAX_PORTRAITS:
            break
    return found


def measure(clip: Clip, analyzer: Analyzer, path: Path) -> dict[str, int]:
    """Writes a clip, analyses it and compares the result with what was composed."""
    n_people, scenes = clip
    truth = []
    with av.open(str(path), "w") as container:
        stream = None
        for scene in scenes:
            if stream is None:
                options = {"crf": "20", "preset": "veryfast"}
                stream = container.add_stream("libx264", rate=round(2 * FPS), options=options)
                stream.height, stream.width = scene.image.shape[:2]
                stream.pix_fmt = "yuv420p"
            for _ in range(2):  # FPS is not an integer
                container.mux(stream.encode(av.VideoFrame.from_ndarray(scene.image)))
            truth.append(scene.people)
        if stream is not None:
            container.mux(stream.encode())
    result = analyze_video(path, analyzer, VideoSettings(every=2))
    brief = result.frames.get("is_brief")
    n_brief = 0 if brief is None else result.frames.loc[brief, "track"].nunique()
    seen = result.frames[result.frames["track"].isin(result.people["track"])]
    switches = count_switches(seen, truth)
    counted = len(result.people)
    return {"people": n_people, "counted": counted, "switches": switches, "brief": n_brief}


def count_switches(
    frames: pd.DataFrame, truth: Sequence[dict[int, tuple[float, float, float]]]
) -> int:
    """Counts how often a person is given another track than before."""
    switches, before = 0, dict[int, int]()
    for index, rows in frames.groupby("frame"):
        centres = rows[["x1", "y1"]].to_numpy() / 2 + rows[["x2", "y2"]].to_numpy() / 2
        for who, (x, y, side) in truth[int(str(index)) // 2].items():
            apart = np.hypot(*(centres - (x, y)).T)
            if apart.min() > 0.4 * side:
                continue
            track = int(rows["track"].iloc[apart.argmin()])
            switches += before.get(who, track) != track
            before[who] = track
    return switches


def _room(seed: int = 1, size_wh: tuple[int, int] = SIZE_WH) -> Scene:
    """A backdrop of coarse, soft patches."""
    patches = np.random.default_rng(seed).integers(50, 170, (5, 8, 3)).astype(np.uint8)
    return Scene(np.asarray(cv2.resize(patches, size_wh), np.uint8))


def _turned(portrait: Image) -> Image:
    """A portrait whose face cannot be found, as the back of a head."""
    return np.asarray(cv2.GaussianBlur(portrait, (0, 0), 18), np.uint8)


def _frames(seconds: float) -> Iterator[float]:
    yield from (i / FPS for i in range(round(seconds * FPS)))


def _sway(now: float, who: int = 0) -> tuple[float, float]:
    """A small movement as of somebody who sits and talks, in pixels."""
    return 4 * np.sin(1.3 * now + who), 3 * np.cos(0.9 * now + 2 * who)


def _sit(
    portraits: list[Image],
    places: Sequence[tuple[float, float]],
    seconds: float,
    away: Callable[[int, float], bool],
) -> Iterator[Scene]:
    """People who sit and talk, and whose faces are turned away now and then."""
    for now in _frames(seconds):
        scene = _room()
        for who, (x, y) in enumerate(places):
            dx, dy = _sway(now, who)
            is_away = away(who, now)
            portrait = _turned(portraits[who]) if is_away else portraits[who]
            scene.add(who, portrait, (x + dx, y + dy), is_counted=not is_away)
        yield scene


def one_steady(portraits: list[Image]) -> Clip:
    """One person who talks to the camera."""
    return 1, _sit(portraits, [(320, 180)], 4, lambda *_: False)


def looks_away(portraits: list[Image]) -> Clip:
    """One person who looks away for half a second, for two, and for three."""
    spans = [(1, 1.5), (3, 5), (6.5, 9.5)]
    away = lambda _, now: any(start < now < end for start, end in spans)  # noqa: E731
    return 1, _sit(portraits, [(320, 180)], 11, away)


def two_look_at_each_other(portraits: list[Image]) -> Clip:
    """Two people who look away in turn, both at once in between."""
    away = lambda who, now: who * 2.5 < now % 6 - 1 < 2.6 + who * 2  # noqa: E731
    return 2, _sit(portraits, [(180, 180), (460, 180)], 12, away)


def diners(portraits: list[Image]) -> Clip:
    """Six people at two tables, each of whom looks away for a quarter of the time."""
    places = [(110.0 + 210 * (i % 3), 90.0 + 180 * (i // 3)) for i in range(6)]
    away = lambda who, now: (now + 1.3 * who) % 7 < 1.9 and now > 0.5  # noqa: E731
    return 6, _sit(portraits, places, 12, away)


def crossing(portraits: list[Image]) -> Clip:
    """Two people who walk past each other, one before the other."""

    def scenes() -> Iterator[Scene]:
        for now in _frames(4):
            scene = _room()
            scene.add(1, portraits[1], (540 - 110 * now, 185))
            scene.add(0, portraits[0], (100 + 110 * now, 175))
            yield scene

    return 2, scenes()


def cuts(portraits: list[Image]) -> Clip:
    """Two shots, one person each, at the same place of the frame."""
    return 2, _shots(portraits, [0, 1])


def cuts_back(portraits: list[Image]) -> Clip:
    """Shots of two people in turn, as in an interview."""
    return 2, _shots(portraits, [0, 1, 0, 1, 0])


def many_cuts(portraits: list[Image]) -> Clip:
    """Seven shots of seven people."""
    return 7, _shots(portraits, [2, 3, 4, 5, 6, 7, 8])


def _shots(portraits: list[Image], order: Sequence[int]) -> Iterator[Scene]:
    for who in order:
        for now in _frames(2):
            scene, (dx, dy) = _room(who), _sway(now, who)
            scene.add(who, portraits[who], (320 + dx, 180 + dy), side_px=220)
            yield scene


def _gallery(portraits: list[Image], orders: Sequence[Sequence[int]], side: int) -> Iterator[Scene]:
    """A video call of square tiles on grey, in one order after the other."""
    columns = int(np.ceil(np.sqrt(len(orders[0]))))
    for shot, order in enumerate(orders):
        for now in (2 * shot + since for since in _frames(2)):
            image = np.full((columns * (side + 10), columns * (side + 40), 3), 40, np.uint8)
            scene = Scene(image)
            for place, who in enumerate(order):
                row, column = divmod(place, columns)
                x = (column + 0.5) * (side + 40)
                y = (row + 0.5) * (side + 10)
                dx, dy = _sway(now, who)
                moved = np.array([[1, 0, dx], [0, 1, dy]])
                size = (portraits[who].shape[1], portraits[who].shape[0])
                portrait = cv2.warpAffine(
                    portraits[who], moved, size, borderMode=cv2.BORDER_REPLICATE
                )
                scene.add(who, np.asarray(portrait, np.uint8), (x, y), side_px=side)
            yield scene


def gallery_reflow(portraits: list[Image]) -> Clip:
    """A call of 25, of whom the sixth moves to the end, so that those after it move up."""
    order = list(range(25))
    return 25, _gallery(portraits, [order, [*order[:5], *order[6:], 5]], 130)


def gallery_swap(portraits: list[Image]) -> Clip:
    """A call of 25, of whom one at a time changes places with the last."""
    first = list(range(25))
    second = [24, *first[1:24], 0]
    third = [24, *first[1:12], 0, *first[13:24], 12]
    return 25, _gallery(portraits, [first, second, third], 130)


def gallery_leaves(portraits: list[Image]) -> Clip:
    """A call of nine, of whom the first leaves and comes back as the last."""
    order = list(range(9))
    return 9, _gallery(portraits, [order, order[1:], [*order[1:], 0]], 130)


def leaves_and_comes_back(portraits: list[Image]) -> Clip:
    """One person who walks out of the frame, and back from the other side four seconds later."""

    def scenes() -> Iterator[Scene]:
        for now in _frames(11):
            scene = _room()
            x = 320 + 170 * max(0.0, now - 1.5) if now < 6 else max(320.0, 760 - 150 * (now - 7))
            if -60 < x < 700:
                scene.add(0, portraits[0], (x, 180), is_counted=40 < x < 600)
            yield scene

    return 1, scenes()


def false_detections(portraits: list[Image]) -> Clip:
    """Two people, and twenty faces of a single frame anywhere, as a detector may err."""

    def scenes() -> Iterator[Scene]:
        rng = np.random.default_rng(0)
        for i, now in enumerate(_frames(5)):
            scene = _room()
            for who, x in enumerate((180, 460)):
                dx, dy = _sway(now, who)
                scene.add(who, portraits[who], (x + dx, 180 + dy))
            if i % 3 == 2:
                other = int(rng.integers(4, 30))
                place = (float(rng.choice([40, 320, 600])), float(rng.uniform(50, 310)))
                scene.add(other, portraits[other], place, side_px=70, is_counted=False)
            yield scene

    return 2, scenes()


def dark_flicker(portraits: list[Image]) -> Clip:
    """Three people under a lamp that flickers."""

    def scenes() -> Iterator[Scene]:
        rng = np.random.default_rng(3)
        places = [(120.0, 180.0), (320.0, 170.0), (520.0, 185.0)]
        for scene in _sit(portraits, places, 6, lambda *_: False):
            light = 0.2 if rng.random() < 0.25 else 1.0
            yield Scene((scene.image * light).astype(np.uint8), scene.people)

    return 3, scenes()


CLIPS: dict[str, Callable[[list[Image]], Clip]] = {
    function.__name__.replace("_", " "): function
    for function in (
        one_steady,
        looks_away,
        two_look_at_each_other,
        diners,
        crossing,
        cuts,
        cuts_back,
        many_cuts,
        gallery_reflow,
        gallery_swap,
        gallery_leaves,
        leaves_and_comes_back,
        false_detections,
        dark_flicker,
    )
}


if __name__ == "__main__":
    main()
