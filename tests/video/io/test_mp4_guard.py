"""MOV files by hand, whose tables promise more than the file holds."""

import io
import re
import struct
import zlib

import av
import numpy as np
import pytest

from emotion_core.errors import VideoDecodeError
from emotion_core.video.io.reader import VideoReader
from tests.video.clips import make_clip, numbered_images

SIDE, N = 16, 5
BYTES = SIDE * SIDE * 3
PIXELS = bytes(BYTES)
MANY = 11_000_000


def box(kind, *parts):
    data = b"".join(parts)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def table(kind, *numbers, flags=0):
    return box(kind, struct.pack(f">I{len(numbers)}I", flags, *numbers))


FTYP = box(b"ftyp", b"qt  ", bytes(4), b"qt  ")
MVHD = box(b"mvhd", bytes(12), struct.pack(">II", 1000, 1000), bytes(80))


def track(samples=N, size=BYTES, *, edits=1):
    entry = box(
        b"raw ",
        bytes(7) + b"\1" + bytes(16),
        struct.pack(">HH", SIDE, SIDE) + bytes(12) + b"\0\1" + bytes(32),
        struct.pack(">Hh", 24, -1),
    )
    tables = box(
        b"stbl",
        box(b"stsd", bytes(7) + b"\1", entry),
        table(b"stts", 1, samples, 100),
        table(b"stsc", 1, 1, samples, 1),
        table(b"stsz", size, samples),
        table(b"stco", 1, len(FTYP) + 8),
    )
    listed = box(b"edts", table(b"elst", edits, *([1000, 0, 0x10000] * edits)))
    media = box(
        b"mdia",
        box(b"mdhd", bytes(12), struct.pack(">II", 1000, 1000), bytes(4)),
        box(b"hdlr", bytes(8), b"vide", bytes(13)),
        box(b"minf", tables),
    )
    return box(b"trak", table(b"tkhd", 0, 0, 1, flags=7), listed, media)


def mov(*boxes):
    return FTYP + box(b"mdat", PIXELS * N) + b"".join(boxes)


def compressed(header):
    data = struct.pack(">I", len(header)) + zlib.compress(header)
    return box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", data)))


def fragment(samples):
    return box(b"moof", box(b"traf", table(b"tfhd", 1), table(b"trun", samples)))


WHOLE = box(b"moov", MVHD, track())


def read(data):
    with VideoReader(io.BytesIO(data)) as reader:
        return sum(1 for _ in reader.frames())


def test_a_track_that_holds_what_it_promises_is_read():
    assert read(mov(WHOLE)) == N


@pytest.mark.parametrize(
    "data",
    [
        mov(box(b"moov", MVHD, track(MANY, 1))),
        mov(box(b"moov", MVHD, *[track(MANY // 4, 1)] * 4)),
        mov(box(b"moov", MVHD, track(MANY // 1000, 1, edits=1002))),
        mov(WHOLE, fragment(MANY // 2), fragment(MANY // 2)),
        mov(box(b"free", MVHD, track(MANY, 1))),
        mov(struct.pack(">I4s", 0, b"moov") + MVHD + track(MANY, 1)),
        mov(struct.pack(">I4sQ", 1, b"moov", 10**6) + MVHD + track(MANY, 1)),
        mov(struct.pack(">I4s", 2**31, b"moov") + MVHD + track()),
    ],
    ids=["one", "four", "edits", "fragments", "free", "to the end", "long size", "huge"],
)
def test_a_table_of_contents_that_would_fill_the_memory_is_refused(data):
    with pytest.raises(VideoDecodeError, match="lists more than 10 million"):
        read(data)


def test_a_compressed_table_of_contents_is_refused():
    with pytest.raises(VideoDecodeError, match="is compressed"):
        read(mov(compressed(WHOLE)))


def test_hours_of_uncompressed_sound_are_no_promise(tmp_path):
    clip = tmp_path / "clip.mov"
    with av.open(str(clip), "w") as output:
        frames, sound = (
            output.add_stream("mpeg4", rate=1),
            output.add_stream("pcm_s16le", rate=8000),
        )
        frames.width = frames.height = SIDE
        frames.pix_fmt = "yuv420p"
        for second in range(3):
            frame = av.VideoFrame(SIDE, SIDE, "yuv420p")
            frame.pts = second
            output.mux(frames.encode(frame))
            piece = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
            piece.sample_rate, piece.pts = 8000, 8000 * second
            output.mux(sound.encode(piece))
        output.mux(frames.encode(None))
    data = clip.read_bytes()
    (count,) = (found.end() for found in re.finditer(b"stsz\0{7}[^\0]", data))
    data = data[:count] + struct.pack(">I", MANY * 10) + data[count + 4 :]
    assert read(data) == 3


def test_of_very_many_tracks_of_frames_none_is_decoded(tmp_path):
    make_clip(tmp_path / "one.mkv", numbered_images(1))
    with (
        av.open(str(tmp_path / "one.mkv")) as one,
        av.open(str(tmp_path / "many.mkv"), "w") as many,
    ):
        packets = [packet for packet in one.demux() if packet.size]
        tracks = [many.add_stream_from_template(one.streams.video[0]) for _ in range(17)]
        for stream in tracks:
            for packet in packets:
                packet.stream = stream
                many.mux(packet)
    with pytest.raises(VideoDecodeError, match="more than 16 video tracks"):
        VideoReader(tmp_path / "many.mkv")
