"""Edits as values: JSON there and back, and what is refused."""

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

ALL = Edits(
    (
        MergePeople("a.mp4", (1, 2)),
        RenamePerson("a.mp4", 1, "Zoë"),
        ExcludePerson("b.mp4", 3, "camera operator"),
        ChooseParticipant("b.mp4", 1),
        ExcludeVideo("c.mp4", "no consent"),
        TrimVideo("", 1.5),
        NeutralSpan("a.mp4", 0.0, 5.0),
    )
)


def test_edits_are_the_same_after_json():
    assert Edits.from_json(ALL.to_json()) == ALL


def test_edits_of_all_videos_come_before_those_of_one():
    assert ALL.of("a.mp4") == (ALL.items[5], *ALL.items[:2], ALL.items[6])


def test_edit_is_undone_by_leaving_it_out():
    assert ALL.without(1).items == (ALL.items[0], *ALL.items[2:])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "The edits are no JSON of the form"),
        ('{"edits": 5}', "The edits are no JSON of the form"),
        ('{"edits": [{"kind": ["choose"]}]}', "Edit 1 needs a kind"),
        ('{"edits": [{"kind": "exclude_video", "video": null}]}', "Edit 1 (exclude_video): video"),
        ('{"edits": [{"kind": "melt"}]}', "Edit 1 needs a kind: merge, rename"),
        ('{"edits": [{"kind": "choose", "video": "a"}]}', "Edit 1 (choose) takes video, track."),
        (
            '{"edits": [{"kind": "choose", "video": "a", "track": 0}]}',
            "Edit 1 (choose): People are named by the numbers in the column track",
        ),
        ('{"edits": [{"kind": "merge", "video": "a", "tracks": [1, 1]}]}', "two different people"),
        ('{"edits": [{"kind": "trim", "video": "", "from_s": 3, "to_s": 2}]}', "end after that"),
    ],
)
def test_wrong_edits_are_explained(text, said):
    with pytest.raises(EmotionError) as error:
        Edits.from_json(text)
    assert said in str(error.value)


def test_settings_are_the_same_after_json():
    settings = StudySettings(clock_hz=4, baseline=Baseline("rest", 1.0, 3.0), window_s=(-2, 2))
    assert StudySettings.from_fields(settings.to_fields()) == settings


@pytest.mark.parametrize(
    "fields",
    [{"clock_hz": 0}, {"min_cover": 2}, {"window_s": (1, 0)}, {"baseline": {}}, {"speed": 1}],
)
def test_wrong_settings_are_refused(fields):
    with pytest.raises(EmotionError):
        StudySettings.from_fields(fields)
