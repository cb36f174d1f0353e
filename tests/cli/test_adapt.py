"""``emoscope adapt`` with a few photos: what it says, and what it refuses before it starts."""

import json

import pytest

from emotion_core.cli.main import main
from tests.factories import encode, make_smooth_image

HEADER = "image,x1,y1,x2,y2,emotion"


def test_too_few_labels_are_refused_after_the_figures(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(encode(make_smooth_image()))
    (tmp_path / "labels.csv").write_text(f"{HEADER}\na.png,1,1,9,9,happy\n")
    report = tmp_path / "report.json"
    out = tmp_path / "mine.safetensors"
    options = ["--base", "emoscope-fer-s", "--detector", "emoscope-face-s"]
    code = main(["adapt", str(tmp_path), *options, "--json", str(report), "--out", str(out)])
    said = capsys.readouterr()
    assert code == 2
    assert "0 labels of emotions" in said.out
    assert "1 labelled faces were not found, e.g. a.png" in said.err
    assert "Nothing was adapted. There are too few labels" in said.err
    assert json.loads(report.read_text())["changed"] == []
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "mine.onnx"], "Name the file OUT.safetensors"),
        (["--out", "none/mine.safetensors"], "There is no folder"),
        (["--base", "mobilefacenet-rafdb.txt/"], "names no Hub repository"),
    ],
)
def test_wrong_options_are_refused(tmp_path, capsys, options, message):
    (tmp_path / "a.png").write_bytes(encode(make_smooth_image()))
    (tmp_path / "labels.csv").write_text("image,emotion\na.png,happy\n")
    assert main(["adapt", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err
