"""The public API: what the README's ten lines promise."""

import io
import subprocess
import sys
import tomllib

import numpy as np
import PIL.Image
import pytest

import emotion_core as emo
from emotion_core.imaging.codec import decode_image
from tests.factories import encode, make_analysis, make_fake_analyzer, make_image
from tests.paths import PORTRAIT, ROOT


def test_every_promised_name_is_there_and_no_other():
    assert set(emo.__all__) <= set(dir(emo))
    assert all(getattr(emo, name) is not None for name in emo.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = emo.nothing


def test_importing_the_package_imports_nothing_heavy():
    code = "import emotion_core, sys; print({'numpy', 'torch', 'cv2', 'av'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "pillow", "array"])
def test_an_image_is_read_from_wherever_it_is(kind, tmp_path):
    image = make_image()
    image[0, 0] = (2, 0, 0)  # the fake finds two faces
    path = tmp_path / "photo.png"
    path.write_bytes(encode(image))
    source = {
        "path": path,
        "text": str(path),
        "bytes": path.read_bytes(),
        "pillow": PIL.Image.fromarray(image),
        "array": image,
    }[kind]
    analysis = make_fake_analyzer().read(source)
    assert [face.box for face in analysis] == [(0, 0, 32, 48), (32, 0, 64, 48)]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.jpg", "nowhere.jpg cannot be read"),
        (b"nothing", "not an image"),
        (np.zeros((4, 4), np.uint8), "RGB uint8"),
        (np.zeros((4, 4, 3), np.float32), "RGB uint8"),
    ],
)
def test_what_is_no_image_is_refused(source, message):
    with pytest.raises(emo.EmotionError, match=message):
        make_fake_analyzer().read(source)


def test_a_pillow_image_whose_file_is_cut_short_is_refused():
    cut = encode(make_image(200, 150), "BMP")[:-30_000]
    with pytest.raises(emo.EmotionError, match="damaged"):
        make_fake_analyzer().read(PIL.Image.open(io.BytesIO(cut)))


def test_faces_of_an_analysis_agree_with_its_table():
    analysis = make_analysis([(1, 2, 30, 40), (34, 4, 60, 44)])
    faces, table = list(analysis), analysis.to_dataframe()
    assert table["face"].tolist() == [1, 2]
    assert table[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == [list(f.box) for f in faces]
    for name in ("emotion", "score", "confidence", "valence", "arousal"):
        assert table[name].tolist() == [getattr(face, name) for face in faces]
    assert table["p_happiness"].tolist() == [f.probabilities[emo.Emotion.HAPPINESS] for f in faces]
    assert (table["va_source"] == "expectation").all()


def test_an_analysis_without_a_face_gives_an_empty_table():
    analysis = make_analysis()
    assert list(analysis) == []
    assert "p_anger" in analysis.to_dataframe().columns


def test_analyses_by_name_make_a_table():
    table = emo.faces_table({"a.jpg": make_analysis([(1, 2, 30, 40)]), "b.jpg": make_analysis()})
    assert table["source"].tolist() == ["a.jpg"]


def test_networks_are_loaded_by_name():
    analyzer = emo.load_analyzer("emoscope-fer-s", "emoscope-face-s", device="cpu")
    (face,) = analyzer.read(PORTRAIT)
    assert face.emotion is emo.Emotion.HAPPINESS
    image = decode_image(PORTRAIT.read_bytes()).pixels
    assert (emo.annotate(image, analyzer.read(image)) != image).any()


def test_the_app_needs_what_its_requirements_say():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {*project["dependencies"], *project["optional-dependencies"]["app"]}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert wanted == {line for line in lines if line and not line.startswith("#")}


def test_the_version_is_the_citations():
    assert f"version: {emo.__version__}\n" in (ROOT / "CITATION.cff").read_text()
