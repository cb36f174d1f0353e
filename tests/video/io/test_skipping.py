"""Reading a part of a video: what precedes it is counted, and decoded only where it must be."""

from types import SimpleNamespace

import numpy as np
import pytest

from emotion_core.video.io.reader import VideoReader
from emotion_core.video.io.skipping import CannotSkipError, pass_over
from tests.video.clips import make_clip, numbered_images

KEYS = {"g": "8"}
OPEN = {"x264-params": "open-gop=1:keyint=8:min-keyint=8:bframes=3:scenecut=0", "preset": "medium"}
REFRESH = {"x264-params": "intra-refresh=1:keyint=8:min-keyint=8:scenecut=0", "preset": "medium"}
CLIPS = {
    "H.264 whose key frames are referred to from before": ("a.mp4", {"options": OPEN}, True),
    "HEVC in MKV": ("a.mkv", {"codec": "libx265", "options": KEYS}, True),
    "VP9": ("a.webm", {"codec": "libvpx-vp9", "options": KEYS}, True),
    "uneven times": ("b.mkv", {"options": KEYS, "pts": [33 * i + i % 3 for i in range(48)]}, True),
    "key frames that are incomplete": ("c.mp4", {"options": REFRESH}, False),
    "transport stream": ("a.ts", {"options": KEYS}, False),
    "MPEG-4 in AVI": ("a.avi", {"codec": "mpeg4", "options": KEYS}, False),
}


def frames_from(path, from_s):
    with VideoReader(path, from_s=from_s) as reader:
        return list(reader.frames()), reader


@pytest.mark.parametrize(("name", "options", "skips"), CLIPS.values(), ids=CLIPS)
def test_a_part_is_what_it_is_in_the_whole(tmp_path, name, options, skips):
    path = make_clip(tmp_path / name, numbered_images(48), **options)
    whole, _ = frames_from(path, 0)
    for from_s in (0.1, 0.97, 1.32):
        part, reader = frames_from(path, from_s)
        expected = [frame for frame in whole if frame.time_s >= from_s]
        assert [f[:3] for f in map(as_tuple, part)] == [f[:3] for f in map(as_tuple, expected)]
        for frame, other in zip(part, expected, strict=True):
            np.testing.assert_array_equal(frame.image, other.image)
        assert reader.fault == ""
        assert (reader.n_skipped > 0) == (skips and from_s > 0.5)


def as_tuple(frame):
    return frame.index, frame.time_s, frame.pts


def packet(stamp, **changes):
    usual = {"pts": stamp, "size": 1, "is_corrupt": False, "is_discard": False}
    return SimpleNamespace(**{**usual, "is_keyframe": (stamp or 1) % 10 == 0, **changes})


@pytest.mark.parametrize(
    "odd",
    [packet(0), packet(34), packet(None), packet(36, is_discard=True)],
    ids=["restarts", "repeats", "has no time", "is not shown"],
)
def test_frames_are_not_counted_where_a_packet(odd):
    usual = [packet(stamp) for stamp in range(1, 36)]
    rest = [packet(stamp) for stamp in range(37, 60)]
    limits = {"start": 45, "latest_key": 44, "ticks": 20}
    assert pass_over([0], [*usual, packet(36), *rest], **limits).stamps == list(range(40))
    with pytest.raises(CannotSkipError):
        pass_over([0], [*usual, odd, *rest], **limits)
