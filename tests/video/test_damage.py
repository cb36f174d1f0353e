"""Damaged videos: what can be read is given, a sentence says what is wrong, nothing escapes."""

import random

import av
import pytest

from emotion_core.errors import VideoDecodeError
from emotion_core.video.io.reader import VideoReader, frame_at
from emotion_core.video.io.writer import VideoWriter
from tests.video.clips import make_clip, numbered_images, read_number

KINDS = {
    "MP4": ("a.mp4", {"audio": "aac"}),
    "HEVC, turned": ("b.mp4", {"codec": "libx265", "rotation": 90}),
    "WebM": ("c.webm", {"codec": "libvpx-vp9", "audio": {"codec": "libopus", "rate": 48_000}}),
    "AVI": ("d.avi", {"codec": "mpeg4", "audio": "libmp3lame"}),
    "MKV": ("e.mkv", {"audio": "flac"}),
    "TS": ("f.ts", {"audio": "aac"}),
    "MPEG": ("g.mpg", {"codec": "mpeg2video", "audio": "mp2"}),
}


CASES = [
    pytest.param(kind, id=name, marks=() if name in ("MP4", "MKV", "AVI") else pytest.mark.slow)
    for name, kind in KINDS.items()
]


@pytest.fixture(scope="module", params=CASES)
def healthy(request, tmp_path_factory):
    name, options = request.param
    path = tmp_path_factory.mktemp("healthy") / name
    return make_clip(path, numbered_images(16), **options)


def cut(data, rng):
    return data[: rng.randrange(1, len(data))]


def spoil(data, rng):
    spoilt = bytearray(data)
    for _ in range(rng.choice([1, 5, 50])):
        spoilt[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(spoilt)


def spoil_header(data, rng):
    spoilt = bytearray(data)
    for _ in range(5):
        spoilt[rng.randrange(min(1000, len(data)))] = rng.choice([0, 255])
    return bytes(spoilt)


def blank(data, rng):
    start = rng.randrange(len(data))
    length = rng.randrange(len(data) - start)
    return data[:start] + bytes(length) + data[start + length :]


def lose(data, rng):
    start, end = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:start] + data[end:]


def copy_video(path, target):
    """Read and write a video; gives the number of frames and what is wrong with it."""
    with VideoReader(path) as reader:
        times = []
        with VideoWriter(target, reader, audio=path) as writer:
            for frame in reader.frames():
                times.append(frame.time_s)
                writer.write(frame, frame.image)
    assert times == sorted(set(times))
    return len(times), reader.fault


def count_frames(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0)) if container.streams.video else 0


@pytest.mark.parametrize("damage", [cut, spoil, spoil_header, blank, lose])
def test_damage_anywhere_ends_in_a_sentence_or_a_whole_copy(healthy, tmp_path, damage, capfd):
    rng = random.Random(f"{healthy.name} {damage.__name__}")
    path, target = tmp_path / healthy.name, tmp_path / "copy.mp4"
    for _ in range(3):
        path.write_bytes(damage(healthy.read_bytes(), rng))
        try:
            n, fault = copy_video(path, target)
        except VideoDecodeError as error:
            fault = str(error)
        else:
            assert count_frames(target) == n > 0
            frame_at(path, 0.3)
        assert fault == "" or fault.endswith(".")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["mkv", "webm", "avi"])
def test_of_a_video_that_breaks_off_all_up_to_there_is_kept(tmp_path, suffix):
    codec = {"mkv": "libx264", "webm": "libvpx", "avi": "mjpeg"}[suffix]
    options = {"pix_fmt": "yuvj420p"} if suffix == "avi" else {"options": {"g": "5"}}
    path = make_clip(tmp_path / f"a.{suffix}", numbered_images(60), codec=codec, **options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with VideoReader(path) as reader:
        numbers = [read_number(frame.image) for frame in reader.frames()]
    assert 20 < len(numbers) < 55
    assert numbers == list(range(len(numbers)))
    end_s = (len(numbers) - 1) / 25
    # An AVI's length is not stated where its index is missing.
    length = "" if suffix == "avi" else " of 2.4"
    assert reader.fault.startswith(f"The video breaks off after {end_s:.1f}{length} seconds")


def test_an_mp4_without_its_end_says_that_it_was_cut_off(tmp_path):
    path = make_clip(tmp_path / "a.mp4", numbered_images(20))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(VideoDecodeError, match=r"table of contents is missing.*cut off"):
        VideoReader(path)


def test_frames_after_a_damaged_place_are_given(tmp_path):
    path = make_clip(tmp_path / "a.mp4", numbered_images(50), options={"g": "10", "bf": "0"})
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for place, size in packets[20:23]:
        data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    with VideoReader(path) as reader:
        frames = list(reader.frames())
    assert [read_number(f.image) for f in frames if f.time_s < 0.79] == list(range(20))
    assert [read_number(f.image) for f in frames if f.time_s > 1.19] == list(range(30, 50))
    assert reader.fault == (
        "The video is damaged, first at about 0.8 seconds: frames are missing or wrong there."
    )


def test_a_video_of_nothing_but_damage_is_refused(tmp_path):
    path = make_clip(tmp_path / "a.mp4", numbered_images(10))
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for place, size in packets:
        data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    with pytest.raises(VideoDecodeError, match="No frame of the video can be decoded"):
        VideoReader(path)


SENTENCE = {
    "made_zero.mp4": "The file is empty (0 bytes).",
    "made_text.mp4": "The file is not a video in a format",
    "made_audio_only.mp4": "The file has sound but no video",
    "made_header_only.mp4": "The file is a video without a single frame",
}


@pytest.mark.parametrize(("name", "text"), SENTENCE.items(), ids=SENTENCE)
def test_samples_that_are_no_video_are_refused(shared, name, text):
    with pytest.raises(VideoDecodeError) as raised:
        VideoReader(shared / "samples" / "video" / name)
    assert str(raised.value).startswith(text)


# Frames, width and height, fault, warning, codec of the sound.
SAMPLES = {
    "asl_hungry.mkv": (49, (640, 480), "", "", ""),
    "crowd_1080p.mp4": (105, (1920, 1080), "", "", "aac"),
    "made_10min_face_at_end.mp4": (1200, (640, 360), "", "", ""),
    "made_120fps.mp4": (72, (640, 360), "", "", ""),
    "made_corrupt_mdat.mp4": (471, (640, 360), "is damaged, first at about 0.0 s", "", "aac"),
    "made_mjpeg_bogus_fps1000.avi": (24, (640, 360), "", "says 1000 frames", ""),
    "made_odd_size_high10.mkv": (30, (639, 359), "", "", ""),
    "made_one_frame.mp4": (1, (640, 360), "", "", ""),
    "made_phone_rot180.mp4": (72, (640, 360), "", "", ""),
    "made_phone_rot90.mp4": (72, (640, 360), "", "", ""),
    "made_truncated_60.webm": (
        14,
        (640, 360),
        "breaks off after 0.9 of 2.4 s",
        "says 30 frames",
        "",
    ),
    "made_vp9.webm": (36, (640, 360), "", "says 30 frames", ""),
    "nasa_two_video_two_audio_streams.mp4": (390, (480, 270), "", "Of 2 video tracks", "aac"),
    "no_face_animation.mp4": (95, (960, 540), "", "", "aac"),
    "noface_then_face_vfr_hevc.mov": (169, (960, 540), "", "", "aac"),
    "single_face_neutral_to_smile.mp4": (72, (640, 360), "", "", "mp3"),
}


LONG = {
    "crowd_1080p.mp4",
    "made_10min_face_at_end.mp4",
    "made_corrupt_mdat.mp4",
    "nasa_two_video_two_audio_streams.mp4",
    "no_face_animation.mp4",
    "noface_then_face_vfr_hevc.mov",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in SAMPLES],
)
def test_samples_are_read_as_their_names_say(shared, name):
    n, size_wh, fault, warning, sound = SAMPLES[name]
    with VideoReader(shared / "samples" / "video" / name) as reader:
        times = [f.time_s for f in reader.frames(lambda index, _: index % 7 == 0)]
    assert len(times) == (n + 6) // 7
    assert reader.info.size_wh == size_wh
    assert reader.info.audio_codec == sound
    assert (fault in reader.fault) if fault else reader.fault == ""
    assert any(warning in text for text in reader.info.warnings) == bool(warning)
    assert (reader.info.n_frames or 0) == pytest.approx(n, rel=0.05, abs=2) or fault
