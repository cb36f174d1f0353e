"""An adapted network in memory: made here, or from a file that somebody gave."""

import json

import numpy as np
import onnx
import pandas as pd
import pytest
import requests
from safetensors.numpy import load, save

from emotion_core.adaptation import adapted_model
from emotion_core.adaptation.adapted_model import make_adapted, restore_adapted
from emotion_core.adaptation.network import load_base
from emotion_core.cli.main import main
from emotion_core.errors import EmotionError
from emotion_core.files.archive import pack
from emotion_core.local_analyzer import load_analyzer
from emotion_core.photos.cropped import iter_cropped_photos, read_again
from emotion_core.photos.pipeline import PhotoSource
from emotion_core.serving.schema import analysis_from_json
from tests.adaptation.happier import make_happier
from tests.factories import make_faces, make_image
from tests.paths import PORTRAIT, WEIGHTS
from tests.serving.conftest import serving_here

FACE, IMAGE = make_faces([(4, 4, 60, 60)], landmarks=True), make_image(64, 64)


@pytest.fixture(scope="module")
def model():
    base = load_base("emoscope-fer-s")
    return make_adapted(base, make_happier(base), "cpu")


def read(model):
    return model.classifier.classify([IMAGE], [FACE])[0]


def changed(data, **notes):
    """A safetensors file with other notes on how it was adapted."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    told = json.loads(metadata["adapted"]) | notes
    return save(load(data), metadata | {"adapted": json.dumps(told)})


def test_a_file_gives_the_same_model_again(model):
    files = dict(model.files)
    assert sorted(files) == ["my-study.md", "my-study.onnx", "my-study.safetensors"]
    for name, data in [*files.items(), ("mine.zip", pack(files.items()))]:
        if name.endswith(".md"):
            continue
        again = restore_adapted(name, data, "cpu")
        assert (again.card.version, again.base) == (model.card.version, "emoscope-fer-s")
        np.testing.assert_array_equal(read(again).probabilities, read(model).probabilities)
        assert again.files["my-study.onnx"] == files["my-study.onnx"]


def test_nothing_but_the_last_layer_of_a_file_is_used(model):
    graph = onnx.load_from_string(model.files["my-study.onnx"])
    for node in graph.graph.node:
        node.op_type = "Identity"
    again = restore_adapted("strange name!.onnx", graph.SerializeToString(), "cpu")
    assert again.card.name == "strange-name.onnx"
    np.testing.assert_array_equal(read(again).probabilities, read(model).probabilities)


def test_weights_in_another_file_are_not_looked_for(model):
    graph = onnx.load_from_string(model.files["my-study.onnx"])
    head = next(t for t in graph.graph.initializer if t.name == "head.1.weight")
    head.ClearField("raw_data")
    head.data_location = onnx.TensorProto.EXTERNAL
    head.external_data.add(key="location", value="/etc/hostname")
    with pytest.raises(EmotionError, match=r"lacks 'head.1.weight'"):
        restore_adapted("a.onnx", graph.SerializeToString(), "cpu")


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.txt", lambda _: b"", "no .safetensors, .onnx or .zip file"),
        ("a.zip", lambda _: pack([("a.txt", b"")]), "holds no .safetensors or .onnx file"),
        ("a.zip", lambda _: b"nothing", "archive cannot be read"),
        ("a.onnx", lambda _: b"nothing", "a.onnx"),
        ("a.safetensors", lambda _: b"nothing", "no safetensors file"),
        (
            "a.safetensors",
            lambda _: (WEIGHTS / "emoscope-fer-s.safetensors").read_bytes(),
            "was not made by adapting a model with Emoscope; it lacks 'adapted'",
        ),
        (
            "a.safetensors",
            lambda data: changed(data, base_sha256="0" * 64),
            "adapted from emoscope-fer-s 0000000000000000, which is none of the models here",
        ),
        ("a.safetensors", lambda data: changed(data, labels=7), "was not made by adapting"),
        ("a.safetensors", lambda data: changed(data, people_or_photos=-1), "between 0 and"),
        (
            "a.safetensors",
            lambda data: changed(
                data,
                base="emoscope-fer-m",
                base_sha256=load_base("emoscope-fer-m").card.weights.sha256,
            ),
            "does not fit emoscope-fer-m",
        ),
    ],
)
def test_other_files_are_refused_in_a_sentence(model, name, make, message):
    with pytest.raises(EmotionError, match=message):
        restore_adapted(name, make(model.files["my-study.safetensors"]), "cpu")


def test_a_file_that_is_too_large_is_not_read(model, monkeypatch):
    data = model.files["my-study.onnx"]
    monkeypatch.setattr(adapted_model, "MAX_MODEL_BYTES", len(data) - 1)
    for name, content in (("a.onnx", data), ("a.zip", pack([("a.onnx", data)]))):
        with pytest.raises(EmotionError, match="larger than"):
            restore_adapted(name, content, "cpu")


@pytest.mark.slow
def test_page_command_line_and_server_give_the_same_numbers(model, tmp_path):
    path = tmp_path / "my-study.onnx"
    for name, data in model.files.items():
        (tmp_path / name).write_bytes(data)
    photo = PhotoSource(PORTRAIT.name, PORTRAIT.read_bytes)
    shipped = load_analyzer("emoscope-fer-s", "emoscope-face-s", device="cpu")
    (before,) = iter_cropped_photos(shipped, [photo])
    on_page = read_again(model.to_analyzer(shipped), photo, before).record.analysis
    assert on_page.predictions.top == ["happiness"]

    arguments = ["--model", str(path), "--detector", "emoscope-face-s", "--device", "cpu"]
    assert main(["photos", str(PORTRAIT), "--out", str(tmp_path / "out"), *arguments]) == 0
    table = pd.read_csv(tmp_path / "out" / "faces.csv", encoding="utf-8-sig")
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert settings["model"] == model.card.version
    assert set(table["model"]) == {model.card.title} == {on_page.model}

    served = load_analyzer(str(path), "emoscope-face-s", device="cpu")
    with serving_here(served, served.classifier.classify_crops) as server:
        answer = requests.post(
            f"{server.url}/v1/analyze", data=PORTRAIT.read_bytes(), timeout=60
        ).content
    far = analysis_from_json(answer)
    for other in (
        table[[f"p_{label}" for label in on_page.predictions.labels]].to_numpy(),
        far.predictions.probabilities,
    ):
        np.testing.assert_allclose(other, on_page.predictions.probabilities, atol=1e-4)
    near = on_page.predictions
    for name in ("valence", "arousal"):
        values = [table[name][0], getattr(far.predictions, name)[0]]
        np.testing.assert_allclose(values, getattr(near, name)[0], atol=1e-3)
