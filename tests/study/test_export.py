"""Files of a study: every format holds the tables, scripts run, and a project comes back."""

import io
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion_core.errors import EmotionError, MissingExtraError
from emotion_core.study.codebook import TABLES
from emotion_core.study.edits import (
    ChooseParticipant,
    Edits,
    ExcludePerson,
    ExcludeVideo,
    NeutralSpan,
    TrimVideo,
)
from emotion_core.study.events import no_events, read_events
from emotion_core.study.export import (
    other_names,
    study_file_names,
    study_files,
    write_study_bundle,
)
from emotion_core.study.methods import methods_text
from emotion_core.study.project import find_media, read_project, to_project
from emotion_core.study.settings import TABLE_FORMATS, Baseline, StudySettings
from emotion_core.study.store import hash_file
from emotion_core.study.tables import make_tables
from emotion_core.video.types import VideoSettings
from tests.study.studies import make_failed, make_record, make_study

NETWORKS = {"emotion": {"name": "tiny", "sha256": "ab" * 32, "licence": "MIT"}}


@pytest.fixture(scope="module")
def study():
    """Three people, two stimuli, a failed video and an event; nothing changes it."""
    made = make_study(3, settings=StudySettings(draws=50, baseline=Baseline(to_s=1.0)))
    events = pd.DataFrame(
        {
            "time_s": [2.0],
            "label": ["=cue()"],
            **dict.fromkeys(("file", "participant", "stimulus", "condition"), ""),
        }
    )
    how = {"every": 1, "hz": None, "min_score": 0.6, "min_face_px": 20}
    posed = "Probabilities are for posed material."
    about = {"version": "9.9", "video_settings": how, "networks": NETWORKS, "material": posed}
    edits = Edits((ExcludeVideo("P2_calm.mp4", "fell asleep"),))
    records = (*made.records, make_failed("P4", "joy"))
    return replace(made, records=records, edits=edits, events=events, about=about)


@pytest.fixture(scope="module")
def tables(study):
    return make_tables(study)


@pytest.fixture(scope="module")
def made(study, tables):
    """All files."""
    return dict(study_files(study, tables, TABLE_FORMATS))


def test_each_table_is_a_csv_and_the_other_formats(made):
    for name in TABLES:
        assert {f"{name}.csv", f"{name}.parquet"} <= set(made)
    assert set(other_names([])) >= {name for name in made if name.endswith((".sav", ".xlsx"))}
    assert not set(other_names(TABLE_FORMATS))


def test_parquet_and_csv_hold_the_same_table(made, tables):
    exact = pd.read_parquet(io.BytesIO(made["participants.parquet"]))
    pd.testing.assert_frame_equal(exact, tables.participants)
    rounded = pd.read_csv(io.BytesIO(made["participants.csv"]), encoding="utf-8-sig")
    np.testing.assert_allclose(rounded["mean_valence"], exact["mean_valence"], rtol=1e-5)


def test_json_holds_small_tables_and_settings(made, tables):
    read = json.loads(made["study.json"])
    assert set(read["tables"]) == set(TABLES) - {"all_frames"}
    assert len(read["tables"]["participants"]) == len(tables.participants)
    assert read["edits"] == [
        {"kind": "exclude_video", "video": "P2_calm.mp4", "reason": "fell asleep"}
    ]


def test_workbook_has_a_sheet_per_table_and_no_formulas(made):
    with zipfile.ZipFile(io.BytesIO(made["study.xlsx"])) as book:
        sheets = book.read("xl/workbook.xml").decode()
        cells = b"".join(book.read(n) for n in book.namelist() if "/worksheets/" in n)
    for name in ("notes", *TABLES, "codebook"):
        assert (f'name="{name}"' in sheets) == (name != "all_frames")
    assert b"<f>" not in cells


def test_spss_file_has_labels_and_missing_values(made, tables, tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    (tmp_path / "p.sav").write_bytes(made["participants.sav"])
    read, meta = pyreadstat.read_sav(str(tmp_path / "p.sav"))
    np.testing.assert_allclose(read["mean_valence"], tables.participants["mean_valence"])
    assert meta.column_names_to_labels["mean_valence"].startswith("mean valence, weighted")
    assert read["note"].tolist() == tables.participants["note"].tolist()


def test_code_book_explains_every_column(study, made, tables):
    book = pd.read_csv(
        io.BytesIO(made["codebook.csv"]), encoding="utf-8-sig", keep_default_na=False
    )
    described = (*dict(tables.items()).values(), study.events)
    assert len(book) == sum(len(table.columns) for table in described)
    assert not book[book["meaning"].str.contains("see docs/tables.md")]["column"].tolist()
    page = made["codebook.md"].decode()
    assert "| `mean_change_p_happiness` | number | log-odds |" in page
    assert "no independent samples" in page


@pytest.mark.parametrize("decimal", [".", ","])
def test_events_are_written_as_they_are_read(study, tables, decimal):
    events = pd.concat([study.events, study.events.assign(time_s=7200.125, file="-P1.mp4")])
    files = dict(study_files(replace(study, events=events), tables, (), decimal))
    read = read_events(Path("events.csv"), files["events.csv"])
    pd.testing.assert_frame_equal(read, events.reset_index(drop=True), check_dtype=False)


def test_study_without_events_has_no_file_of_them(study, tables):
    assert "events.csv" not in study_file_names(replace(study, events=no_events()), tables)


def test_methods_name_versions_hashes_exclusions_and_references(made):
    text = made["methods.md"].decode()
    for part in ("7 videos of 4 participants and 2 stimuli", "9.9", "ab" * 32, "posed material."):
        assert part in text
    assert "1 video could not be analysed." in text
    assert "P2_calm.mp4 (fell asleep)" in text
    assert "The participant was the person seen longest." in text
    assert "Changes are counted from 0 s to 1 s of each video: differences" in text
    assert "averaged from -1 s to 3 s after each event (1 row in" in text
    assert "no independent samples" in text
    bibliography = made["references.bib"].decode()
    assert "version = {9.9}" in bibliography
    cited = {part.split("]")[0] for part in text.split("[@")[1:]}
    assert all(f"{{{key}," in bibliography for key in cited)


def test_same_study_gives_the_same_bytes(study, made, tables):
    assert dict(study_files(study, make_tables(study), TABLE_FORMATS)) == made
    assert to_project(study, tables) == to_project(study, make_tables(study))


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize(
    ("program", "script", "figure"),
    [
        pytest.param(sys.executable, "group_figure.py", "group_figure_python.svg", id="python"),
        pytest.param("Rscript", "group_figure.R", "group_figure_r.pdf", id="R"),
    ],
)
@pytest.mark.slow
def test_starter_scripts_draw_the_group_figure(
    study, tables, tmp_path, program, script, figure, decimal
):
    if shutil.which(program) is None:
        pytest.skip(f"There is no {program}.")
    for name, data in study_files(study, tables, (), decimal):
        (tmp_path / name).write_bytes(data)
    subprocess.run([program, script], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / figure).stat().st_size > 2000


def test_python_script_checks_its_means_against_the_table(made, tmp_path, monkeypatch):
    """Cheap stand-in for running it: all before the drawing."""
    monkeypatch.chdir(tmp_path)
    for name in ("group_curves.csv", "participant_curves.csv"):
        (tmp_path / name).write_bytes(made[name])
    script = made["group_figure.py"].decode()
    compile(script, "group_figure.py", "exec")
    check = script.partition("time = alt.X")[0]
    exec(check, {})  # noqa: S102
    group = pd.read_csv("group_curves.csv", encoding="utf-8-sig")
    group.assign(mean=group["mean"] + 0.1).to_csv("group_curves.csv", index=False)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        exec(check, {})  # noqa: S102


@pytest.mark.parametrize(("package", "name"), [("xlsxwriter", "xlsx"), ("pyreadstat", "sav")])
def test_format_without_its_package_says_what_to_install(study, tables, monkeypatch, package, name):
    monkeypatch.setitem(sys.modules, package, None)
    files = study_files(study, tables, [name])
    with pytest.raises(MissingExtraError, match=rf"package {package}: pip install"):
        next(files)


def test_opened_project_gives_the_same_tables(study, tables, tmp_path):
    path = tmp_path / "s.emoscope"
    path.write_bytes(to_project(study, tables))
    again = read_project(path)
    assert (again.settings, again.edits, again.about) == (study.settings, study.edits, study.about)
    for (name, first), (_, second) in zip(tables.items(), make_tables(again).items(), strict=True):
        pd.testing.assert_frame_equal(first, second, obj=name)
    undone = make_tables(replace(again, edits=again.edits.without(0)))
    assert undone.participants["frames_counted"].sum() > tables.participants["frames_counted"].sum()


def test_bundle_has_every_file_and_the_project(study, tables, made):
    data = write_study_bundle(study, tables)
    assert data == write_study_bundle(study, tables)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        assert {name: archive.read(name) for name in names[:-1]} == made
        project = archive.read(names[-1])
    assert names == [*study_file_names(study, tables), "study.emoscope"]
    again = make_tables(read_project(Path("study.emoscope"), project))
    pd.testing.assert_frame_equal(again.participants, tables.participants)


def test_damaged_or_foreign_projects_are_refused(study, tables, tmp_path):
    path = tmp_path / "s.emoscope"
    path.write_bytes(b"no archive")
    with pytest.raises(EmotionError, match=r"s\.emoscope is no project of Emoscope"):
        read_project(path)
    with zipfile.ZipFile(io.BytesIO(to_project(study, tables))) as good:
        members = {name: good.read(name) for name in good.namelist()}
    sound = members["readings/0001.parquet"]
    members["readings/0001.parquet"] = members["readings/0002.parquet"]
    with zipfile.ZipFile(path, "w") as bad:
        for name, data in members.items():
            bad.writestr(name, data)
    with pytest.raises(EmotionError, match=r"damaged: readings/0001\.parquet in it is not what"):
        read_project(path)
    members = {**members, "readings/0001.parquet": sound}
    members["project.json"] = members["project.json"].replace(b"fell asleep", b"fell ill")
    with zipfile.ZipFile(path, "w") as bad:
        for name, data in members.items():
            bad.writestr(name, data)
    with pytest.raises(EmotionError, match=r"damaged: project\.json in it is not what"):
        read_project(path)
    with pytest.raises(EmotionError, match="There is no file"):
        read_project(tmp_path / "none.emoscope")


def test_media_are_found_again_by_their_hashes(tmp_path):
    (tmp_path / "renamed.mp4").write_bytes(b"film")
    (tmp_path / "other.mp4").write_bytes(b"else")
    record = replace(
        make_record("P1", "S", np.zeros(5)), sha256=hash_file(tmp_path / "renamed.mp4")
    )
    study = replace(make_study(1), records=(record,))
    found = find_media(study, [*tmp_path.iterdir(), tmp_path / "gone.mp4"])
    assert found == {"P1_S.mp4": tmp_path / "renamed.mp4"}


def test_methods_tell_what_was_edited_and_which_part_was_analysed(study, tables):
    edits = (
        ExcludePerson("P1_joy.mp4", 1, "interviewer"),
        ChooseParticipant("P1_joy.mp4", 2),
        NeutralSpan("P1_joy.mp4", 1.0, 2.0),
        TrimVideo("", 0.5),
    )
    settings = asdict(VideoSettings(from_s=1.0, region=(1, 2, 30, 40), largest_only=True))
    about = {"version": "9.9", "video_settings": settings, "networks": NETWORKS}
    text = methods_text(replace(study, edits=Edits(edits), about=about), tables)
    for part in (
        "person 1 in P1_joy.mp4 (interviewer)",
        "chosen by hand: person 2 in P1_joy.mp4. The participant of all other videos was the",
        "from 0 s to 1 s of each video, 1 s to 2 s of P1_joy.mp4: differences",
        "Only parts counted: all others from 0.5 s to the end.",
        "of each video: the part from 1 s to the end; a region of 30 x 40 pixels at (1, 2); the",
    ):
        assert part in text
