"""Reading videos: every frame with its time, header facts, seeking, and what is refused."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emotion_core.errors import VideoDecodeError
from emotion_core.video.io import demuxer
from emotion_core.video.io.reader import VideoReader, frame_at
from emotion_core.video.io.timestamps import TimestampRepair
from tests.factories import encode, make_heic, make_image
from tests.video.clips import make_clip, numbered_images, read_number


def read(source, **options):
    with VideoReader(source) as reader:
        return list(reader.frames(**options)), reader


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "a.mp4", numbered_images(30), audio="aac")


CONTAINERS = {
    "MP4, H.264": ("a.mp4", {}),
    "MOV, ProRes": ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
    "AVI, Motion JPEG": ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "MKV, HEVC 10 bit": ("a.mkv", {"codec": "libx265", "pix_fmt": "yuv420p10le"}),
    "MKV, H.264 4:4:4": ("b.mkv", {"pix_fmt": "yuv444p"}),
    "WebM, VP9": ("a.webm", {"codec": "libvpx-vp9"}),
    "WebM, VP8": ("b.webm", {"codec": "libvpx"}),
    "MPEG-TS": ("a.ts", {}),
    "MPEG program stream": ("a.mpg", {"codec": "mpeg2video"}),
    "raw RGB": ("c.avi", {"codec": "rawvideo", "pix_fmt": "bgr24"}),
    "QuickTime animation": ("b.mov", {"codec": "qtrle", "pix_fmt": "rgb24"}),
    "grey": ("d.mkv", {"codec": "ffv1", "pix_fmt": "gray"}),
}


@pytest.mark.parametrize(("name", "options"), CONTAINERS.values(), ids=CONTAINERS)
def test_every_frame_comes_in_order(tmp_path, name, options):
    path = make_clip(tmp_path / name, numbered_images(20), **options)
    frames, reader = read(path)
    assert [read_number(frame.image) for frame in frames] == list(range(20))
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(20) / 25, abs=2e-3)
    assert reader.info.size_wh == (64, 48)
    assert reader.info.fps == pytest.approx(25, rel=0.05)
    assert reader.fault == ""


_H264, _MPEG2, _VP8 = ({"codec": codec} for codec in ("libx264", "mpeg2video", "libvpx"))
ENDINGS = {
    **dict.fromkeys(("mp4", "m4v", "mov", "avi", "mkv", "ts", "mts", "m2ts", "3gp", "flv"), _H264),
    **dict.fromkeys(("mpg", "mpeg", "vob", "mxf"), _MPEG2),
    **dict.fromkeys(("webm", "ogv"), _VP8),
    "wmv": {"codec": "wmv2"},
    "dv": {"codec": "dvvideo", "size_wh": (720, 576)},
}


def test_all_endings_of_the_list_are_tried():
    assert set(ENDINGS) == set(demuxer.SUFFIXES)


@pytest.mark.parametrize("suffix", demuxer.SUFFIXES)
def test_videos_of_all_endings_are_read(tmp_path, suffix):
    options = dict(ENDINGS[suffix])
    images = numbered_images(4, *options.pop("size_wh", (64, 48)))
    frames, _ = read(make_clip(tmp_path / f"a.{suffix}", images, **options))
    assert [read_number(frame.image) for frame in frames] == [0, 1, 2, 3]


def test_header_tells_length_rate_and_codecs(clip):
    _, reader = read(clip)
    info = reader.info
    assert (info.codec, info.audio_codec, info.n_frames) == ("h264", "aac", 30)
    assert info.duration_s == pytest.approx(1.2)
    assert info.warnings == ()


def test_length_and_rate_are_those_that_were_seen_where_the_header_says_less(tmp_path):
    times_ms = [*range(0, 2000, 40), 12000, 12040]
    options = {"bf": "3"}  # FFmpeg then writes a length of 2.3 s
    path = make_clip(tmp_path / "a.mp4", numbered_images(52), pts=times_ms, options=options)
    with VideoReader(path) as reader:
        assert reader.info.duration_s < 3
        list(reader.frames())
        assert reader.info.duration_s == pytest.approx(12.04)
        assert reader.info.fps == pytest.approx(51 / 12.04)
        assert reader.info.n_frames == 52


def test_times_of_a_variable_rate_are_kept(tmp_path):
    times_ms = [0, 40, 50, 400, 1000, 4000]
    path = make_clip(tmp_path / "a.mp4", numbered_images(6), pts=times_ms)
    frames, reader = read(path)
    assert [frame.time_s for frame in frames] == pytest.approx(np.array(times_ms) / 1000)
    assert [float(f.pts * reader.time_base) for f in frames] == pytest.approx(
        np.array(times_ms) / 1000
    )


@pytest.mark.parametrize("name", ["10:30 interview.mp4", "file:a.mp4", "-"])
def test_relative_path_of_any_name_is_a_file(tmp_path, monkeypatch, clip, name):
    (tmp_path / name).write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(read(Path(name))[0]) == 30


def test_time_starts_at_the_first_frame(tmp_path):
    path = make_clip(tmp_path / "a.mkv", numbered_images(3), pts=[1500, 1600, 1700])
    frames, reader = read(path)
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2])
    assert float(reader.origin_s) == pytest.approx(1.5)


def test_frames_that_are_not_wanted_are_counted_but_not_given(clip):
    asked = []

    def is_wanted(index, time_s):
        asked.append((index, time_s))
        return index % 10 == 3

    frames, _ = read(clip, should_convert=is_wanted)
    assert [frame.index for frame in frames] == [3, 13, 23]
    assert [read_number(frame.image) for frame in frames] == [3, 13, 23]
    assert [index for index, _ in asked] == list(range(30))
    assert asked[25][1] == pytest.approx(1.0)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "bgr24"])
def test_a_frame_that_is_drawn_on_does_not_change_the_next(tmp_path, pix_fmt):
    codec = "libx264" if pix_fmt == "yuv420p" else "rawvideo"
    path = make_clip(tmp_path / "a.avi", numbered_images(1) * 4, codec=codec, pix_fmt=pix_fmt)
    with VideoReader(path) as reader:
        for frame in reader.frames():
            assert read_number(frame.image) == 0
            frame.image[:] = 255


def test_a_stream_of_bytes_is_read_like_a_file(clip):
    stream = io.BytesIO(clip.read_bytes())
    stream.seek(100)
    frames, _ = read(stream)
    assert len(frames) == 30


@pytest.mark.parametrize("time_s", [-1, 0, 0.04, 0.59, 0.6, 1.0, 1.16, 99])
def test_the_frame_at_a_time_is_the_one_shown_then(clip, time_s):
    frame = frame_at(clip, time_s)
    expected = min(29, max(0, int(time_s * 25 + 1e-6)))
    assert read_number(frame.image) == expected
    assert frame.time_s == pytest.approx(expected / 25)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("a.ts", {}),
        ("a.webm", {"codec": "libvpx-vp9"}),
        ("a.mkv", {"options": {"g": "10"}}),
    ],
    ids=["AVI", "TS", "WebM", "key frames"],
)
def test_the_frame_at_a_time_is_found_in_any_container(tmp_path, name, options):
    path = make_clip(tmp_path / name, numbered_images(40), **options)
    for index in (0, 9, 10, 25, 39):
        frame = frame_at(path, index / 25 + 0.005)
        assert (read_number(frame.image), frame.index) == (index, index)


def test_a_second_track_of_frames_is_left_out_and_told(shared):
    path = shared / "samples" / "video" / "nasa_two_video_two_audio_streams.mp4"
    with VideoReader(path) as reader:
        assert reader.info.warnings == (
            "Of 2 video tracks, one is used.",
            "Of 2 audio tracks, one is used.",
        )
        assert reader.info.size_wh == (480, 270)


AS_A_PHOTO = "The file is an image, not a video; have it analysed as a photo."
NOT_A_VIDEO = "The file is not a video in a format that can be read (MP4, MOV, AVI, MKV, WebM)."
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n%s\n#EXT-X-ENDLIST\n"
REFUSED = {
    "nothing": (b"", "The file is empty (0 bytes)."),
    "text": (b"hello " * 400, NOT_A_VIDEO),
    "one byte": (b"\0", NOT_A_VIDEO),
    "PNG": (encode(make_image()), AS_A_PHOTO),
    "JPEG": (encode(make_image(), "JPEG"), AS_A_PHOTO),
    "GIF": (encode(make_image(), "GIF"), AS_A_PHOTO),
    "WebP": (encode(make_image(), "WEBP"), AS_A_PHOTO),
    "HEIC": (make_heic(make_image()), AS_A_PHOTO),
    "AVIF": (encode(make_image(), "AVIF"), AS_A_PHOTO),
}


@pytest.mark.parametrize("suffix", ["ts", "mpg", "flv", "webm", "mkv"])
def test_frame_at_a_time_of_joined_recordings(tmp_path, suffix):
    options = {"codec": {"mpg": "mpeg2video", "webm": "libvpx"}.get(suffix, "libx264")}
    options["options"] = {"g": "6", "bf": "0"}
    images = numbered_images(60)
    parts = [make_clip(tmp_path / f"{i}.{suffix}", images[i : i + 30], **options) for i in (0, 30)]
    joined = tmp_path / f"joined.{suffix}"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, _ = read(joined)
    assert len(frames) >= 30
    for frame in frames[::7]:
        found = frame_at(joined, frame.time_s)
        assert read_number(found.image) == read_number(frame.image)
        assert found.time_s == pytest.approx(frame.time_s)


@pytest.mark.parametrize("as_stream", [False, True], ids=["file", "stream"])
@pytest.mark.parametrize(("data", "text"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_video_is_refused_with_a_sentence(tmp_path, data, text, as_stream):
    path = tmp_path / "renamed.mp4"
    path.write_bytes(data)
    with pytest.raises(VideoDecodeError) as raised:
        VideoReader(io.BytesIO(data) if as_stream else path)
    assert str(raised.value) == text


def test_a_text_that_names_another_file_does_not_open_it(tmp_path, clip):
    path = tmp_path / "list.m3u8"
    path.write_bytes(PLAYLIST % str(clip).encode())
    with pytest.raises(VideoDecodeError, match="not a video in a format"):
        VideoReader(path)
    path.write_text(f"ffconcat version 1.0\nfile '{clip.name}'\n")
    with pytest.raises(VideoDecodeError, match="not a video in a format"):
        VideoReader(path)


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.wav"])
def test_sound_alone_is_refused(tmp_path, name):
    codec = {"a.mp3": "libmp3lame", "a.m4a": "aac", "a.wav": "pcm_s16le"}[name]
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=44_100)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 4608), np.float32), "fltp", "stereo")
        silence.rate = 44_100
        container.mux(stream.encode(silence))
        container.mux(stream.encode())
    with pytest.raises(VideoDecodeError, match="has sound but no video"):
        VideoReader(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(VideoDecodeError, match=r"cannot be read \(No such file or directory\)"):
        VideoReader(tmp_path / "nothing.mp4")
    with pytest.raises(VideoDecodeError, match=r"cannot be read \(Is a directory\)"):
        VideoReader(tmp_path)


def test_frames_beyond_the_limit_are_refused(clip, monkeypatch):
    monkeypatch.setattr(demuxer, "MAX_SIDE_PX", 50)
    with pytest.raises(VideoDecodeError, match="are 64 by 48 pixels; at most 50 on a side"):
        VideoReader(clip)


STAMPS = {
    "rising": ([0, 10, 25], [0, 10, 25]),
    "a late start": ([500, 510], [500, 510]),
    "negative": ([-20, -10, 0], [-20, -10, 0]),
    "missing": ([None, None, 20, None], [0, 10, 20, 30]),
    "twice the same": ([0, 10, 10, 20], [0, 10, 11, 20]),
    "out of order": ([0, 20, 10, 30], [0, 20, 21, 30]),
    "begun anew": ([0, 10, 5000, 0, 10], [0, 10, 5000, 5010, 5020]),
    "one far ahead": ([0, 10, 9_000_000, 30, 40], [0, 10, 20, 30, 40]),
}


@pytest.mark.parametrize(("raw", "expected"), STAMPS.values(), ids=STAMPS)
def test_time_stamps_always_rise(raw, expected):
    clock = TimestampRepair(Fraction(1, 1000), 10)
    assert [clock.stamp(stamp) for stamp in raw] == expected


def test_sound_whose_channels_have_an_order_of_their_own_does_not_end_the_process(tmp_path):
    path = tmp_path / "a.mov"
    make_clip(path, numbered_images(5), audio={"codec": "pcm_s16le", "channels": 6})
    data = bytearray(path.read_bytes())
    start = data.index(b"chan") + 8
    data[start : start + 4] = struct.pack(">HH", 122, 6)  # left, right, left and right at the side
    path.write_bytes(data)
    frames, reader = read(path)
    assert len(frames) == 5
    assert reader.info.warnings == ("The sound cannot be decoded and is left out.",)
