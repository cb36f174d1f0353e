"""Each example of ``examples/`` runs, and does what it says."""

import json
import re
import shutil
import subprocess

import altair as alt
import cv2
import numpy as np
import pandas as pd
import PIL.Image
import pytest

import emotion_core as emo
from emotion_core.local_analyzer import load_analyzer
from emotion_core.photos.tables import table_to_csv
from emotion_core.study.settings import StudySettings
from emotion_core.study.tables import make_tables
from examples import (
    adapt_to_labels,
    ask_server,
    folder_to_table,
    make_study,
    read_photo,
    read_video,
    webcam_loop,
)
from tests.factories import make_counting_photo, make_fake_analyzer
from tests.paths import PORTRAIT, ROOT
from tests.serving.conftest import SESAME, serving_here
from tests.study import studies
from tests.video.clips import make_clip

EXAMPLES = ROOT / "examples"
TESTED = {
    "adapt_to_labels.py",
    "ask_server.py",
    "ask_server.sh",
    "folder_to_table.py",
    "group_figure.ipynb",
    "make_study.py",
    "read_photo.py",
    "read_video.py",
    "webcam_loop.py",
}


@pytest.fixture(scope="module")
def small_networks():
    return emo.load_analyzer("emoscope-fer-s", "emoscope-face-s", device="cpu")


@pytest.fixture
def analyzer(small_networks, monkeypatch):
    """What ``load_analyzer`` gives in an example."""
    monkeypatch.setattr(emo, "load_analyzer", lambda: small_networks)


@pytest.mark.usefixtures("analyzer")
def test_the_readmes_lines_of_python_run(tmp_path, monkeypatch, capsys):
    shutil.copy(PORTRAIT, tmp_path / "photo.jpg")
    make_still_clip(tmp_path)
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(code, {})  # noqa: S102
    assert "happiness" in capsys.readouterr().out
    assert (tmp_path / "annotated.mp4").stat().st_size


def test_no_example_is_without_a_test():
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == TESTED


@pytest.mark.usefixtures("analyzer")
def test_a_photo_is_read_and_marked(tmp_path, capsys):
    target = tmp_path / "annotated.jpg"
    read_photo.main(str(PORTRAIT), str(target))
    assert capsys.readouterr().out.startswith("face 1: happiness (")
    with PIL.Image.open(target) as marked, PIL.Image.open(PORTRAIT) as photo:
        assert marked.size == photo.size


@pytest.mark.usefixtures("analyzer")
def test_a_folder_becomes_a_table_and_what_is_no_photo_is_told(tmp_path, capsys):
    (tmp_path / "in" / "anna").mkdir(parents=True)
    shutil.copy(PORTRAIT, tmp_path / "in" / "anna" / "1.jpg")
    (tmp_path / "in" / "2.jpg").write_bytes(b"nothing")
    (tmp_path / "in" / "notes.txt").write_text("nothing")
    target = tmp_path / "faces.csv"
    faces = folder_to_table.main(str(tmp_path / "in"), str(target))
    assert faces["source"].tolist() == ["anna/1.jpg"]
    assert list(pd.read_csv(target)) == list(faces)
    said = capsys.readouterr().out
    assert "2.jpg: " in said
    assert "notes" not in said


def make_still_clip(folder):
    """Five frames of the portrait."""
    with PIL.Image.open(PORTRAIT) as photo:
        frame = np.array(photo.convert("RGB").resize((256, 256)))
    make_clip(folder / "clip.mp4", [frame] * 5, fps=10)
    return folder / "clip.mp4"


@pytest.mark.usefixtures("analyzer")
def test_people_of_a_video_are_followed(tmp_path, capsys):
    target = tmp_path / "annotated.mp4"
    frames = read_video.main(str(make_still_clip(tmp_path)), str(target))
    assert frames["track"].tolist() == [1] * 5
    assert "happiness" in capsys.readouterr().out
    assert target.stat().st_size


@pytest.mark.usefixtures("analyzer")
def test_a_network_is_adapted_to_labels_and_too_few_are_told(tmp_path, capsys):
    with PIL.Image.open(PORTRAIT) as photo:
        portrait = np.array(photo.convert("RGB").resize((256, 256)), np.float32)
    rows = ["image,emotion"]
    for i in range(10):
        for word, blur_px in (("neutral", 2.5), ("happiness", 0.5)):
            name = f"{word}{i}.png"
            pixels = np.roll(cv2.GaussianBlur(portrait, (0, 0), blur_px + 0.1 * i), i, 1)
            PIL.Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name)
            rows.append(f"{name},{word}")
    target = tmp_path / "mine.safetensors"
    (tmp_path / "labels.csv").write_text("\n".join(rows[:5]))
    assert "too few labels" in adapt_to_labels.main(str(tmp_path), str(target)).refusal
    assert not target.exists()
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    assert adapt_to_labels.main(str(tmp_path), str(target)).used == ("emotions",)
    assert "recall of neutral: 0.00, adapted 0." in capsys.readouterr().out
    adapted = load_analyzer(str(target.with_suffix(".onnx")), "emoscope-face-s", device="cpu")
    photos = [adapted.read(tmp_path / f"neutral{i}.png") for i in range(10)]
    read = [face.emotion for photo in photos for face in photo]
    assert read.count("neutral") >= 5  # the network itself reads none of them so


class FakeCapture:
    """A camera in front of a photo, for two frames."""

    def __init__(self, index):
        self.index, self.left, self.is_released = index, 2, False

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return self.index == 0

    def read(self):
        self.left -= 1
        with PIL.Image.open(PORTRAIT) as photo:
            return self.left >= 0, np.array(photo.convert("RGB"))[..., ::-1]

    def release(self):
        self.is_released = True


@pytest.mark.usefixtures("analyzer")
def test_a_camera_is_read_frame_by_frame_and_released(monkeypatch, capsys):
    made = []

    def make_capture(index):
        made.append(FakeCapture(index))
        return made[-1]

    monkeypatch.setattr(webcam_loop.cv2, "VideoCapture", make_capture)
    webcam_loop.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == ["happiness"] * 2
    assert made[0].is_released
    with pytest.raises(SystemExit, match="Camera 7 cannot be opened"):
        webcam_loop.main(7)


@pytest.fixture(scope="module")
def server_url():
    pytest.importorskip("fastapi", reason="The extra `serve` is not installed.")
    with serving_here(make_fake_analyzer(), None, SESAME) as server:
        yield server.url


@pytest.fixture
def two_faces(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOSCOPE_SERVER_TOKEN", SESAME)
    path = tmp_path / "photo.png"
    path.write_bytes(make_counting_photo(2))
    return path


def test_a_server_is_asked_in_python(server_url, two_faces, monkeypatch, capsys):
    # The fake counts the faces by a pixel, which JPEG would change.
    from emotion_core.serving import client

    monkeypatch.setattr(client, "encode_jpeg", lambda *_, **__: two_faces.read_bytes())
    assert ask_server.main(server_url, str(two_faces))["face"].tolist() == [1, 2]
    assert "valence" in capsys.readouterr().out


def test_a_server_is_asked_with_curl(server_url, two_faces):
    command = ["bash", EXAMPLES / "ask_server.sh", server_url, two_faces]
    answer = subprocess.run(command, capture_output=True, check=True)
    assert len(json.loads(answer.stdout)["faces"]["boxes"]) == 2


def test_the_notebook_draws_the_group_figure_of_a_study(tmp_path, monkeypatch):
    study = studies.make_study(2, settings=StudySettings(draws=50))
    (tmp_path / "results").mkdir()
    for name, table in make_tables(study).items():
        (tmp_path / "results" / f"{name}.csv").write_bytes(table_to_csv(table))
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / "group_figure.ipynb").read_text(encoding="utf-8"))
    names = {}
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)  # noqa: S102
    assert isinstance(names["figure"], alt.HConcatChart)
    panels = names["figure"].to_dict()["hconcat"]
    assert [panel["title"] for panel in panels] == ["calm", "joy"]
    assert set(names["participants"]["participant"]) == {"P1", "P2"}
    assert "share_counted" in names["participants"]


@pytest.mark.slow
def test_a_study_is_made_with_a_course_that_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(make_study, "PEOPLE", 1)
    monkeypatch.setattr(make_study, "SECONDS", 1)
    make_study.make_study(tmp_path)
    assert {p.name for p in tmp_path.glob("*.mp4")} == {"P1_change.mp4", "P1_steady.mp4"}
    known = pd.read_csv(tmp_path / "known_course.csv").groupby("stimulus")["valence"]
    assert np.ptp(known.get_group("steady")) == 0
    assert np.ptp(known.get_group("change")) > 0.5
