"""The archive of all results of photos."""

import io
import json
import zipfile
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pandas as pd

from emotion_core import __version__
from emotion_core.models.adapted_from import AdaptedFrom
from emotion_core.models.card import AnalyzerInfo
from emotion_core.photos.tables import PhotoRecord, faces_table
from emotion_core.reporting.photo_bundle import PhotoRun, describe_methods, write_bundle
from emotion_core.reporting.photo_folder import photo_settings
from emotion_core.types import AnalyzeOptions
from tests.factories import make_detector_card, make_emotion_card, make_record

INFO = AnalyzerInfo(make_emotion_card(), make_detector_card(), "cpu")


def make_run(*records, blur=False, **options):
    return PhotoRun(
        records, INFO, AnalyzeOptions(**options), blur, datetime(2026, 11, 30, tzinfo=UTC),
        {"photo.jpg": "ab" * 32},
    )  # fmt: skip


def test_everything_is_in_one_archive():
    run = make_run(make_record(), PhotoRecord("bad.jpg", error="The file is no image."))
    shown = faces_table(run.records)[:0]
    data = write_bundle(run, [("photo.jpg", b"jpeg")], shown=shown, decimal=",")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    assert set(files) == {
        *("methods.txt", "settings.json", "faces.csv", "photos.csv", "shown_faces.csv"),
        *("charts/valence_arousal.html", "charts/valence_arousal.png", "charts/emotions.png"),
        "annotated/photo.jpg",
    }
    assert len(pd.read_csv(io.BytesIO(files["faces.csv"]), sep=";", decimal=",")) == 1
    assert files["charts/emotions.png"].startswith(b"\x89PNG")
    settings = json.loads(files["settings.json"])
    assert settings["min_score"] == 0.6
    assert settings["versions"]["emoscope"] == __version__
    assert settings["weights_sha256"] == {"tiny": "0" * 64, "tiny-faces": "1" * 64}
    assert settings["photos_sha256"] == {"photo.jpg": "ab" * 32}


def test_without_a_face_there_are_no_charts():
    with zipfile.ZipFile(io.BytesIO(write_bundle(make_run(make_record(boxes=()))))) as archive:
        assert not [name for name in archive.namelist() if name.startswith("charts/")]


def test_methods_tell_models_settings_counts_and_what_failed():
    run = make_run(
        make_record(),
        make_record("none.jpg", boxes=()),
        PhotoRecord("bad.jpg", error="The file is no image."),
        blur=True, region=(0, 0, 640, 720), largest_only=True,
    )  # fmt: skip
    text = describe_methods(run)
    for words in (
        f"Emoscope {__version__} on 2026-11-30",
        f"tiny-faces (SHA-256 {'1' * 64})",
        f"tiny (SHA-256 {'0' * 64})",
        "a detection confidence of at least 0.6, a shorter side of at least 12 pixels and a centre "
        "inside the region 0,0,640,720. Of each photo, only the largest face counts.",
        "Photos analysed: 2, 1 of them without a face. Faces: 1.",
        "could not be read: bad.jpg.",
        "Faces are blurred",
    ):
        assert words in text


def test_an_adapted_model_is_told_with_its_base_and_its_labels():
    adapted = AdaptedFrom("tiny", "a" * 64, 120, 38)
    info = replace(INFO, emotion=make_emotion_card(name="mine.onnx", adapted=adapted))
    run = replace(make_run(make_record()), info=info)
    told = f"adapted from tiny (SHA-256 {'a' * 64}) to 120 labelled faces of 38 people or photos."
    assert told in describe_methods(run)
    settings = photo_settings(info, run.options, blur=False)
    assert settings["model"] == f"mine.onnx {'0' * 16} (adapted from tiny {'a' * 16}, 120 labels)"
    assert settings["adapted_from"] == asdict(adapted)
