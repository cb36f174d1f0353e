"""The table of frames: rows that say what was seen, times kept exactly, and analyses again."""

import io
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from emotion_core.actions import ACTION_COLUMNS
from emotion_core.labels import Emotion
from emotion_core.photos.tables import table_to_csv
from emotion_core.quality import QUALITY_COLUMNS
from emotion_core.video.frame_table import FrameTableBuilder, iter_analyses
from emotion_core.video.tables import counted_frames
from tests.factories import make_analysis, make_faces, make_quality
from tests.video.frame_tables import THREE, make_none, make_one, make_seen, make_table

_, H, S = THREE


def test_a_face_is_a_row_and_a_frame_without_one_is_too():
    two = make_seen([4, 2], [[0.1, 0.7, 0.2], [0.2, 0.2, 0.6]], [[0.5, 0.1], [-0.4, 0.3]])
    table = make_table([(0, 0.0, two), (3, 0.1000001, make_none())])
    assert list(table.columns) == [
        *("frame", "time_s", "track", "x1", "y1", "x2", "y2", "score", "emotion", "confidence"),
        *("p_neutral", "p_happiness", "p_sadness", "valence", "arousal", "va_source", "model"),
        *QUALITY_COLUMNS,
    ]
    assert table["frame"].tolist() == [0, 0, 3]
    assert table["time_s"].tolist() == [0, 0, 0.1]
    assert table["track"].dtype == "Int64"
    assert table["track"].tolist()[:2] == [4, 2]
    assert table.loc[1, ["x1", "y1", "x2", "y2"]].tolist() == [100, 20, 160, 90]
    assert table["emotion"].tolist()[:2] == ["happiness", "sadness"]
    assert table["confidence"].tolist()[:2] == pytest.approx([0.7, 0.6])
    assert table["valence"].tolist()[:2] == pytest.approx([0.5, -0.4])
    assert table["va_source"].tolist()[:2] == ["head", "head"]
    empty = table.columns.difference(["frame", "time_s", "model", "is_usable"])
    assert table.loc[2, empty].isna().all()
    assert table["model"].tolist() == ["tiny"] * 3


def test_rows_of_a_frame_become_its_analysis_again():
    two = make_seen([4, 2], [[0.1, 0.7, 0.2], [0.2, 0.2, 0.6]], [[0.5, 0.1], [-0.4, 0.3]])
    table = make_table([(0, 0.0, two), (3, 0.1, make_none())])
    (index, time_s, again), (last, last_s, nobody) = iter_analyses(table, (640, 480))
    assert (index, time_s, last, last_s) == (0, 0.0, 3, 0.1)
    assert again.size_wh == (640, 480)
    assert again.model == "tiny"
    assert again.faces.track_ids.tolist() == [4, 2]
    np.testing.assert_allclose(again.faces.boxes, two.faces.boxes)
    np.testing.assert_allclose(again.faces.scores, two.faces.scores)
    assert again.predictions.labels == THREE
    np.testing.assert_allclose(
        again.predictions.probabilities, two.predictions.probabilities, atol=1e-6
    )
    np.testing.assert_allclose(again.predictions.valence, [0.5, -0.4])
    np.testing.assert_allclose(again.predictions.arousal, [0.1, 0.3])
    assert again.predictions.va_source == two.predictions.va_source
    assert len(nobody) == 0


def test_quality_is_in_the_rows_and_comes_back():
    flags = ["cut off, covered", ""]
    two = replace(make_seen([4, 2], [[0.1, 0.7, 0.2]] * 2, [[0.5, 0.1]] * 2))
    table = make_table([(0, 0.0, replace(two, quality=make_quality(flags))), (1, 0.1, make_none())])
    assert table["flags"].tolist()[:2] == flags
    assert table["is_usable"].tolist() == [False, True, False]
    (_, _, analysis), (_, _, none) = iter_analyses(table, (640, 480))
    assert analysis.is_usable.tolist() == [False, True]
    np.testing.assert_array_equal(analysis.quality.pose_deg, [[4, -6, 1]] * 2)
    assert len(none) == 0
    counted = counted_frames(table, all_faces=True)
    assert next(iter_analyses(counted, (640, 480)))[2].is_usable.all()


def test_action_features_are_in_the_rows_where_they_were_asked_for():
    two = make_seen([4, 2], [[0.1, 0.7, 0.2]] * 2, [[0.5, 0.1]] * 2)
    actions = np.random.default_rng(0).random((2, len(ACTION_COLUMNS)), np.float32)
    asked = replace(two, predictions=replace(two.predictions, actions=actions))
    table = make_table([(0, 0.0, asked), (1, 0.1, make_none())])
    np.testing.assert_array_equal(table[list(ACTION_COLUMNS)].to_numpy()[:2], actions)
    assert table[list(ACTION_COLUMNS)].iloc[2].isna().all()
    assert not set(ACTION_COLUMNS) & set(make_table([(0, 0.0, two)]).columns)


def test_a_log_can_go_on_after_a_table_was_made():
    log = FrameTableBuilder()
    log.add(0, 0.0, make_one(1, H))
    first = log.table()
    log.add(1, 0.1, make_one(1, S))
    assert first["emotion"].tolist() == ["happiness"]
    assert log.table()["emotion"].tolist() == ["happiness", "sadness"]


def test_faces_without_tracks_are_refused():
    with pytest.raises(ValueError, match="Faces of a video need track ids"):
        FrameTableBuilder().add(0, 0.0, make_analysis([(0, 0, 9, 9)]))


def test_another_network_is_refused():
    log = FrameTableBuilder()
    log.add(0, 0.0, make_none())
    with pytest.raises(ValueError, match="analysed by one network"):
        log.add(1, 0.1, make_seen([1], [0.5, 0.5], [0, 0], labels=(H, S)))


def test_landmarks_are_kept_beside_the_table_and_unknown_ones_are_missing():
    log, seen = FrameTableBuilder(), make_one(1, H)
    points = make_faces(seen.faces.boxes, landmarks=True).landmarks
    log.add(0, 0.0, make_none())
    log.add(1, 0.1, replace(seen, faces=replace(seen.faces, landmarks=points)))
    log.add(2, 0.2, seen)
    np.testing.assert_array_equal(log.landmarks()[1], points[0])
    assert np.isnan(log.landmarks()).all(axis=(1, 2)).tolist() == [True, False, True]


def test_a_row_takes_little_more_than_a_hundred_bytes():
    log = FrameTableBuilder()
    frame = make_one(1, H)
    before = sum(sys.getsizeof(value) for value in vars(log).values())
    for i in range(10_000):
        log.add(i, i / 25, frame)
    held = sum(sys.getsizeof(value) for value in vars(log).values()) - before
    assert held < 140 * 10_000


def test_csv_keeps_times_of_a_long_video():
    times = [0.0, 1 / 30, 7199.966667, 36000.033333]
    table = make_table([(i, time, make_one(1, H, (-0.5, 0))) for i, time in enumerate(times)])
    data = table_to_csv(table)
    parsed = pd.read_csv(io.BytesIO(data), encoding="utf-8-sig")
    assert parsed["time_s"].tolist() == [0, 0.033333, 7199.966667, 36000.033333]
    assert list(parsed.columns) == list(table.columns)
    assert data.decode("utf-8-sig").splitlines()[1].startswith("0,0,1,")
    assert parsed["valence"].tolist() == [-0.5] * 4


def test_csv_leaves_the_track_empty_without_a_face():
    data = table_to_csv(make_table([(7, 0.5, make_none())])).decode("utf-8-sig")
    line = data.splitlines()[1]
    assert line.startswith("7,0.5,,")
    assert ",tiny,,," in line


def test_the_most_probable_emotion_is_the_word():
    table = make_table([(0, 0.0, make_one(1, Emotion.SADNESS, sureness=0.9))])
    assert table.loc[0, "emotion"] == "sadness"
    assert table.loc[0, "p_sadness"] == pytest.approx(0.9)
