"""A study on the page: who is in which video, edits and undo, its tables, projects, windows."""

import hashlib
import io
import zipfile
from dataclasses import replace

import pandas as pd
import pytest

from emotion_core.errors import EmotionError
from emotion_core.imaging.codec import decode_image
from emotion_core.study.assignment import StudyVideo
from emotion_core.study.edits import ChooseParticipant, ExcludeVideo, RenamePerson
from emotion_core.study.events import with_new_event
from emotion_core.study.project import to_project
from emotion_core.study.tables import make_tables
from emotion_core.video.io.reader import frame_at
from emotion_core.video.types import VideoSettings
from streamlit_app.study.clips import StudyClip
from streamlit_app.study.names import ClipNames
from streamlit_app.study.state import StudyState
from streamlit_app.study.uploads import take_files
from streamlit_app.video.job_queue import JobQueue
from tests.factories import make_fake_analyzer
from tests.paths import PORTRAIT
from tests.study.studies import make_failed, make_record, make_study


class Upload(io.BytesIO):
    """A file that was uploaded."""

    def __init__(self, name, data):
        super().__init__(data)
        self.name = name


def make_state(records):
    """A study whose videos were analysed."""
    state = StudyState()
    state.add(StudyClip.of_record(record) for record in records)
    return state


@pytest.fixture
def study():
    made = make_study(2, seconds=2)
    records = [replace(one, sha256=f"{i:064d}") for i, one in enumerate(made.records)]
    return replace(made, records=(*records, make_failed("P3", "joy")))


@pytest.fixture
def state(study):
    return make_state(study.records)


def packed(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_tables_are_those_of_the_same_study_in_the_core(study, state):
    shown, made = state.tables(), make_tables(study)
    curves = made.group_curves[made.group_curves["measure"] == "valence"].reset_index(drop=True)
    for name, table in shown.items():
        if name != "all_frames":
            expected = curves if name == "group_curves" else getattr(made, name)
            pd.testing.assert_frame_equal(table, expected)
    assert shown.all_frames.empty
    assert list(shown.all_frames) == list(made.all_frames)
    assert state.tables() is shown
    for name, table in state.files(with_frames=True)[1].items():
        pd.testing.assert_frame_equal(table, getattr(made, name))


def test_edits_change_tables_and_are_undone(state):
    before = state.tables().participants
    state.edit(ExcludeVideo("P1_calm.mp4", "slept"))
    state.edit(RenamePerson("P1_joy.mp4", 1, "Anna"))
    assert state.tables().participants.loc[0, "note"] == "excluded: slept"
    taken_back = state.edits.items[0]
    for _ in range(2):  # one click may be called back twice
        state.take_back(0, taken_back)
    assert [edit.name for edit in state.edits.items] == ["Anna"]
    for n in (3, 3, 2, 1, 0):
        state.undo(n)
        assert state.n_changes == max(0, n - 1)
    assert not state.n_changes
    pd.testing.assert_frame_equal(state.tables().participants, before)


def test_events_change_tables_are_undone_with_edits_and_go_with_their_video(state):
    state.edit(ExcludeVideo("P2_joy.mp4"))
    state.set_events(with_new_event(state.events, "P1_joy.mp4", 1.0, "laughs"))
    assert state.tables().event_windows["video"].tolist() == ["P1_joy.mp4"]
    state.set_events(with_new_event(state.events, "P1_calm.mp4", 1.0, "nods"))
    assert len(state.tables().event_windows) == 2
    state.undo(state.n_changes)
    assert state.tables().event_windows["event"].tolist() == ["laughs"]
    state.remove([clip for clip in state.clips if clip.name == "P1_joy.mp4"])
    assert state.events.empty
    assert not state.n_changes


def test_edits_of_videos_and_people_that_are_not_there_do_not_count_and_are_told(state):
    before = state.tables().participants
    state.edit(ChooseParticipant("P1_calm.mp4", 9), ExcludeVideo("gone.mp4"))
    pd.testing.assert_frame_equal(state.tables().participants, before)
    assert state.idle_edits == state.edits.items
    state.edit(ExcludeVideo("P2_joy.mp4"))
    state.remove([clip for clip in state.clips if clip.name == "P2_joy.mp4"])
    assert len(state.edits.items) == 2


def test_names_come_from_a_pattern_a_table_and_by_hand():
    names = ClipNames()
    files = ["P1_joy.mp4", "take 2.mp4", "P2-calm-x.mp4"]
    names.read(files)
    assert [names.of(file) for file in files] == [("P1", "joy", ""), ("", "", ""), ("", "", "")]
    names.read(files, "{participant}-{stimulus}-{condition}")
    assert names.of("P2-calm-x.mp4") == ("P2", "calm", "x")
    assert names.of("P1_joy.mp4") == ("P1", "joy", "")
    with pytest.raises(EmotionError, match="The pattern needs"):
        names.read(files, "{participant}")
    table = b"file;participant;stimulus\ntake 2.mp4;P1;joy\nnone.mp4;P9;joy\n"
    assert names.read_table(files, "who.csv", table) == ["none.mp4"]
    with pytest.raises(EmotionError, match="are both participant P1, stimulus joy"):
        names.videos(files)
    names.known["take 2.mp4"] = ("P3", "joy", "")
    assert [video.participant for video in names.videos(files)] == ["P1", "P3", "P2"]


def test_videos_of_archives_and_files_of_one_name_are_taken_apart():
    state = StudyState()
    archive = packed({"a/P1_x.mp4": b"one", "notes.txt": b"", "P2_x.mov": b"two"})
    uploads = [Upload("all.zip", archive), Upload("P2_x.mov", b"three")]
    take_files(state, uploads)
    assert [clip.name for clip in state.clips] == ["P2_x.mov", "a/P1_x.mp4", "P2_x (2).mov"]
    assert [clip.file.read() for clip in state.clips] == [b"two", b"one", b"three"]
    assert state.names.of("a/P1_x.mp4") == ("P1", "x", "")
    assert state.remarks == ["all.zip: 1 other file passed over."]
    take_files(state, [Upload("bad.zip", b"nothing")])
    assert "cannot be read" in state.remarks[-1]
    state.clear()
    assert not state.n_bytes


def test_photos_become_stills_that_keep_the_hash_of_the_photo_and_damaged_ones_are_named():
    state, photo = StudyState(), PORTRAIT.read_bytes()
    archive = packed({"P1_x.jpg": photo, "P2_x.jpg": b"no photo"})
    take_files(state, [Upload("photos.zip", archive)])
    (clip,) = state.clips
    with clip.file.in_use() as path:
        assert frame_at(path, 0.5).image.shape == decode_image(photo).pixels.shape
    assert state.remarks[0].startswith("P2_x.jpg: ")
    clip.run(JobQueue(1), make_fake_analyzer(), VideoSettings(every=3, from_s=5))
    record = clip.record(StudyVideo(clip.name, "P1", "x"))
    assert record.sha256 == hashlib.sha256(photo).hexdigest()
    assert record.load()["time_s"].tolist() == [0, 0.5]


def test_project_is_opened_in_place_of_the_study_and_takes_no_videos(study, state):
    state.edit(ExcludeVideo("P1_calm.mp4"))
    data = to_project(state.study(), state.tables())
    expected = state.tables()
    fresh = make_state([make_record("P9", "other", [0.1] * 10)])
    take_files(fresh, [Upload("mine.emoscope", data), Upload("P8_x.mp4", b"")])
    assert fresh.is_project
    pd.testing.assert_frame_equal(fresh.tables().participants, expected.participants)
    assert fresh.remarks == ["A project is opened alone: the other files were passed over."]
    take_files(fresh, [Upload("P8_x.mp4", b"")])
    assert "takes no more videos" in fresh.remarks[-1]
    assert len(fresh.clips) == len(study.records)
    take_files(fresh, [Upload("broken.emoscope", data[:-30])])
    assert "broken.emoscope is no project" in fresh.remarks[-1]
    assert len(fresh.clips) == len(study.records)


def test_another_window_decides_for_itself_and_keeps_what_the_first_frees(state):
    other = state.fork()
    other.edit(ExcludeVideo("P1_calm.mp4"))
    other.names.known["P1_joy.mp4"] = ("X", "joy", "")
    assert not state.edits.items
    assert state.names.of("P1_joy.mp4") == ("P1", "joy", "")
    expected = other.tables()
    state.clear()
    assert not state.clips
    other._made = None
    pd.testing.assert_frame_equal(other.tables().participants, expected.participants)
    assert other.n_bytes
    kept = other.clips
    other.clear()
    assert not any(clip.n_bytes for clip in kept)
