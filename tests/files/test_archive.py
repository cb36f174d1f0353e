"""ZIP archives: what is taken from them, what is passed over, and what is refused."""

import io
import zipfile
from pathlib import Path

import pytest

from emotion_core.errors import EmotionError
from emotion_core.files import archive
from emotion_core.files.archive import MediaArchive, packed_path, unpacked


def pack(files, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return buffer


ALBUM = {
    "ben/2.JPG": b"two",
    "anna/1.jpg": b"one",
    "anna/._1.jpg": b"of a Mac",
    "__MACOSX/anna/1.jpg": b"of a Mac",
    "anna/.DS_Store": b"of a Mac",
    "notes.txt": b"dear diary",
}


def test_photos_are_listed_by_their_paths_and_the_rest_is_told():
    with MediaArchive(pack(ALBUM), ("jpg",)) as opened:
        assert opened.names == ("anna/1.jpg", "ben/2.JPG")
        assert opened.passed_over == ("notes.txt",)
        assert opened.read("anna/1.jpg", 2) == b"on"


def test_archives_among_paths_become_folders_for_a_while(tmp_path):
    path, other = tmp_path / "album.zip", tmp_path / "x.jpg"
    path.write_bytes(pack(ALBUM).getvalue())
    with unpacked([other, path], tmp_path / "out", ("jpg",)) as (paths, passed_over):
        assert paths[0] == other
        found = {p.relative_to(paths[1]).as_posix(): p.read_bytes() for p in files(paths[1])}
        assert passed_over == [path / "notes.txt"]
        times = [p.stat().st_mtime for p in files(paths[1])]
    assert found == {"anna/1.jpg": b"one", "ben/2.JPG": b"two"}
    assert not (tmp_path / "out").exists()  # since nobody wrote a result
    with unpacked([other, path], tmp_path / "out", ("jpg",)) as (again, _):
        assert again == paths
        assert [p.stat().st_mtime for p in files(again[1])] == times


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file())


def test_nothing_is_written_beside_the_folder(tmp_path):
    path = tmp_path / "evil.zip"
    path.write_bytes(pack({"../../evil.jpg": b"x", "/etc/evil.jpg": b"x"}).getvalue())
    with unpacked([path], tmp_path / "out", ("jpg",)) as (paths, _):
        inside = {p.relative_to(paths[0]).as_posix() for p in files(paths[0])}
        assert inside == {"evil.jpg", "etc/evil.jpg"}
        assert set(files(tmp_path)) - set(files(paths[0])) == {path}


def test_people_see_the_path_in_the_archive(tmp_path):
    path = tmp_path / "album.zip"
    path.write_bytes(pack(ALBUM).getvalue())
    with unpacked([path], tmp_path / "out", ("jpg",)) as (paths, _):
        assert packed_path(paths[0] / "anna" / "1.jpg") == Path("album.zip/anna/1.jpg")
    assert packed_path(path) == path


def test_bombs_and_damage_are_refused_with_a_sentence(monkeypatch):
    bomb = pack({"a.jpg": bytes(65 * 2**20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(EmotionError, match="would grow to 65 MB, which is more than is unpacked"):
        MediaArchive(bomb, ("jpg",))
    monkeypatch.setattr(archive, "MAX_FILES", 1)
    with pytest.raises(EmotionError, match="has 2 files; 1 are read"):
        MediaArchive(pack(ALBUM), ("jpg",))
    with pytest.raises(EmotionError, match="cannot be read"):
        MediaArchive(io.BytesIO(b"no archive"), ("jpg",))


def test_a_damaged_file_is_told_and_the_others_are_read():
    data = pack(ALBUM).getvalue().replace(b"one", b"eno")
    with MediaArchive(io.BytesIO(data), ("jpg",)) as opened:
        assert opened.read("ben/2.JPG", 9) == b"two"
        with pytest.raises(EmotionError, match="cannot be unpacked"):
            opened.read("anna/1.jpg", 9)


def test_results_are_packed_in_their_order_and_only_once():
    files = [("b.csv", "x" * 1000), ("a/1.jpg", b"y" * 1000)]
    packed = archive.pack(iter(files), (2026, 11, 30, 0, 0, 0))
    assert packed == archive.pack(files, (2026, 11, 30, 0, 0, 0))
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        table, photo = opened.infolist()
        assert (table.filename, photo.filename) == ("b.csv", "a/1.jpg")
        assert table.compress_size < 100
        assert photo.compress_size == photo.file_size == 1000
        assert opened.read("b.csv") == b"x" * 1000
