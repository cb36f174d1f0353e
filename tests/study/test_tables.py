"""Tables of a study: what is counted, what is missing, and that plain pandas gives the same."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from emotion_core.errors import EmotionError
from emotion_core.study.edits import (
    ChooseParticipant,
    Edits,
    ExcludePerson,
    ExcludeVideo,
    MergePeople,
    NeutralSpan,
    RenamePerson,
    TrimVideo,
)
from emotion_core.study.settings import Baseline, StudySettings
from emotion_core.study.tables import Study, make_tables
from tests.study.studies import LABELS, make_failed, make_frames, make_record, make_study

QUICK = StudySettings(draws=50)


def tables_of(*records, edits=(), settings=QUICK, **options):
    return make_tables(Study(records, settings, Edits(tuple(edits)), **options))


def the_row(tables, **keys):
    table = tables.participants
    for name, value in keys.items():
        table = table[table[name] == value]
    (row,) = table.to_dict("records")
    return row


def test_every_table_says_whose_and_of_what():
    tables = make_tables(make_study(2, settings=QUICK))
    for name in ("all_frames", "all_people", "all_videos", "participants", "participant_curves"):
        columns = list(getattr(tables, name))
        assert columns[:4] == ["participant", "stimulus", "condition", "video"], name
    assert len(tables.all_frames) == 2 * 2 * 40
    assert list(tables.all_people["name"]) == ["Person 1"] * 4
    assert tables.all_videos["people"].tolist() == [1] * 4


def test_raw_columns_stay_as_they_were_whatever_is_edited():
    record = make_record("P1", "S", np.linspace(0, 1, 30), others=(2, 3))
    edits = [MergePeople(record.video.file, (2, 3)), ExcludePerson(record.video.file, 3)]
    edits += [TrimVideo("", 1.0, 2.0), NeutralSpan(record.video.file, 0.0, 1.0)]
    frames = tables_of(record, edits=edits).all_frames
    pd.testing.assert_frame_equal(frames[list(record.frames)], record.frames, check_flags=False)


def test_numbers_of_a_participant_are_those_of_plain_pandas():
    valence = np.sin(np.arange(40) / 5)
    tables = tables_of(make_record("P1", "S", valence))
    counted = tables.all_frames[tables.all_frames["is_counted"]]
    row = the_row(tables, participant="P1")
    for name in ("valence", "arousal", *(f"p_{label}" for label in LABELS)):
        mean = np.average(counted[name], weights=counted["weight_s"])
        assert row[f"mean_{name}"] == pytest.approx(mean)
        spread = np.average((counted[name] - mean) ** 2, weights=counted["weight_s"]) ** 0.5
        assert row[f"sd_{name}"] == pytest.approx(spread)
        assert row[f"area_{name}"] == pytest.approx((counted[name] * counted["weight_s"]).sum())
    assert row["mean_valence"] == pytest.approx(tables.all_people["mean_valence"].iloc[0])
    assert row["share_happiness"] == tables.all_people["share_happiness"].iloc[0]
    assert row["switches"] == tables.all_people["changes"].iloc[0] > 0


def test_peak_is_the_highest_step_of_the_clock_not_the_highest_frame():
    valence = np.zeros(40)
    valence[5] = 1.0  # a single frame
    valence[30:35] = 0.6
    row = the_row(tables_of(make_record("P1", "S", valence)), participant="P1")
    assert row["peak_valence"] == pytest.approx(0.6)
    assert row["peak_valence_s"] == 3.25
    assert row["trough_valence"] == pytest.approx(0)


def test_frames_without_a_usable_reading_are_counted_and_not_filled():
    valence = np.full(40, 0.5)
    valence[10:20] = np.nan
    record = make_record("P1", "S", valence)
    usable = record.frames["track"].notna() & (record.frames["frame"] < 30)
    record.frames["is_usable"] = usable
    tables = tables_of(record)
    row = the_row(tables, participant="P1")
    assert (row["frames"], row["frames_seen"], row["frames_counted"]) == (40, 30, 20)
    assert row["share_counted"] == 0.5
    curve = tables.participant_curves["valence"].to_numpy()
    assert np.isnan(curve[[2, 3, 6, 7]]).all()
    assert curve[[0, 1, 4, 5]] == pytest.approx(0.5)


def test_faces_that_are_hard_to_read_count_when_asked():
    record = make_record("P1", "S", np.full(20, 0.5))
    record.frames["is_usable"] = record.frames["frame"] < 5
    everything = StudySettings(draws=50, all_faces=True)
    assert the_row(tables_of(record))["frames_counted"] == 5
    assert the_row(tables_of(record, settings=everything))["frames_counted"] == 20
    assert tables_of(record).all_people["n_unusable"].tolist() == [15]
    assert tables_of(record, settings=everything).all_people["n_unusable"].tolist() == [0]


def test_participant_is_the_person_seen_longest_or_the_one_chosen():
    valence = np.full(40, 0.5)
    valence[25:] = np.nan
    record = make_record("P1", "S", valence, others=(2,))
    assert the_row(tables_of(record))["mean_valence"] == 0
    chosen = tables_of(record, edits=[ChooseParticipant(record.video.file, 1)])
    assert the_row(chosen)["mean_valence"] == pytest.approx(0.5)
    excluded = tables_of(record, edits=[ExcludePerson(record.video.file, 2)])
    assert the_row(excluded)["mean_valence"] == pytest.approx(0.5)
    assert excluded.all_people["track"].tolist() == [1]


def test_merged_tracks_are_one_person_with_a_name():
    record = make_record("P1", "S", np.full(20, 0.5))
    frames = record.frames
    frames.loc[frames["frame"] >= 12, "track"] = 5
    file = record.video.file
    edits = [MergePeople(file, (5, 1)), RenamePerson(file, 5, "Anna")]
    tables = tables_of(record, edits=edits)
    (person,) = tables.all_people.to_dict("records")
    assert (person["track"], person["name"], person["frames"]) == (1, "Anna", 20)
    undone = tables_of(record, edits=Edits(tuple(edits)).without(0).items)
    assert undone.all_people["name"].tolist() == ["Person 1", "Anna"]


def test_latest_name_of_a_merged_person_holds():
    record = make_record("P1", "S", np.zeros(20), others=(2,))
    names = [RenamePerson("P1_S.mp4", t, n) for t, n in ((1, "A"), (2, "B"), (1, "C"))]
    tables = tables_of(record, edits=[*names[:2], MergePeople("P1_S.mp4", (1, 2)), names[2]])
    assert tables.all_people["name"].tolist() == ["C"]


def test_person_found_twice_is_not_seen_for_longer():
    valence = np.full(40, 0.5)
    valence[15:] = np.nan
    record = make_record("P1", "S", valence, others=(2,))
    twin = record.frames[record.frames["track"] == 1].assign(track=3)
    frames = pd.concat([record.frames, twin]).sort_values("frame", ignore_index=True)
    frames.loc[(frames["track"] == 2) & (frames["frame"] >= 20), "track"] = None
    tables = tables_of(
        replace(record, frames=frames), edits=[MergePeople(record.video.file, (1, 3))]
    )
    people = tables.all_people.set_index("track")["is_participant"]
    assert people.to_dict() == {1: False, 2: True}


def test_person_found_twice_in_a_frame_counts_once_by_the_surer_face():
    record = make_record("P1", "S", np.full(20, 0.5), others=(2,))
    record.frames["score"] = np.where(record.frames["track"] == 1, 0.9, 0.8)
    row = the_row(tables_of(record, edits=[MergePeople(record.video.file, (1, 2))]))
    assert row["frames_counted"] == 20
    assert row["mean_valence"] == pytest.approx(0.5)


def test_part_of_a_video_begins_at_zero_on_the_clock():
    record = make_record("P1", "S", np.arange(40) / 40)
    tables = tables_of(record, edits=[TrimVideo("", 1.0, 2.0)])
    assert the_row(tables)["frames"] == 10
    assert tables.participant_curves["time_s"].tolist() == [0.25, 0.75]
    assert tables.participant_curves["valence"].iloc[0] == pytest.approx(
        np.arange(10, 15).mean() / 40
    )
    own = [TrimVideo(record.video.file, 3.5), TrimVideo("", 1.0, 2.0)]
    assert the_row(tables_of(record, edits=own))["frames"] == 5


def test_last_frame_of_a_part_counts_up_to_its_end_only():
    record = make_record("P1", "S", np.full(40, 0.5), fps=4.0)
    tables = tables_of(record, edits=[TrimVideo("", 1.0, 2.1)])
    counted = tables.all_frames[tables.all_frames["is_counted"]]
    assert counted["weight_s"].to_numpy() == pytest.approx([0.25, 0.25, 0.25, 0.25, 0.1])
    assert the_row(tables)["counted_s"] == pytest.approx(1.1)
    assert tables.all_people["seen_s"].tolist() == pytest.approx([1.1])
    assert tables.participant_curves["cover"].tolist() == pytest.approx([1.0, 1.0, 0.2])


def test_failed_excluded_and_missing_videos_have_a_row_without_values():
    records = (
        *(make_record("P1", s, np.full(20, 0.5)) for s in ("A", "B")),
        *(make_failed("P2", "A"), make_record("P2", "B", np.full(20, 0.1))),
        make_record("P3", "A", np.full(20, 0.3)),
    )
    out = ExcludeVideo(records[3].video.file, "talked to somebody")
    tables = tables_of(*records, edits=[out])
    notes = {
        (r["participant"], r["stimulus"]): r["note"] for r in tables.participants.to_dict("records")
    }
    assert notes["P2", "A"] == "not analysed: The file is empty."
    assert notes["P2", "B"] == "excluded: talked to somebody"
    assert notes["P3", "B"] == "no video"
    lost = tables.participants[tables.participants["note"] != ""]
    assert lost["mean_valence"].isna().all()
    assert (lost["frames_counted"] == 0).all()
    group = tables.group_summary
    row = group[(group["stimulus"] == "B") & (group["measure"] == "mean_valence")].iloc[0]
    assert (row["participants"], row["n"], row["mean"]) == (3, 1, pytest.approx(0.5))
    assert np.isnan(row["low"])
    videos = tables.all_videos.set_index("video")
    assert videos.loc["P2_A.mp4", "error"] == "The file is empty."
    assert videos.loc["P2_B.mp4", "exclusion"] == "talked to somebody"


def test_excluded_and_failed_videos_are_in_no_mean_and_no_interval():
    rest = [make_record(f"P{k}", "rest", np.full(20, 0.1 * k)) for k in range(5)]
    seen = [make_record(f"P{k}", "S", np.full(20, 0.1 * k)) for k in range(5)]
    settings = StudySettings(draws=50, baseline=Baseline("rest"))
    out = [ExcludeVideo("P4_S.mp4")]
    whole = tables_of(*rest, *seen, edits=out, settings=settings)
    without = tables_of(*rest[:4], *seen[:4], settings=settings)
    broken = tables_of(*rest, *seen[:4], make_failed("P4", "S"), settings=settings)
    expected = without.group_summary.query("stimulus == 'S'").drop(columns="participants")
    for tables in (whole, broken):
        found = tables.group_summary.query("stimulus == 'S'").drop(columns="participants")
        pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))
    assert the_row(whole, video="P4_S.mp4")["frames"] == 20
    nobody = tables_of(*rest, edits=[ExcludeVideo("")])
    assert nobody.group_summary["n"].max() == 0


def test_video_that_is_missing_in_one_condition_has_a_row_there():
    records = [make_record("P1", s, np.zeros(5), c) for s in "AB" for c in ("pre", "post")]
    records += [make_record("P2", s, np.zeros(5), "pre") for s in "AB"]
    records.append(make_record("P2", "A", np.zeros(5), "post"))
    records.append(make_record("P3", "A", np.zeros(5), "alone"))
    lost = tables_of(*records).participants.query("note == 'no video'")
    assert lost[["participant", "stimulus", "condition"]].to_numpy().tolist() == [
        ["P2", "B", "post"]
    ]


def test_group_curve_is_the_mean_of_participants_with_a_band_around_it():
    tables = make_tables(make_study(4))
    curve = tables.group_curves
    joy = curve[(curve["stimulus"] == "joy") & (curve["measure"] == "valence")]
    own = tables.participant_curves
    own = own[own["stimulus"] == "joy"].groupby("time_s")["valence"]
    np.testing.assert_allclose(joy["mean"], own.mean())
    assert (joy["n"] == 4).all()
    assert (joy["low"] < joy["mean"]).all()
    assert (joy["mean"] < joy["high"]).all()
    assert (joy["low"] >= own.min().to_numpy() - 1e-9).all()


def test_same_study_gives_the_same_tables():
    study = make_study(3)
    for (_, first), (_, second) in zip(
        make_tables(study).items(), make_tables(study).items(), strict=True
    ):
        pd.testing.assert_frame_equal(first, second)


def test_changes_are_counted_from_a_span():
    record = make_record("P1", "S", np.r_[np.full(10, 0.2), np.full(10, 0.6)])
    tables = tables_of(record, settings=StudySettings(baseline=Baseline(to_s=1.0), draws=50))
    frames = tables.all_frames
    assert frames["change_valence"].to_numpy() == pytest.approx(
        np.r_[np.zeros(10), np.full(10, 0.4)]
    )
    p = frames["p_happiness"].to_numpy(float)
    odds = np.log(p / (1 - p))
    assert frames["change_p_happiness"].to_numpy() == pytest.approx(
        odds - odds[:10].mean(), abs=1e-6
    )
    row = the_row(tables)
    assert row["baseline_valence"] == pytest.approx(0.2)
    assert row["baseline_frames"] == 10
    assert row["mean_change_valence"] == pytest.approx(0.2)
    assert row["mean_valence"] == pytest.approx(0.4)


def test_changes_are_counted_from_a_neutral_clip_of_the_participant():
    records = (
        make_record("P1", "rest", np.full(10, 0.1)),
        make_record("P1", "S", np.full(10, 0.4)),
        make_record("P2", "S", np.full(10, 0.4)),
    )
    tables = tables_of(*records, settings=StudySettings(baseline=Baseline("rest"), draws=50))
    assert the_row(tables, video="P1_S.mp4")["mean_change_valence"] == pytest.approx(0.3)
    without = the_row(tables, video="P2_S.mp4")
    assert without["note"] == "no reading in the baseline"
    assert np.isnan(without["mean_change_valence"])
    assert without["baseline_frames"] == 0
    with pytest.raises(EmotionError, match="No video has the stimulus nap"):
        tables_of(*records, settings=StudySettings(baseline=Baseline("nap")))


def test_neutral_span_of_a_neutral_clip_holds_for_the_other_videos():
    records = (
        make_record("P1", "rest", np.r_[np.full(10, 0.1), np.full(10, 0.3)]),
        make_record("P1", "S", np.full(10, 0.4)),
    )
    tables = tables_of(
        *records,
        edits=[NeutralSpan("P1_rest.mp4", 1.0, 2.0)],
        settings=StudySettings(baseline=Baseline("rest"), draws=50),
    )
    row = the_row(tables, video="P1_S.mp4")
    assert row["mean_change_valence"] == pytest.approx(0.1)
    assert row["baseline_frames"] == 10


def test_edits_of_somebody_who_is_not_there_are_refused():
    record = make_record("P1", "S", np.zeros(5))
    with pytest.raises(EmotionError, match=r"^P1_S\.mp4 has no person 7\.$"):
        tables_of(record, edits=[ExcludePerson("P1_S.mp4", 7)])
    with pytest.raises(EmotionError, match=r"^Edit 1 names other\.mp4, which is not in the study"):
        tables_of(record, edits=[ExcludeVideo("other.mp4")])


def test_study_of_which_nothing_could_be_analysed_says_why():
    with pytest.raises(EmotionError, match=r"could be analysed\. The file is empty\.$"):
        tables_of(make_failed("P1", "S"))


def test_video_without_a_face_has_a_row_without_values():
    row = the_row(
        tables_of(
            make_record("P1", "S", np.full(10, np.nan)), make_record("P2", "S", np.zeros(10))
        ),
        participant="P1",
    )
    assert (row["frames"], row["frames_seen"], row["share_counted"]) == (10, 0, 0.0)
    assert row["note"] == "participant not seen"
    assert np.isnan(row["mean_valence"])


def test_clock_of_a_video_analysed_from_a_later_time_begins_there():
    record = make_record("P1", "S", np.zeros(10), offset=5.0)
    late = Study(
        (
            record.__class__(
                record.video, frames=make_frames(np.zeros(10), offset=5.0), start_s=5.0
            ),
        ),
        QUICK,
    )
    assert make_tables(late).participant_curves["time_s"].tolist() == [0.25, 0.75]
