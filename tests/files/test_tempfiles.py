"""Scratch files: reachable by a path, published at once, and gone whatever happens."""

import os
import signal
import subprocess
import sys

import pytest

from emotion_core.errors import EmotionError
from emotion_core.files import tempfiles
from emotion_core.files.tempfiles import AnonymousTempFile
from tests.video.clips import make_clip, numbered_images


@pytest.fixture(params=["without a name", "with a name"])
def place(request, tmp_path, monkeypatch):
    """A folder, once on a system that has no files without names."""
    if request.param == "with a name":
        monkeypatch.setattr(tempfiles, "_DESCRIPTORS", tmp_path / "nothing")
    return tmp_path


def test_it_is_written_and_read_by_its_path(place):
    with AnonymousTempFile(place) as file:
        assert file.size == 0
        file.path.write_bytes(b"first")
        file.path.write_bytes(b"second one")
        assert file.path.read_bytes() == b"second one"
        assert file.size == 10


def test_two_readers_do_not_disturb_each_other(place):
    with AnonymousTempFile(place) as file:
        file.path.write_bytes(b"0123456789")
        with file.open() as one, file.open() as other:
            assert one.read(4) == b"0123"
            assert other.read(2) == b"01"
            assert one.read() == b"456789"
            assert other.seek(-1, os.SEEK_END) == 9


def test_nothing_is_left_when_it_is_closed(place):
    file = AnonymousTempFile(place)
    file.path.write_bytes(b"x" * 1000)
    file.close()
    file.close()
    assert list(place.iterdir()) == []


def test_nothing_is_seen_in_the_folder_meanwhile(tmp_path):
    with AnonymousTempFile(tmp_path) as file:
        file.path.write_bytes(b"x")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exists", [False, True], ids=["new", "replaced"])
def test_it_gets_a_name_when_it_is_published(place, exists):
    target = place / "result.bin"
    if exists:
        target.write_bytes(b"former")
    with AnonymousTempFile(place) as file:
        file.path.write_bytes(b"whole")
        assert not target.exists() or target.read_bytes() == b"former"
        file.publish(target)
    assert target.read_bytes() == b"whole"
    assert list(place.iterdir()) == [target]


def test_it_is_copied_to_another_disk(place, monkeypatch):
    def refuse(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with AnonymousTempFile(place) as file:
        file.path.write_bytes(b"whole")
        file.publish(place / "result.bin")
    assert (place / "result.bin").read_bytes() == b"whole"
    assert list(place.iterdir()) == [place / "result.bin"]


def test_what_is_published_is_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.copyfile", lambda *_: pytest.fail("copied"))
    with AnonymousTempFile(tmp_path) as file:
        file.path.write_bytes(b"whole")
        file.publish(tmp_path / "result.bin")
    assert (tmp_path / "result.bin").read_bytes() == b"whole"


def test_what_is_published_is_readable_as_the_user_wishes(tmp_path):
    former = os.umask(0o027)
    try:
        with AnonymousTempFile(tmp_path) as file:
            file.publish(tmp_path / "result.bin")
    finally:
        os.umask(former)
    assert (tmp_path / "result.bin").stat().st_mode & 0o777 == 0o640


def test_a_target_that_cannot_be_written_is_told(place):
    with AnonymousTempFile(place) as file, pytest.raises(EmotionError, match="cannot be written"):
        file.publish(place / "nowhere" / "result.bin")
    assert list(place.iterdir()) == []


def test_a_folder_that_does_not_exist_is_told(place):
    with pytest.raises(EmotionError, match=r"nowhere \(No such file or directory\)"):
        AnonymousTempFile(place / "nowhere")


ENCODING = """
import sys
from pathlib import Path
from emotion_core.video.io.reader import VideoReader
from emotion_core.files.tempfiles import AnonymousTempFile
from emotion_core.video.io.writer import VideoWriter
source, folder = map(Path, sys.argv[1:])
with AnonymousTempFile(folder) as file, VideoReader(source) as reader:
    with VideoWriter(file.path, reader, audio=source) as writer:
        frame = next(reader.frames())
        for pts in range(0, 10**9, 512):
            object.__setattr__(frame, "pts", pts)
            writer.write(frame, frame.image)
            if pts == 512 * 300:
                print(file.size, flush=True)
"""


def test_nothing_is_left_after_a_kill_while_encoding(tmp_path):
    source = make_clip(tmp_path / "a.mp4", numbered_images(5), audio="aac")
    folder = tmp_path / "out"
    folder.mkdir()
    command = [sys.executable, "-c", ENCODING, str(source), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert list(folder.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "out"}
