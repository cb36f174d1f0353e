"""The stored result of the sample is what the shipped models find in it."""

import numpy as np

from emotion_core.local_analyzer import load_analyzer
from emotion_core.video.pipeline import tabulate_video
from emotion_core.video.types import HighlightKind, VideoSettings
from streamlit_app.video.sample import FOLDER, NAME, load_sample

NUMBERS = ["time_s", "x1", "y1", "x2", "y2", "score", "confidence", "valence", "arousal"]
_ATOL = np.array([1e-6, 2, 2, 2, 2, 0.02, 0.02, 0.02, 0.02])  # processors round differently


def test_the_first_rows_of_the_sample_are_found_anew():
    analyzer = load_analyzer("emoscope-fer-m", "emoscope-face-s", device="cpu")
    stored = load_sample().result
    found = tabulate_video(FOLDER / NAME, analyzer, VideoSettings(to_s=0.2))
    rows = stored.frames[stored.frames["frame"].isin(found.frames["frame"])]
    assert (stored.model, stored.detector) == (found.model, found.detector)
    assert len(rows) == 5
    assert rows["emotion"].tolist() == found.frames["emotion"].tolist()
    assert set(found.frames.columns) == set(rows.columns), "make sample writes them anew"
    difference = np.abs(rows[NUMBERS].to_numpy(float) - found.frames[NUMBERS].to_numpy(float))
    assert (difference <= _ATOL).all(), difference


def test_the_sample_has_a_video_and_key_moments():
    finished = load_sample()
    assert [one.kind for one in finished.result.highlights] == list(HighlightKind)
    assert all(one.jpeg.startswith(b"\xff\xd8") for one in finished.result.highlights)
    assert finished.clip.read() == (FOLDER / NAME).read_bytes()  # of which the bundle has the hash
    assert finished.video.size < 1_000_000
    assert finished.video.read()[4:8] == b"ftyp"
    assert (FOLDER / NAME).stat().st_size + finished.video.size < 1_500_000
