"""The annotated video: plays everywhere, keeps times, colours, size and sound."""

import io
import os
import resource
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from emotion_core.errors import EmotionError, VideoDecodeError
from emotion_core.files.tempfiles import AnonymousTempFile
from emotion_core.video.io import audio as video_sound
from emotion_core.video.io import writer as writer_module
from emotion_core.video.io.reader import VideoReader, frame_at
from emotion_core.video.io.writer import VideoWriter
from tests.factories import difference, make_smooth_image
from tests.video.clips import make_clip, numbered_images, read_number


def copy_video(source, target, *, sound=True, change=lambda image: image):
    with VideoReader(source) as reader:
        with VideoWriter(target, reader, audio=source if sound else None) as writer:
            for frame in reader.frames():
                writer.write(frame, change(frame.image))
        return reader.info


def stream_times(path, kind):
    with av.open(str(path)) as container:
        return [float(f.time) for f in container.decode(**{kind: 0})]


def tone_bounds(path):
    """When the sound of a file is heard first and last, in seconds after its first frame."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0)).time
    heard = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            every = 1 if frame.format.is_planar else len(frame.layout.channels)
            samples = np.abs(frame.to_ndarray()[0].astype(float))[::every]
            loud = np.flatnonzero(samples > 0.05 * (1 if "f" in frame.format.name else 32767))
            if len(loud):
                heard += [frame.time + loud[0] / frame.rate, frame.time + loud[-1] / frame.rate]
    return min(heard) - first, max(heard) - first


def test_what_is_written_plays_in_browsers(tmp_path):
    source = make_clip(tmp_path / "a.mkv", numbered_images(30), audio="flac")
    target = tmp_path / "out.mp4"
    copy_video(source, target)
    data = target.read_bytes()
    assert data[4:8] == b"ftyp"
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    with av.open(str(target)) as container:
        frames, sound = container.streams.video[0], container.streams.audio[0]
        context = frames.codec_context
        assert (context.codec.canonical_name, context.pix_fmt) == ("h264", "yuv420p")
        assert context.profile in ("High", "Main", "Baseline", "Constrained Baseline")
        assert (context.color_range, context.colorspace) == (1, 1)
        assert sound.codec_context.codec.canonical_name == "aac"
        assert container.duration / 1e6 == pytest.approx(1.2, abs=0.05)
        assert frames.frames == 30


TIMES = {
    "constant": [40 * i for i in range(10)],
    "variable": [0, 40, 45, 400, 1000, 1010, 5000],
    "a late start": [700, 740, 780],
    "one frame": [0],
}


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("times_ms", TIMES.values(), ids=TIMES)
def test_times_are_those_of_the_original(tmp_path, times_ms, suffix):
    source = make_clip(tmp_path / f"a.{suffix}", numbered_images(len(times_ms)), pts=times_ms)
    target = tmp_path / "out.mp4"
    copy_video(source, target)
    written = stream_times(target, "video")
    assert written == pytest.approx((np.array(times_ms) - times_ms[0]) / 1000, abs=1e-3)
    with VideoReader(target) as reader:
        assert [read_number(f.image) for f in reader.frames()] == list(range(len(times_ms)))


LENGTHS = {
    "constant": ([40 * i for i in range(10)], 0.4),
    "slides": ([5000 * i for i in range(7)], 35),
    "a pause before the last frames": ([*range(0, 2000, 40), 12000, 12040], 12.08),
    "two frames": ([0, 3000], 6),
}


@pytest.mark.parametrize(("times_ms", "end_s"), LENGTHS.values(), ids=LENGTHS)
def test_length_in_the_header_is_that_of_the_frames(tmp_path, times_ms, end_s):
    source = make_clip(tmp_path / "a.mkv", numbered_images(len(times_ms)), pts=times_ms)
    target = tmp_path / "out.mp4"
    copy_video(source, target)
    with av.open(str(target)) as container:
        frames = container.streams.video[0]
        # FFmpeg may add the delay by which frames are stored out of order, two of them
        assert float(frames.duration * frames.time_base) == pytest.approx(end_s, abs=0.1)
        assert container.duration / 1e6 == pytest.approx(end_s, abs=0.1)


SOUNDS = {
    "AAC in MP4 is copied": ("a.mp4", "aac", "aac"),
    "MP3 in MP4 is copied": ("b.mp4", "libmp3lame", "mp3"),
    "MP3 in AVI": ("a.avi", "libmp3lame", "mp3"),
    "AAC in TS": ("a.ts", "aac", "aac"),
    "Opus": ("a.webm", {"codec": "libopus", "rate": 48_000}, "aac"),
    "PCM": ("a.mov", "pcm_s16le", "aac"),
    "FLAC mono": ("a.mkv", {"codec": "flac", "channels": 1}, "aac"),
    "AC-3 5.1": ("b.mkv", {"codec": "ac3", "rate": 48_000, "channels": 6}, "aac"),
    "MP3 that an MP4 does not take": ("f.mkv", {"codec": "libmp3lame", "rate": 11_025}, "aac"),
    "96 kHz": ("c.mkv", {"codec": "flac", "rate": 96_000}, "aac"),
    "begins later": ("c.mp4", {"codec": "aac", "start_s": 0.8}, "aac"),
    "begins later, encoded": ("d.mkv", {"codec": "flac", "start_s": 0.8}, "aac"),
    "is shorter": ("d.mp4", {"codec": "aac", "length_s": 0.5}, "aac"),
    "is longer": ("e.mp4", {"codec": "aac", "length_s": 3.0}, "aac"),
}


ALIKE = {"MP3 in AVI", "AAC in TS", "PCM", "FLAC mono", "96 kHz", "begins later, encoded"}
"""Sounds on whose ways others go, too."""


@pytest.mark.parametrize(
    ("name", "audio", "written_as"),
    [
        pytest.param(*sound, id=name, marks=pytest.mark.slow if name in ALIKE else ())
        for name, sound in SOUNDS.items()
    ],
)
def test_sound_is_kept_in_time(tmp_path, name, audio, written_as):
    codec = (
        "libvpx-vp9" if name.endswith("webm") else "mpeg4" if name.endswith("avi") else "libx264"
    )
    source = make_clip(tmp_path / name, numbered_images(40), codec=codec, audio=audio)
    target = tmp_path / "out.mp4"
    info = copy_video(source, target)
    assert info.audio_codec != ""
    with av.open(str(target)) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == written_as
    assert tone_bounds(target) == pytest.approx(tone_bounds(source), abs=0.03)


def test_a_part_has_its_own_frames_and_sound(tmp_path):
    source = make_clip(tmp_path / "a.mp4", numbered_images(50), audio="aac")
    target = tmp_path / "out.mp4"
    with VideoReader(source, from_s=0.4, to_s=1.2) as reader:
        with VideoWriter(target, reader, audio=source) as writer:
            for frame in reader.frames():
                writer.write(frame, frame.image)
                assert frame.time_s == pytest.approx(frame.index / 25)
        assert reader.fault == ""
        assert reader.info.warnings == (
            "Of the video, 0.4 s to 1.2 s are analysed; times count from its start, but the "
            "annotated video begins at 0.4 s.",
        )
    assert stream_times(target, "video") == pytest.approx(np.arange(20) / 25, abs=1e-3)
    with VideoReader(target) as reader:
        assert [read_number(f.image) for f in reader.frames()] == list(range(10, 30))
    assert tone_bounds(target) == pytest.approx((0, 0.8), abs=0.06)


def test_a_part_beyond_the_end_is_refused(tmp_path):
    source = make_clip(tmp_path / "a.mp4", numbered_images(5))
    expected = pytest.raises(VideoDecodeError, match="The video ends before 9 s, where to begin")
    with VideoReader(source, from_s=9) as reader, expected:
        list(reader.frames())


def test_sound_that_no_mp4_takes_is_left_out_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(video_sound, "_is_accepted", lambda *_: False)
    source = make_clip(tmp_path / "a.mp4", numbered_images(5), audio="aac")
    target = tmp_path / "out.mp4"
    with VideoReader(source) as reader, VideoWriter(target, reader, audio=source) as writer:
        for frame in reader.frames():
            writer.write(frame, frame.image)
    assert writer.fault == "Sound that cannot be written is missing in the annotated video."
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert container.streams.video[0].frames == 5


def test_sound_that_begins_before_the_frames_is_kept(tmp_path):
    times_ms = [600 + 40 * i for i in range(20)]
    source = make_clip(
        tmp_path / "a.mkv",
        numbered_images(20),
        pts=times_ms,
        audio={"codec": "flac", "rate": 48_000},
    )
    target = tmp_path / "out.mp4"
    copy_video(source, target)
    with VideoReader(source) as reader:
        read = [frame.time_s for frame in reader.frames()]
    assert read == pytest.approx(np.array(times_ms) / 1000, abs=1e-3)
    assert stream_times(target, "video") == pytest.approx(read, abs=1e-3)
    shown = frame_at(source, 0.8)
    assert (read_number(shown.image), shown.index, shown.time_s) == (5, 5, pytest.approx(0.8))
    assert tone_bounds(source)[0] == pytest.approx(-0.6, abs=0.02)
    assert tone_bounds(target) == pytest.approx(tone_bounds(source), abs=0.03)


def test_of_several_tracks_of_sound_one_is_kept(tmp_path):
    tones = [{"codec": "aac", "hz": 300.0}, {"codec": "aac", "hz": 900.0}]
    source = make_clip(tmp_path / "a.mp4", numbered_images(10), audio=tones)
    target = tmp_path / "out.mp4"
    info = copy_video(source, target)
    assert info.warnings == ("Of 2 audio tracks, one is used.",)
    with av.open(str(target)) as container:
        assert len(container.streams.audio) == 1


def test_without_sound_it_is_silent(tmp_path):
    silent = make_clip(tmp_path / "a.mp4", numbered_images(5))
    loud = make_clip(tmp_path / "b.mp4", numbered_images(5), audio="aac")
    for source, sound in ((silent, True), (loud, False)):
        copy_video(source, tmp_path / "out.mp4", sound=sound)
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert not container.streams.audio


def test_sound_beyond_the_place_where_a_video_breaks_off_is_left_out(tmp_path):
    source = make_clip(tmp_path / "a.mp4", numbered_images(40), audio="aac")
    with (
        VideoReader(source) as reader,
        VideoWriter(tmp_path / "out.mp4", reader, audio=source) as writer,
    ):
        for frame in reader.frames():
            if frame.index < 20:
                writer.write(frame, frame.image)
        reader.fault = "The video breaks off."
    assert tone_bounds(tmp_path / "out.mp4")[1] == pytest.approx(0.8, abs=0.05)


def test_of_large_frames_the_encoder_holds_few(tmp_path, monkeypatch):
    source = make_clip(tmp_path / "a.mp4", numbered_images(30))
    target = tmp_path / "out.mp4"
    held = []
    for limit_px in (64 * 48, 64 * 48 - 1):
        monkeypatch.setattr(writer_module, "_LARGE_PX", limit_px)
        with VideoReader(source) as reader, VideoWriter(target, reader, audio=None) as writer:
            ready = []
            monkeypatch.setattr(writer, "_mux", lambda _, packets: ready.extend(packets))  # noqa: B023
            for frame in reader.frames():
                writer.write(frame, frame.image)
            held.append(30 - len(ready))
            monkeypatch.undo()
    assert held[0] > 10
    assert held[1] <= 1


def make_gaps(path, starts_s, *, rate=48_000, layout="stereo"):
    """A video with two frames a second apart, and a moment of loud sound at each time."""
    make_clip(path, numbered_images(2), fps=1)
    with av.open(str(path)) as frames, av.open(str(path.with_suffix(".mkv")), "w") as container:
        (source,) = frames.streams.video
        target = container.add_stream_from_template(source)
        sound = container.add_stream("pcm_s16le", rate=rate, layout=layout)
        for packet in frames.demux(source):
            if packet.size:
                packet.stream = target
                container.mux(packet)
        for start_s in starts_s:
            samples = np.full((1, rate // 20 * sound.channels), 20_000, np.int16)
            frame = av.AudioFrame.from_ndarray(samples, "s16", layout)
            frame.rate, frame.pts = rate, round(start_s * rate)
            container.mux(sound.encode(frame))
    return path.with_suffix(".mkv")


def test_sound_is_in_time_after_a_pause(tmp_path):
    source = make_gaps(tmp_path / "a.mp4", [0, 0.5, 7.3])
    copy_video(source, tmp_path / "out.mp4")
    assert tone_bounds(tmp_path / "out.mp4") == pytest.approx((0, 7.35), abs=0.03)
    times = stream_times(tmp_path / "out.mp4", "audio")
    assert max(late - early for early, late in pairwise(times)) < 0.05  # silence, not a gap


@pytest.mark.slow
def test_a_long_pause_of_the_sound_is_not_held_in_memory(tmp_path):
    source = make_gaps(tmp_path / "a.mp4", [0, 300], rate=192_000)  # 0.5 GB of silence
    code = (
        "import resource, sys; from pathlib import Path;"
        "from tests.video.io.test_writer import copy_video;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "copy_video(Path(sys.argv[1]), Path(sys.argv[2]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", code, source, tmp_path / "out.mp4"]
    grown_kb = int(subprocess.run(command, check=True, capture_output=True).stdout)
    assert grown_kb < 200_000
    assert tone_bounds(tmp_path / "out.mp4")[1] == pytest.approx(300.05, abs=0.1)


def test_sound_of_an_absurd_rate_is_left_out(tmp_path):
    source = make_gaps(tmp_path / "a.mp4", [0, 3], rate=8000)
    rate = b"\xb5\x88" + struct.pack(">d", 8000)  # SamplingFrequency
    data = source.read_bytes()
    assert data.count(rate) == 1
    source.write_bytes(data.replace(rate, rate[:2] + struct.pack(">d", 400e6)))
    with VideoReader(source) as reader:
        assert reader.audio_index is None
        assert "The sound cannot be decoded and is left out." in reader.info.warnings
    copy_video(source, tmp_path / "out.mp4")
    assert stream_times(tmp_path / "out.mp4", "video") == pytest.approx([0, 1])


def test_sound_that_pauses_for_hours_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(video_sound, "_MAX_SILENCE_S", 12)
    source = make_gaps(tmp_path / "a.mp4", [0, 5, 10, 15, 20])
    copy_video(source, tmp_path / "out.mp4")
    assert tone_bounds(tmp_path / "out.mp4")[1] == pytest.approx(10.05, abs=0.1)


def test_damaged_sound_is_left_out_where_it_is_damaged(tmp_path):
    source = make_clip(tmp_path / "a.mp4", numbered_images(40), audio="aac")
    with av.open(str(source)) as container:
        packets = [(p.pos, p.size) for p in container.demux(audio=0) if p.size]
    data = bytearray(source.read_bytes())
    for place, size in packets[20:30]:
        data[place : place + size] = b"\xff" * size
    source.write_bytes(data)
    copy_video(source, tmp_path / "out.mp4")
    times = stream_times(tmp_path / "out.mp4", "audio")  # raises where it cannot be decoded
    assert max(b - a for a, b in pairwise(times)) > 0.2
    assert times[-1] > 1.5


@pytest.mark.parametrize("size_wh", [(1, 1), (63, 48), (64, 47), (639, 359)], ids=str)
def test_odd_sizes_grow_by_a_repeated_edge(tmp_path, size_wh):
    frame = make_smooth_image(*size_wh)
    options = {"codec": "png", "pix_fmt": "rgb24"}
    source = make_clip(tmp_path / "a.mov", [frame] * 3, **options)
    copy_video(source, tmp_path / "out.mp4")
    with VideoReader(tmp_path / "out.mp4") as reader:
        written = next(reader.frames()).image
    width, height = size_wh
    assert written.shape[:2] == (height + height % 2, width + width % 2)
    assert difference(written[:height, :width], frame) < 6


def test_the_image_may_have_another_size_than_the_video(tmp_path):
    source = make_clip(tmp_path / "a.mp4", numbered_images(5, 128, 96))
    copy_video(source, tmp_path / "out.mp4", change=lambda image: image[::2, ::2])
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert [read_number(f.image) for f in reader.frames()] == list(range(5))
        assert reader.info.size_wh == (64, 48)


def test_colours_survive_reading_and_writing_twice(tmp_path):
    colours = [
        (255, 255, 255),
        (0, 0, 0),
        (128, 128, 128),
        (210, 50, 40),
        (40, 190, 70),
        (40, 70, 200),
    ]
    frame = np.repeat(np.array([colours], np.uint8), 32, axis=1).repeat(96, axis=0)
    options = {"codec": "png", "pix_fmt": "rgb24"}
    path = make_clip(tmp_path / "a.mov", [frame] * 3, **options)
    for name in ("once.mp4", "twice.mp4"):
        copy_video(path, tmp_path / name)
        path = tmp_path / name
    with VideoReader(path) as reader:
        image = next(reader.frames()).image
    middles = image[48, 16::32].astype(int)
    assert np.abs(middles - colours).max() <= 6


def test_source_and_target_may_be_streams_and_files_without_a_name(tmp_path):
    data = make_clip(tmp_path / "a.mp4", numbered_images(12), audio="aac").read_bytes()
    with AnonymousTempFile(tmp_path) as scratch:
        with (
            VideoReader(io.BytesIO(data)) as reader,
            VideoWriter(scratch.path, reader, audio=io.BytesIO(data)) as writer,
        ):
            for frame in reader.frames():
                writer.write(frame, frame.image)
        with scratch.open() as stream:
            head = stream.read()
            assert 0 < head.find(b"moov") < head.find(b"mdat")
            with VideoReader(stream) as reader:
                assert len(list(reader.frames())) == 12


def test_after_an_exception_nothing_is_left_in_the_file(tmp_path):
    source = make_clip(tmp_path / "a.mp4", numbered_images(60), audio="aac")
    target = tmp_path / "out.mp4"

    def fail(image):
        if read_number(image) == 50:
            raise ZeroDivisionError
        return image

    with pytest.raises(ZeroDivisionError):
        copy_video(source, target, change=fail)
    assert target.read_bytes() == b""


def test_a_folder_that_does_not_exist_is_told(tmp_path):
    source = make_clip(tmp_path / "a.mp4", numbered_images(3))
    with pytest.raises(EmotionError, match=r"out.mp4 cannot be written \(No such file"):
        copy_video(source, tmp_path / "nothing" / "out.mp4")


def test_a_full_disk_is_told(tmp_path, capfd):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (96, 128, 3)).astype(np.uint8) for _ in range(30)]
    source = make_clip(tmp_path / "a.mp4", noise, audio="aac")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(EmotionError) as raised:
            copy_video(source, tmp_path / "out.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(raised.value) == (
        "The annotated video cannot be written (File too large); make room on the disk and try "
        "again."
    )
    assert capfd.readouterr().err == ""


def open_below(folder):
    """Files below a folder that this process has open."""
    links = Path("/proc/self/fd").iterdir()
    return [path for path in map(os.path.realpath, links) if path.startswith(str(folder))]


def test_files_are_closed_afterwards(tmp_path):
    source = make_clip(tmp_path / "a.mp4", numbered_images(5), audio="aac")
    with VideoReader(source):
        assert open_below(tmp_path)
    copy_video(source, tmp_path / "out.mp4")
    assert not open_below(tmp_path)
