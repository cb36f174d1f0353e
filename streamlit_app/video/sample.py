"""The sample video and its result, which ships with the project.

``make sample`` analyses the clip anew and writes the files beside it; a test compares them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from emotion_core.local_analyzer import load_analyzer
from emotion_core.photos.tables import table_to_csv
from emotion_core.video.highlights import HighlightCutter
from emotion_core.video.io.reader import VideoReader
from emotion_core.video.pipeline import analyze_video
from emotion_core.video.tables import moments, people_table, smooth_result
from emotion_core.video.types import VideoInfo, VideoResult, VideoSettings
from streamlit_app.shared_file import SharedTempFile
from streamlit_app.video.results import FinishedVideo

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer

FOLDER = Path(__file__).parents[1] / "assets" / "sample"
"""Where the clip and its result are."""

NAME = "sad_to_happy.mp4"
"""File of the clip."""

ANNOTATED = "annotated.mp4"
"""File of the clip with its analysis drawn."""

_FRAMES, _RESULT = "frames.csv", "result.json"
_FACTS = ("model", "detector", "n_frames", "n_analyzed", "fault")


def write_sample(analyzer: Analyzer) -> None:
    """Analyses the clip with the default settings, and replaces the stored result."""
    result = analyze_video(FOLDER / NAME, analyzer, target=FOLDER / ANNOTATED)
    (FOLDER / _FRAMES).write_bytes(table_to_csv(result.frames))
    facts = {name: getattr(result, name) for name in _FACTS}
    facts |= {"info": asdict(result.info), "end_s": result.frames.attrs.get("end_s")}
    (FOLDER / _RESULT).write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def load_sample() -> FinishedVideo:
    """The stored result, with highlights cut from the clip."""
    frames = pd.read_csv(FOLDER / _FRAMES, encoding="utf-8-sig").astype(
        {"track": "Int64", "emotion": "str", "va_source": "str", "model": "str"}
    )
    facts = json.loads((FOLDER / _RESULT).read_text("utf-8"))
    frames.attrs = {"end_s": facts["end_s"]}
    info = facts["info"]
    info |= {"size_wh": tuple(info["size_wh"]), "warnings": tuple(info["warnings"])}
    result = VideoResult(
        info=VideoInfo(**info),
        settings=VideoSettings(),
        frames=frames,
        people=people_table(frames),
        highlights=(),
        elapsed_s=0.0,
        **{name: facts[name] for name in _FACTS},
    )
    smoothed = smooth_result(result)
    people = people_table(frames, smoothed=smoothed)
    cutter = HighlightCutter(smoothed, moments(people, len(people)))
    with VideoReader(FOLDER / NAME) as reader:
        for frame in reader.frames(lambda index, _: index in cutter.frames):
            if frame.index in cutter.frames:
                cutter.cut(frame.index, frame.image)
    result = replace(result, people=people, highlights=cutter.highlights())
    return FinishedVideo(NAME, result, _copy(ANNOTATED), _copy(NAME))


def _copy(name: str) -> SharedTempFile:
    file = SharedTempFile()
    with file.in_use() as path:
        path.write_bytes((FOLDER / name).read_bytes())
    return file


if __name__ == "__main__":
    write_sample(load_analyzer())
