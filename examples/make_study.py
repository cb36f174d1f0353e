r"""Makes a small study whose course is known, and measures how well `study` recovers it.

One public-domain portrait (NASA's photo of Eileen Collins, as in scikit-image) is morphed, from its
smile to a mouth pressed together and back, and moved about. Six participants differ in size,
tone, place and in how far they go; two stimuli: in `steady` the face stays as it is, in `change` it
is morphed. What the model reads of each still before it becomes a video is the known course: the
measured error is that of the whole way from videos to the group curve, not of the model.

    python -m examples.make_study made
    python -m emotion_core study made --pattern "{participant}_{stimulus}.mp4" --out results \
        --model emoscope-fer-s --detector emoscope-face-s
    python -m examples.make_study made --check results
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd

import emotion_core as emo

PORTRAIT = Path(__file__).parents[1] / "streamlit_app" / "assets" / "astronaut.jpg"
NETWORKS = ("emoscope-fer-s", "emoscope-face-s")
PEOPLE, STIMULI = 6, ("steady", "change")
FPS, SECONDS = 8, 5
SIZE_WH = (320, 240)
MAX_ERROR = 0.1
"""Of valence, at each step of the clock, between the group curve and the known course."""


def morph_of(stimulus: str, person: int) -> np.ndarray:
    """How far the face is morphed in each frame, 0-1: up and down once, people a bit apart."""
    phase = np.arange(FPS * SECONDS) / (FPS * SECONDS)
    reach = 0.75 + 0.05 * person
    return (reach * np.sin(np.pi * phase) ** 2 * (stimulus == "change")).round(4)


def make_face(portrait: np.ndarray, mouth: np.ndarray, amount: float) -> np.ndarray:
    """The portrait with the smile pressed together, upper to lower lip.

    Args:
        portrait: RGB `(H, W, 3)`.
        mouth: `(2, 2)` the corners of the mouth in pixels.
        amount: 0 (as it is) to 1.
    """
    height, width = portrait.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    middle_x, middle_y = mouth.mean(axis=0)
    reach = float(np.linalg.norm(mouth[1] - mouth[0]))
    across, along = (x - middle_x) / (0.9 * reach), (y - middle_y) / (0.5 * reach)
    pressed = 4 * amount * np.exp(-(across**4 + along**4))
    source_y = (y + (y - middle_y) * pressed).astype(np.float32)
    return cv2.remap(portrait, x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def make_frame(face: np.ndarray, person: int, place: float = 0.0) -> np.ndarray:
    """A frame with the face of a participant; `place` (0-1) tells where it has moved to."""
    side = 150 + 10 * person
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    toned = np.clip(small * (0.85 + 0.05 * person) + 4 * person, 0, 255).astype(np.uint8)
    frame = np.full((SIZE_WH[1], SIZE_WH[0], 3), (70, 80, 95), np.uint8)
    left = round((SIZE_WH[0] - side) * (0.5 + 0.3 * np.sin(2 * np.pi * place)))
    top = round((SIZE_WH[1] - side) * (0.5 + 0.3 * np.cos(2 * np.pi * place)))
    frame[top : top + side, left : left + side] = toned
    return frame


def write_clip(path: Path, frames: list[np.ndarray]) -> None:
    """Writes frames as an MP4."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def make_study(folder: Path) -> None:
    """Writes the videos, and `known_course.csv` beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    analyzer = emo.load_analyzer(*NETWORKS)
    portrait = load_portrait(analyzer)
    landmarks = analyzer.read(portrait).faces.landmarks
    mouth = landmarks[0, 3:5]
    courses = []
    for person in range(PEOPLE):
        for stimulus in STIMULI:
            morphs = morph_of(stimulus, person)
            known = {
                morph: read_valence(analyzer, make_frame(make_face(portrait, mouth, morph), person))
                for morph in np.unique(morphs)
            }
            frames = [
                make_frame(make_face(portrait, mouth, morph), person, i / len(morphs))
                for i, morph in enumerate(morphs)
            ]
            write_clip(folder / f"P{person + 1}_{stimulus}.mp4", frames)
            course = {"participant": f"P{person + 1}", "stimulus": stimulus}
            course |= {"time_s": np.arange(len(morphs)) / FPS, "morph": morphs}
            courses.append(pd.DataFrame(course | {"valence": [known[m] for m in morphs]}))
    pd.concat(courses).to_csv(folder / "known_course.csv", index=False)


def load_portrait(analyzer: emo.Analyzer) -> np.ndarray:
    """The face of the portrait with room around it, RGB `(256, 256, 3)`."""
    whole = load_rgb(PORTRAIT)
    (found,) = analyzer.read(whole)
    x1, y1, x2, y2 = found.box
    side, middle = 1.7 * max(x2 - x1, y2 - y1), np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    left, top = np.maximum(0, middle - side / 2).round().astype(int)
    portrait = np.ascontiguousarray(whole[top : top + round(side), left : left + round(side)])
    return cv2.resize(portrait, (256, 256), interpolation=cv2.INTER_AREA)


def read_valence(analyzer: emo.Analyzer, still: np.ndarray) -> float:
    """What the model reads of the only face of an image."""
    (face,) = analyzer.read(still)
    return face.valence


def load_rgb(path: Path) -> np.ndarray:
    """An RGB image from a file."""
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def worst_error(folder: Path, results: Path) -> float:
    """The largest difference of the group curves' valence from the known course."""
    known = pd.read_csv(folder / "known_course.csv")
    curves = pd.read_csv(results / "group_curves.csv", encoding="utf-8-sig")
    curves = curves[curves["measure"] == "valence"]
    step_s = float(np.diff(np.unique(curves["time_s"])).min())
    known["time_s"] = (known["time_s"] // step_s + 0.5) * step_s
    means = known.groupby(["stimulus", "time_s"])["valence"].mean()
    told = curves.set_index(["stimulus", "time_s"])["mean"]
    for stimulus in STIMULI:
        both = pd.DataFrame({"known": means[stimulus], "recovered": told[stimulus]}).round(2)
        sys.stdout.write(f"{stimulus}\n{both.T.to_string()}\n")
    return float((told - means).abs().max())


def main() -> int:
    """Makes the study, or checks what was recovered of it."""
    parser = argparse.ArgumentParser(description="A made study with a known course.")
    parser.add_argument("folder", type=Path, help="folder for the videos")
    parser.add_argument("--check", type=Path, metavar="DIR", help="results of the command `study`")
    chosen = parser.parse_args()
    if chosen.check is None:
        make_study(chosen.folder)
        return 0
    error = worst_error(chosen.folder, chosen.check)
    sys.stdout.write(f"largest error of valence: {error:.3f} (stated: {MAX_ERROR})\n")
    return int(not error <= MAX_ERROR)


if __name__ == "__main__":
    raise SystemExit(main())
