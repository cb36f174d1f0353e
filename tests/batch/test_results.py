import contextlib
import errno

import fsspec
import pandas as pd
import pytest
from fsspec.implementations.local import LocalFileSystem

from emotion_core.batch.folder_lock import folder_lock
from emotion_core.batch.plan import Chunk
from emotion_core.batch.results import ResultFolder
from emotion_core.batch.schemas import to_arrow_table
from emotion_core.batch.sources import MediaKind
from emotion_core.batch.storage_faults import StorageError
from emotion_core.errors import EmotionError
from tests.batch.conftest import read_parts
from tests.factories import SEVEN

SETTINGS = {"min_score": 0.6, "chunk_photos": 2}
CHUNK = Chunk(MediaKind.PHOTO, ("/a.jpg", "/b.jpg"))


@pytest.fixture
def folder(tmp_path):
    made = ResultFolder(str(tmp_path / "out"), SEVEN)
    made.prepare(SETTINGS)
    return made


def make_tables(folder, *, failed=True):
    photos = pd.DataFrame({"url": CHUNK.urls, "error": ["", "Broken." if failed else ""]})
    rows = {"faces": photos[:1], "photos": photos, "failed": photos[photos["error"] != ""]}
    return {name: to_arrow_table(table, folder.schemas[name]) for name, table in rows.items()}


def finished(folder):
    return [tuple(found) for found in folder.finished(MediaKind.PHOTO) if any(found)]


def test_new_folder_has_every_table_without_rows(folder, tmp_path):
    for table, schema in folder.schemas.items():
        assert list(pd.read_parquet(tmp_path / "out" / table).columns) == schema.names
    assert finished(folder) == []


def test_published_chunk_is_finished(folder):
    folder.publish(CHUNK, make_tables(folder))
    assert finished(folder) == [(["/a.jpg"], ["/b.jpg"], CHUNK.name)]
    assert list(folder.finished(MediaKind.VIDEO)) == []


def test_tables_without_rows_are_left_out(folder, tmp_path):
    folder.publish(CHUNK, make_tables(folder, failed=False))
    assert not (tmp_path / "out" / "failed" / f"part-{CHUNK.name}.parquet").exists()


def test_publishing_again_gives_the_same_bytes(folder, tmp_path):
    folder.publish(CHUNK, make_tables(folder))
    before = read_parts(tmp_path / "out")
    folder.publish(CHUNK, make_tables(folder))
    assert read_parts(tmp_path / "out") == before


def test_forgetting_what_failed_keeps_what_was_found(folder, tmp_path):
    folder.publish(CHUNK, make_tables(folder))
    faces = pd.read_parquet(tmp_path / "out" / "faces")
    folder.forget(MediaKind.PHOTO, CHUNK.name, {"/b.jpg"})
    assert finished(folder) == [(["/a.jpg"], [], CHUNK.name)]
    assert list(folder.failures()) == []
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "faces"), faces)


def test_a_chunk_of_which_all_is_forgotten_is_gone(folder, tmp_path):
    before = read_parts(tmp_path / "out")
    tables = make_tables(folder)
    rows = {"faces": tables["faces"][:0], "photos": tables["photos"][1:]}
    folder.publish(CHUNK, {**tables, **rows})
    folder.forget(MediaKind.PHOTO, CHUNK.name, {"/b.jpg"})
    assert read_parts(tmp_path / "out") == before


@pytest.mark.parametrize("step", range(4))
def test_forgetting_that_is_cut_off_loses_nothing(folder, tmp_path, monkeypatch, step):
    folder.publish(CHUNK, make_tables(folder))
    calls = []
    for name in ("mv", "rm_file"):
        real = getattr(LocalFileSystem, name)

        def cut(self, *arguments, real=real, **options):
            if len(calls) == step:
                raise KeyboardInterrupt
            calls.append(arguments)
            return real(self, *arguments, **options)

        monkeypatch.setattr(LocalFileSystem, name, cut)
    with contextlib.suppress(KeyboardInterrupt):
        folder.forget(MediaKind.PHOTO, CHUNK.name, {"/b.jpg"})
    monkeypatch.undo()
    folder.prepare(SETTINGS)
    ((analyzed, failed, _),) = finished(folder)
    assert analyzed == ["/a.jpg"]
    assert failed in ([], ["/b.jpg"])
    assert len(pd.read_parquet(tmp_path / "out" / "faces")) == 1


@pytest.mark.parametrize("steps", range(6), ids="{} writes".format)
def test_run_that_dies_after_any_write_leaves_no_half_chunk(folder, tmp_path, monkeypatch, steps):
    """Each table is one write and one rename; the chunk counts from the very last one."""
    done = []

    def count(call):
        def stop_after(*arguments, **options):
            if len(done) == steps:
                raise KeyboardInterrupt
            done.append(None)
            return call(*arguments, **options)

        return stop_after

    local = type(fsspec.filesystem("file"))
    with monkeypatch.context() as patch:
        patch.setattr(local, "open", count(local.open))
        patch.setattr(local, "mv", count(local.mv))
        with pytest.raises(KeyboardInterrupt):
            folder.publish(CHUNK, make_tables(folder))
    folder.prepare(SETTINGS)
    assert finished(folder) == []
    parts = {name.rpartition("/")[2] for name in read_parts(tmp_path / "out")}
    assert parts == {"part-empty.parquet"}
    assert not list((tmp_path / "out" / "_unfinished").iterdir())


def test_finished_chunk_survives_the_next_start(folder, tmp_path):
    folder.publish(CHUNK, make_tables(folder))
    before = read_parts(tmp_path / "out")
    folder.prepare(SETTINGS)
    assert read_parts(tmp_path / "out") == before


def test_other_settings_are_refused(folder):
    expected = (
        r"has results of other settings \(min_score 0\.6 there, 0\.7 now\)\. "
        r"Use the same settings, or choose another --out\.$"
    )
    with pytest.raises(EmotionError, match=expected):
        folder.prepare({**SETTINGS, "min_score": 0.7})


@pytest.mark.parametrize("text", ["", "[]", "no JSON"], ids=["empty", "list", "text"])
def test_note_of_something_else_is_refused(folder, tmp_path, text):
    (tmp_path / "out" / "settings.json").write_text(text)
    with pytest.raises(EmotionError, match="was not written by a bulk run; remove it or choose"):
        folder.prepare(SETTINGS)


def test_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/out cannot be written \(Not a directory\)\.$"):
        ResultFolder(str(tmp_path / "file" / "out"), SEVEN).prepare(SETTINGS)


def test_full_disk_is_told_once(tmp_path, monkeypatch):
    def fail(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LocalFileSystem, "open", fail)
    with pytest.raises(StorageError, match=r"out cannot be written \(No space left on device\)\.$"):
        ResultFolder(str(tmp_path / "out"), SEVEN).prepare(SETTINGS)


def test_second_run_in_a_folder_is_refused(folder):
    with (
        folder_lock(folder.url),
        pytest.raises(EmotionError, match=r"Another run writes into .*; wait for its end or"),
        folder_lock(folder.url),
    ):
        pass
    with folder_lock(folder.url):
        pass


def test_chunk_that_is_never_published_is_begun_three_times_a_run(folder):
    for _ in range(3):
        folder.begin(CHUNK)
    with pytest.raises(
        EmotionError, match=r"ended 3 times while they worked on /a\.jpg and the 1 "
    ):
        folder.begin(CHUNK)
    folder.prepare(SETTINGS)
    folder.begin(CHUNK)


def test_published_chunk_leaves_no_note_of_its_trials(folder, tmp_path):
    folder.begin(CHUNK)
    folder.publish(CHUNK, make_tables(folder))
    assert not list((tmp_path / "out" / "_unfinished").iterdir())


def test_plan_goes_there_and_back(folder):
    chunks = [CHUNK, Chunk(MediaKind.PHOTO, ("/c.jpg",)), Chunk(MediaKind.VIDEO, ("/d.mp4",))]
    assert folder.write_plan(chunks, part_inputs=3) == 2
    rows = [row.to_pylist() for part in range(2) for row in folder.read_plan(part)]
    assert rows == [[{"kind": str(c.kind), "urls": list(c.urls)}] for c in chunks]
    folder.clear()
    assert folder.write_plan([], part_inputs=3) == 0


def test_results_may_go_to_a_url():
    folder = ResultFolder("memory://results", SEVEN)
    folder.prepare(SETTINGS)
    folder.publish(CHUNK, make_tables(folder))
    assert finished(folder) == [(["/a.jpg"], ["/b.jpg"], CHUNK.name)]
    folder.prepare(SETTINGS)
    with folder_lock(folder.url):
        assert finished(folder) == [(["/a.jpg"], ["/b.jpg"], CHUNK.name)]
    fsspec.filesystem("memory").rm("/results", recursive=True)
