"""What a study shows in sentences, what is missing in it, and its report."""

from dataclasses import replace

import pytest

from emotion_core.study.edits import Edits, ExcludeVideo
from emotion_core.study.findings import describe_missing, study_findings, usable_grid
from emotion_core.study.report import study_report
from emotion_core.study.settings import StudySettings
from emotion_core.study.tables import make_tables
from tests.study.studies import make_failed, make_record, make_study

FAST = StudySettings(draws=50)


@pytest.fixture(scope="module")
def study():
    tops = (0.5, 0.7, 0.8, 0.6, None)
    records = [make_record(f"P{k}", "calm", [0.01 * k] * 20) for k in range(1, 6)]
    records += [make_record(f"P{k}", "joy", [top] * 20) for k, top in enumerate(tops, 1) if top]
    made = replace(make_study(1, settings=FAST), records=(*records, make_failed("<P6>", "joy")))
    return replace(made, edits=Edits((ExcludeVideo("P1_calm.mp4", "slept"),)))


@pytest.fixture(scope="module")
def tables(study):
    return make_tables(study)


def test_clear_differences_are_told_with_interval_people_and_effect(tables):
    first, *_ = study_findings(tables)
    row = tables.comparisons.set_index("measure").loc["mean_valence"]
    assert row["difference"] < 0
    assert first == (
        f"Valence was {-row['difference']:.2f} higher in joy than in calm: 95% interval "
        f"{-row['high']:.2f} to {-row['low']:.2f}, the same 3 participants, d_z "
        f"{-row['effect_size']:.1f}."
    )


def test_intervals_with_0_inside_are_no_difference():
    records = [
        make_record(f"P{k}", stimulus, [value] * 20)
        for k, pair in enumerate([(0.1, 0.2), (0.2, 0.1), (0.15, 0.14)])
        for stimulus, value in zip("ab", pair, strict=True)
    ]
    (said,) = study_findings(make_tables(replace(make_study(1), records=tuple(records))))
    assert said.startswith("No difference in mean valence or arousal is told apart from 0")


def test_without_two_groups_the_means_are_told():
    study = replace(make_study(1), records=(make_record("P1", "film", [0.25] * 20),))
    assert study_findings(make_tables(study)) == [
        "Valence in film was +0.25 on average; 1 of 1 participants.",
        "Arousal in film was +0.12 on average; 1 of 1 participants.",
    ]


def test_missing_videos_are_counted_and_seen(tables):
    assert describe_missing(tables).startswith(
        "Videos: 10, of 6 participants; 1 failed, 1 excluded, 2 not recorded. Of their frames, 100%"
    )
    grid = usable_grid(tables)
    assert grid.loc["P1"].tolist() == ["excluded", "100%"]
    assert grid.loc["P5"].tolist() == ["100%", "no video"]
    assert grid.loc["<P6>"].tolist() == ["no video", "not analysed"]


def test_report_is_one_page_that_asks_nobody_and_escapes_names(study, tables, monkeypatch):
    monkeypatch.setattr("emotion_core.reporting.html_page.vega_script", str)
    page = study_report(study, tables)
    assert study_findings(tables)[0] in page
    assert "&lt;P6&gt;_joy.mp4" in page
    assert "<P6>" not in page
    assert "default-src 'none'" in page
    assert "P1_calm.mp4 (slept)" in page
    assert page == study_report(study, make_tables(study))
