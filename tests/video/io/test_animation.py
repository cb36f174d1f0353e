"""Animated images: read as videos, with their own times."""

import PIL.Image
import pytest

from emotion_core.batch.listing import list_inputs
from emotion_core.batch.sources import Input, MediaKind
from emotion_core.errors import VideoDecodeError
from emotion_core.reporting.video_folder import find_videos
from emotion_core.video.io import animation
from emotion_core.video.io.animation import is_animation
from emotion_core.video.io.reader import VideoReader
from tests.video.clips import numbered_images, read_number


def make_animation(path, durations_ms, file_format):
    frames = [PIL.Image.fromarray(image) for image in numbered_images(len(durations_ms))]
    options = {"lossless": True} if file_format == "WEBP" else {}
    frames[0].save(
        path, file_format, save_all=True, append_images=frames[1:], duration=durations_ms, **options
    )
    return path


KINDS = {"gif": "GIF", "webp": "WEBP", "png": "PNG", "apng": "PNG"}


@pytest.mark.parametrize("suffix", animation.SUFFIXES)
def test_an_animation_of_more_than_a_second_is_a_video(tmp_path, suffix):
    path = make_animation(tmp_path / f"a.{suffix}", [400, 200, 200, 800], KINDS[suffix])
    still = tmp_path / f"still.{suffix}"
    PIL.Image.fromarray(numbered_images(1)[0]).save(still, KINDS[suffix])
    short = make_animation(tmp_path / f"short.{suffix}", [400, 400], KINDS[suffix])
    with VideoReader(path) as reader:
        frames = list(reader.frames())
        assert reader.info.warnings == ()
        assert reader.fault == ""
    assert [read_number(frame.image) for frame in frames] == [0, 1, 2, 3]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.4, 0.6, 0.8])
    skipped = []
    assert find_videos([tmp_path], skipped.append) == [path]
    assert skipped == [short, still]
    photos = {Input(str(short), MediaKind.PHOTO), Input(str(still), MediaKind.PHOTO)}
    if suffix != "apng":  # which no photo is called
        listed = set(list_inputs([str(tmp_path)]))
        assert listed == {Input(str(path), MediaKind.VIDEO), *photos}
    with VideoReader(short) as reader:  # since it was asked for
        assert len(list(reader.frames())) == 2
    with pytest.raises(VideoDecodeError, match="is an image, not a video"):
        VideoReader(still)


def test_frames_in_no_time_last_as_long_as_browsers_show_them(tmp_path):
    assert is_animation(make_animation(tmp_path / "a.gif", [0] * 11, "GIF"))
    assert not is_animation(make_animation(tmp_path / "b.gif", [0] * 10, "GIF"))


def test_what_is_damaged_is_no_animation(tmp_path):
    path = make_animation(tmp_path / "a.webp", [400] * 4, "WEBP")
    path.write_bytes(path.read_bytes()[:60])
    assert not is_animation(path)
    with pytest.raises(VideoDecodeError):
        VideoReader(path)


def test_endless_animations_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(animation, "_MAX_FRAMES", 3)
    path = make_animation(tmp_path / "a.webp", [400] * 4, "WEBP")
    with pytest.raises(VideoDecodeError, match="has 4 frames; at most 3 are read"):
        VideoReader(path)
