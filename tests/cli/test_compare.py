"""``compare`` and ``explain`` with the networks that ship."""

from pathlib import Path

import pandas as pd
import pytest

from emotion_core.cli.main import main
from tests.paths import ROOT

PORTRAIT = ROOT / "streamlit_app" / "assets" / "astronaut.jpg"
DETECTOR = ["--detector", "emoscope-face-s"]


def test_two_models_are_compared_on_a_folder(tmp_path, capsys):
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(PORTRAIT.read_bytes())
    (folder / "b.jpg").write_text("no photo")
    out = tmp_path / "compared.csv"
    models = ["emoscope-fer-s", "emoscope-fer-m"]
    code = main(["compare", *models, str(folder), "--out", str(out), *DETECTOR])
    said = capsys.readouterr()
    assert code == 1
    assert "failed: b.jpg" in said.err
    assert "1 faces, found by emoscope-face-s; 1: emoscope-fer-s, 2: emoscope-fer-m" in said.out
    assert "same word 100.0%" in said.out
    table = pd.read_csv(out)
    assert table[["source", "emotion_1", "emotion_2"]].iloc[0].tolist() == [
        *("a.jpg", "happiness", "happiness")
    ]
    assert main(["compare", *models, str(tmp_path / "none"), *DETECTOR]) == 1


@pytest.mark.slow
def test_two_models_are_compared_on_a_video(capsys):
    clip = ROOT / "streamlit_app" / "assets" / "sample" / "sad_to_happy.mp4"
    models = ["emoscope-fer-s", "emoscope-fer-m"]
    assert main(["compare", *models, str(clip), "--hz", "0.5", *DETECTOR]) == 0
    assert "5 faces" in capsys.readouterr().out


def test_a_face_is_explained_with_a_map(tmp_path, capsys):
    options = ["--model", "emoscope-fer-s", *DETECTOR, "--out", str(tmp_path)]
    assert main(["explain", str(PORTRAIT), *options]) == 0
    said = capsys.readouterr().out
    assert said.startswith("face 1: happiness 1.00 (1.00 to 1.00), valence +0.9")
    assert [path.name for path in tmp_path.iterdir()] == ["astronaut_face1_happiness.jpg"]


def test_a_photo_that_is_missing_is_named(tmp_path, capsys):
    missing = Path(tmp_path / "none.jpg")
    options = ["--model", "emoscope-fer-s", *DETECTOR]
    assert main(["explain", str(missing), *options]) == 2
    assert "none.jpg" in capsys.readouterr().err
