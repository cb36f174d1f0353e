import io
import zipfile

import fsspec
import PIL.Image
import pytest

from emotion_core.batch.listing import list_inputs
from emotion_core.batch.sources import Input, MediaKind, file_name_of, read_photo, to_url
from emotion_core.batch.storage_faults import StorageError
from emotion_core.errors import EmotionError
from tests.factories import make_counting_photo


def listed(*given):
    return {(one.url, one.kind) for one in list_inputs(map(str, given))}


def test_folder_gives_its_photos_and_videos_and_those_below(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("one.JPG", "a/two.heic", "a/b/three.mp4", "a/notes.txt", "results.parquet"):
        (tmp_path / name).touch()
    assert listed(tmp_path) == {
        (str(tmp_path / "one.JPG"), MediaKind.PHOTO),
        (str(tmp_path / "a" / "two.heic"), MediaKind.PHOTO),
        (str(tmp_path / "a" / "b" / "three.mp4"), MediaKind.VIDEO),
    }


def test_what_is_neither_photo_nor_video_is_told_and_files_of_systems_are_not(tmp_path):
    (tmp_path / "__MACOSX").mkdir()
    for name in ("a.MTS", "notes.txt", "._a.jpg", "__MACOSX/b.jpg"):
        (tmp_path / name).touch()
    skipped = []
    found = list(list_inputs([str(tmp_path)], skipped.append))
    assert found == [Input(str(tmp_path / "a.MTS"), MediaKind.VIDEO)]
    assert [path.name for path in skipped] == ["notes.txt"]


def test_link_to_a_folder_above_does_not_go_round_in_circles(tmp_path):
    (tmp_path / "one.jpg").touch()
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert listed(tmp_path) == {(str(tmp_path / "one.jpg"), MediaKind.PHOTO)}


def test_empty_folder_gives_nothing(tmp_path):
    assert listed(tmp_path) == set()


def test_file_is_taken_whatever_its_ending_and_whether_it_exists(tmp_path):
    missing, odd = tmp_path / "missing", tmp_path / "photo.dat"
    odd.touch()
    assert listed(missing, odd) == {(str(missing), MediaKind.PHOTO), (str(odd), MediaKind.PHOTO)}


def test_list_gives_a_path_or_url_a_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = b"\xef\xbb\xbfone.jpg \t\r\n\n  \nhttps://example.org/v.mp4?key=1\n with space.png\n"
    (tmp_path / "all.txt").write_bytes(lines)
    assert listed("all.txt") == {
        (str(tmp_path / "one.jpg"), MediaKind.PHOTO),
        ("https://example.org/v.mp4?key=1", MediaKind.VIDEO),
        (str(tmp_path / " with space.png"), MediaKind.PHOTO),
    }


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("place", ["/", "memory:/"])
def test_archive_gives_what_is_in_it_wherever_it_is(place, tmp_path):
    animated, still = io.BytesIO(), make_counting_photo(1)
    first, *rest = (PIL.Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(3))
    first.save(animated, "GIF", save_all=True, append_images=rest, duration=700)
    files = {"a/one#1.jpg": still, "a/clip.mp4": b"x", "moves.gif": animated.getvalue()}
    folder = f"{place}{tmp_path}"
    with fsspec.open(f"{folder}/all.zip", "wb") as file, zipfile.ZipFile(file, "w") as packed:
        for name, data in {**files, "__MACOSX/a.jpg": b"x", "notes.txt": b"x"}.items():
            packed.writestr(name, data)
    skipped = []
    url = to_url(f"{folder}/all.zip")
    found = {one.url: one.kind for one in list_inputs([url], skipped.append)}
    assert found == {
        f"zip://a/one#1.jpg::{url}": MediaKind.PHOTO,
        f"zip://a/clip.mp4::{url}": MediaKind.VIDEO,
        f"zip://moves.gif::{url}": MediaKind.VIDEO,
    }
    assert [path.name for path in skipped] == ["notes.txt"]
    assert file_name_of(f"zip://a/one#1.jpg::{url}") == "one#1.jpg"
    assert read_photo(f"zip://a/one#1.jpg::{url}") == still


def test_archive_that_is_none_is_an_error(tmp_path):
    (tmp_path / "all.zip").write_bytes(b"no archive")
    with pytest.raises(EmotionError, match="cannot be read"):
        list(list_inputs([str(tmp_path / "all.zip")]))


def test_missing_list_is_an_error(tmp_path):
    with pytest.raises(StorageError, match=r"The list .*all\.txt cannot be read \(No such file"):
        listed(tmp_path / "all.txt")


def test_folder_and_list_in_memory(memory):
    for name in ("/top/one.jpg", "/top/sub/two.webm", "/top/sub/readme.md"):
        memory.pipe_file(name, b"data")
    memory.pipe_file("/list.txt", b"memory://top/one.jpg\n")
    assert listed("memory://top") == {
        ("memory:///top/one.jpg", MediaKind.PHOTO),
        ("memory:///top/sub/two.webm", MediaKind.VIDEO),
    }
    assert listed("memory://list.txt") == {("memory://top/one.jpg", MediaKind.PHOTO)}
