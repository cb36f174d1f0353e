"""The quality of faces as values, columns of tables and words."""

import numpy as np
import pandas as pd

from emotion_core.quality import (
    QUALITY_COLUMNS,
    FaceQuality,
    describe_left_out,
    split_flags,
    usable_faces,
)
from tests.factories import make_analysis, make_quality


def test_each_face_has_its_fields_and_none_for_what_is_unknown():
    quality = make_quality(["", "blurred, cut off"])
    quality.pose_deg[1] = np.nan
    good, poor = quality.to_fields()
    assert tuple(good) == tuple(poor) == QUALITY_COLUMNS
    assert (good["yaw_deg"], good["pitch_deg"], good["roll_deg"]) == (4, -6, 1)
    assert (good["flags"], good["is_usable"]) == ((), True)
    assert (poor["yaw_deg"], poor["pitch_deg"], poor["roll_deg"]) == (None, None, None)
    assert (poor["flags"], poor["is_usable"]) == (("blurred", "cut off"), False)
    assert type(poor["sharpness"]) is float
    assert FaceQuality.empty().to_fields() == []


def test_flags_are_words_and_come_back():
    quality = make_quality(["", "blurred, cut off"])
    words = quality.to_columns()["flags"].tolist()
    assert words == ["", "blurred, cut off"]
    np.testing.assert_array_equal([split_flags(text) for text in words], quality.flags)


def test_what_is_left_out_is_told_with_the_reasons():
    analysis = make_analysis([(0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9)])
    flags = ["small, dark", "", "small"]
    table = analysis.to_dataframe().assign(**make_quality(flags).to_columns())
    words = "2 of 3 faces are too hard to read and left out (small 2, dark 1)."
    assert describe_left_out(table) == words
    assert describe_left_out(usable_faces(table)) == ""
    assert describe_left_out(analysis.to_dataframe()) == ""


def test_rows_with_the_same_label_are_counted_one_by_one():
    part = make_analysis([(0, 0, 9, 9), (20, 0, 29, 9)]).to_dataframe()
    part = part.assign(**make_quality(["small", ""]).to_columns())
    table = pd.concat([part, part[::-1].set_axis(part.index)])
    words = "2 of 4 faces are too hard to read and left out (small 2)."
    assert describe_left_out(table) == words
