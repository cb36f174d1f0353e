"""Participants, stimuli and conditions from file names and tables."""

import pytest

from emotion_core.errors import EmotionError
from emotion_core.study.assignment import StudyVideo, assign_by_pattern, assign_by_table


@pytest.mark.parametrize(
    ("pattern", "file", "expected"),
    [
        ("{participant}_{stimulus}.mp4", "a/P01_S2.MP4", ("P01", "S2", "")),
        ("{participant}_{stimulus}", "P01_S2.webm", ("P01", "S2", "")),
        ("{stimulus}-{participant}-{condition}.mp4", "film-7-pre.mp4", ("7", "film", "pre")),
        ("{condition}/{participant}_{stimulus}*.mp4", "old/P1_S1 take 2.mp4", ("P1", "S", "old")),
        ("{participant}/{stimulus}.mp4", "P01/x/S2.mp4", None),
        ("{participant}_{stimulus}.mp4", "P01.mp4", None),
    ],
)
def test_names_are_read_by_a_pattern(pattern, file, expected):
    videos, unmatched = assign_by_pattern([file], pattern)
    assert unmatched == (() if expected else (file,))
    if expected:
        participant, stimulus, condition = expected
        assert videos == (StudyVideo(file, participant, stimulus, condition),)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{participant}.mp4", "needs {participant} and {stimulus} once each"),
        ("{participant}_{stimulus}_{stimulus}.mp4", "once each"),
        ("{person}_{stimulus}.mp4", "{person} in the pattern is unknown"),
    ],
)
def test_wrong_patterns_are_explained(pattern, said):
    with pytest.raises(EmotionError) as error:
        assign_by_pattern([], pattern)
    assert said in str(error.value)


def test_two_files_of_one_participant_and_stimulus_are_refused():
    with pytest.raises(EmotionError, match=r"a/P1_S\.mp4 and b/P1_S\.mp4 are both participant P1"):
        assign_by_pattern(["a/P1_S.mp4", "b/P1_S.mp4"], "{participant}_{stimulus}.mp4")


def test_table_names_files_also_ones_that_are_missing(tmp_path):
    table = tmp_path / "who.csv"
    table.write_text(
        "File;Participant;Stimulus;Condition\nx.mp4;1;S;old;\n./sub\\y.mp4; 2 ;S;;\n", "utf-8-sig"
    )
    videos, unnamed = assign_by_table(["x.mp4", "z.mp4"], table)
    assert videos == (StudyVideo("x.mp4", "1", "S", "old"), StudyVideo("sub/y.mp4", "2", "S"))
    assert unnamed == ("z.mp4",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,participant\nx.mp4,1\n", "has no column stimulus"),
        ("file,participant,stimulus\n\nx.mp4,,S\n", "line 3: x.mp4 needs a participant and a st"),
        ("file,participant,stimulus\nx.mp4,1\n", "line 2: x.mp4 needs a participant and a stim"),
        ("file,participant,stimulus\nx.mp4,1,S,new\n", "line 2 has more cells than there are"),
        ("file,stimulus,participant,Stimulus\nx.mp4,S,1,S\n", 'two columns "stimulus"'),
        ("", "has no column file"),
        ("file,participant,stimulus\nx.mp4,1,S\nx.mp4,2,S\n", "names x.mp4 twice"),
    ],
)
def test_wrong_tables_are_explained(tmp_path, text, said):
    (tmp_path / "who.csv").write_text(text)
    with pytest.raises(EmotionError) as error:
        assign_by_table([], tmp_path / "who.csv")
    assert said in str(error.value)


def test_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EmotionError, match=r"who\.csv cannot be read \(No such file"):
        assign_by_table([], tmp_path / "who.csv")
