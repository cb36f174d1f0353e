"""The made study: in the form of analysed videos, and named what it is everywhere."""

import pytest

from emotion_core.study.edits import Edits
from emotion_core.study.export import study_file
from emotion_core.study.project import read_project, to_project
from emotion_core.study.synthetic import ABOUT_SYNTHETIC, is_synthetic, synthetic_study
from emotion_core.study.tables import make_tables
from streamlit_app.video.sample import load_sample


@pytest.fixture(scope="module")
def study():
    return synthetic_study(3, seconds=8)


@pytest.fixture(scope="module")
def tables(study):
    return make_tables(study)


def test_readings_have_the_columns_of_an_analysed_video(study):
    real = load_sample().result.frames
    frames = study.records[0].load()
    assert list(frames) == list(real)
    kinds = {name: kind.kind for name, kind in real.drop(columns="flags").dtypes.items()}
    assert {name: frames[name].dtype.kind for name in kinds} == kinds


def test_same_arguments_give_the_same_study_and_something_is_missing_in_it(study, tables):
    again = make_tables(synthetic_study(3, seconds=8))
    assert again.participants.equals(tables.participants)
    assert tables.participants["note"].tolist().count("no video") == 1
    assert tables.all_people.groupby("video").size().max() == 2
    assert study.edits == Edits()
    means = tables.group_summary.query("measure == 'mean_valence'").set_index("stimulus")["mean"]
    assert means["synthetic joy"] > 0.2 > -0.1 > means["synthetic sad film"]


def test_every_row_and_every_text_says_that_it_is_synthetic(study, tables):
    for name, table in tables.items():
        words = table.select_dtypes(["object", "str"]).astype(str)
        has_word = words.apply(lambda column: column.str.contains("synthetic")).any(axis=1)
        assert has_word.all(), name
    for name in ("report.html", "methods.md", "study_settings.json"):
        assert ABOUT_SYNTHETIC in study_file(study, tables, name).decode()
    assert "synthetic" in study_file(study, tables, "group_figure.html").decode()


def test_its_project_is_still_synthetic(study, tables, tmp_path):
    path = tmp_path / "made.emoscope"
    path.write_bytes(to_project(study, tables))
    assert is_synthetic(read_project(path).about)
