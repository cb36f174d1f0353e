"""Tables that are made again: what an edit does not touch is kept, and nothing else."""

from dataclasses import replace

import pandas as pd
import pytest

from emotion_core.study.edits import (
    Edits,
    ExcludeVideo,
    MergePeople,
    NeutralSpan,
    RenamePerson,
    TrimVideo,
)
from emotion_core.study.events import no_events
from emotion_core.study.kept import KeptParts
from emotion_core.study.settings import Baseline, StudySettings
from emotion_core.study.tables import make_tables
from tests.study.studies import make_record, make_study

FILES = ["P1_calm.mp4", "P1_joy.mp4", "P2_calm.mp4", "P2_joy.mp4"]
QUICK = StudySettings(draws=50)


@pytest.fixture
def loaded():
    return []


@pytest.fixture
def study(loaded):
    """Two people, one beside another, whose readings are loaded when they are needed."""

    def lazily(record):
        def load():
            loaded.append(record.video.file)
            return record.frames

        return replace(record, frames=load)

    made = make_study(2, seconds=2, settings=QUICK)
    walked_through = make_record("P2", "joy", [0.5] * 20, others=(2,))
    return replace(made, records=tuple(map(lazily, (*made.records[:3], walked_through))))


@pytest.fixture(scope="module")
def participants():
    """Of the study as it was."""
    made = make_study(2, seconds=2, settings=QUICK)
    last = make_record("P2", "joy", [0.5] * 20, others=(2,))
    return make_tables(replace(made, records=(*made.records[:3], last))).participants


EVENT = no_events().reindex([0]).assign(time_s=1.0, label="x", file=FILES[0]).fillna("")
WITH_BASELINE = replace(QUICK, baseline=Baseline(to_s=1.0))


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"edits": Edits((RenamePerson(FILES[0], 1, "Anna"),))}, FILES[:1]),
        ({"edits": Edits((MergePeople(FILES[3], (1, 2)),))}, FILES[3:]),
        ({"edits": Edits((ExcludeVideo(FILES[1]),))}, FILES[1:2]),
        ({"edits": Edits((TrimVideo("", 0.5),))}, FILES),
        ({"events": EVENT}, FILES[:1]),
        ({"settings": WITH_BASELINE}, FILES),
        ({"settings": replace(QUICK, clock_hz=1.0)}, FILES),
        ({"settings": replace(QUICK, draws=60)}, []),
        ({"edits": Edits((NeutralSpan(FILES[2], 0.0, 1.0),))}, FILES),  # all have columns for it
    ],
)
def test_only_what_a_change_touches_is_made_again(study, loaded, participants, change, touched):
    kept = KeptParts()
    make_tables(study, kept, with_frames=False)
    loaded.clear()
    changed = replace(study, **change)
    tables = make_tables(changed, kept, with_frames=False)
    assert sorted(loaded) == touched
    fresh = make_tables(changed)
    for name, table in tables.items():
        if name != "all_frames":
            pd.testing.assert_frame_equal(table, getattr(fresh, name))
    assert list(tables.all_frames) == list(fresh.all_frames)
    undone = make_tables(study, kept, with_frames=False)
    pd.testing.assert_frame_equal(undone.participants, participants)


def test_another_span_of_a_neutral_clip_touches_its_participant_only(study, loaded):
    kept = KeptParts()
    neutral = replace(study, settings=replace(QUICK, baseline=Baseline("calm")))
    make_tables(neutral, kept, with_frames=False)
    loaded.clear()
    spanned = replace(neutral, edits=Edits((NeutralSpan(FILES[0], 0.0, 1.0),)))
    tables = make_tables(spanned, kept, with_frames=False)
    assert set(loaded) == set(FILES[:2])
    pd.testing.assert_frame_equal(tables.participants, make_tables(spanned).participants)


def test_curves_of_a_group_are_made_of_the_measures_that_are_asked_for(study):
    kept, curves = KeptParts(), make_tables(study).group_curves
    for measure in ("valence", "p_happiness", "valence"):
        shown = make_tables(study, kept, curves_of=[measure], with_frames=False).group_curves
        expected = curves[curves["measure"] == measure].reset_index(drop=True)
        pd.testing.assert_frame_equal(shown, expected)
