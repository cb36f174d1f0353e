"""Pictures and a video's own sound to an MP4 that browsers play, with the original times."""

from __future__ import annotations

import errno
import io
import os
from fractions import Fraction
from typing import TYPE_CHECKING, Self

import av
import av.error
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from emotion_core.errors import EmotionError
from emotion_core.video.io.audio import AudioRemuxer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from _typeshed import ReadableBuffer as Buffer
    from av import Packet
    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from emotion_core.types import Image
    from emotion_core.video.io.demuxer import Source
    from emotion_core.video.io.reader import VideoReader
    from emotion_core.video.types import VideoFrame

PRESET = "veryfast"
QUALITY = 23
"""Constant rate factor. 720p of a street takes 15 ms of one core a picture and 0.9 Mbit/s;
``superfast`` takes 11 ms and 1.2 Mbit/s."""

_LARGE_PX = 4096 * 2304
_FRUGAL = {"rc-lookahead": "0", "bf": "0", "x264-params": "sliced-threads=1:sync-lookahead=0"}
"""For larger pictures, of which the encoder otherwise holds some twenty."""

_FINEST_TICKS = 120_000
"""Ticks a second at most: an MP4 has 31 bits for how far pictures are stored out of order, which
with the longest gaps of a clock is three hours."""

_USUAL_FPS = 25
"""A hint for the encoder, and how long the only picture of a video is shown."""

_SOUND_FIRST_S = 0.05
"""Sound that begins so much before the pictures moves them; less is rounding, and a player would
show nothing in the meantime."""


class VideoWriter:
    """Writes an MP4 (H.264, yuv420p, playable while it loads) with the times of a reader.

    A context manager: the file is complete at the end of the with-block. After an exception in it
    the file is emptied.

    Args:
        path: Where to; replaced.
        reader: Where the pictures come from.
        sound: An own handle of the video, whose sound is taken; ``None`` for silence.

    Raises:
        VideoDecodeError: ``sound`` cannot be read.
        EmotionError: ``path`` cannot be written.
    """

    def __init__(self, path: Path, reader: VideoReader, *, sound: Source | None) -> None:
        self._reader = reader
        self._sound: AudioRemuxer | None = None
        if sound is not None and reader.sound_index is not None:
            self._sound = AudioRemuxer(sound, reader.sound_index)
        try:
            self._file = _FullWriteFile(str(path), "wb")
        except OSError as error:
            self._close_sound()
            raise EmotionError(f"{path} cannot be written ({error.strerror or error}).") from error
        self._output: OutputContainer | None = None
        self._reformatter = VideoReformatter()
        self._last_pts, self._end_pts = -1, 0
        self._end_s = Fraction(0)
        self._waiting: Packet[VideoStream] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._output is not None:
                self._finish(self._output)
                self._output.close()
                self._output = None
        except (av.error.FFmpegError, OSError) as error:
            raise _disk_error(error) from error
        finally:
            if self._output is not None:
                os.ftruncate(self._file.fileno(), 0)
            self._file.close()  # first: a container whose file is closed writes nothing more
            if self._output is not None:
                self._output.close()
            self._close_sound()

    def write(self, frame: VideoFrame, image: Image) -> None:
        """Add a picture.

        Args:
            frame: Its time stamp counts; they must rise.
            image: RGB ``(H, W, 3)``, 0-255; of the same size each time.

        Raises:
            EmotionError: The disk is full, or another fault of it.
        """
        try:
            if self._output is None:
                self._output = self._begin(frame, image)
            self._encode(self._output, frame, image)
            if self._sound is not None:
                self._sound.write(self._origin_s, float(frame.pts * self._reader.time_base))
        except (av.error.FFmpegError, OSError) as error:
            raise _disk_error(error) from error

    def _begin(self, frame: VideoFrame, image: Image) -> OutputContainer:
        """Write nothing yet: tracks cannot be added after the first packet."""
        output = av.open(self._file, "w", format="mp4", options={"movflags": "+faststart"})
        height, width = image.shape[:2]
        self._stream = _add_stream(output, (width + width % 2, height + height % 2), self._fps())
        self._origin_s = frame.pts * self._reader.time_base
        base = self._reader.time_base
        self._ticks = Fraction(1, min(base.denominator, _FINEST_TICKS))
        self._stream.codec_context.time_base = self._ticks
        if self._sound is not None and self._sound.start_s is not None:
            if self._sound.start_s < self._origin_s - _SOUND_FIRST_S:
                self._origin_s = Fraction(self._sound.start_s)
            self._sound.open(output)
        else:
            self._close_sound()
        return output

    def _encode(self, output: OutputContainer, frame: VideoFrame, image: Image) -> None:
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.asarray(
                cv2.copyMakeBorder(
                    image, 0, height % 2, 0, width % 2, borderType=cv2.BORDER_REPLICATE
                ),
                np.uint8,
            )
        picture = self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), "rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        time_s = frame.pts * self._reader.time_base - self._origin_s
        pts = max(round(time_s / self._ticks), self._last_pts + 1)
        picture.time_base, picture.pts = self._ticks, pts
        picture.duration = self._length(pts)
        self._last_pts, self._end_pts = pts, pts + picture.duration
        self._end_s = self._end_pts * self._ticks + self._origin_s
        self._mux(output, self._stream.encode(picture))

    def _mux(self, output: OutputContainer, packets: Sequence[Packet[VideoStream]]) -> None:
        """Write all but the newest packet, whose length is known only at the end."""
        for packet in packets:
            if self._waiting is not None:
                output.mux(self._waiting)
            self._waiting = packet

    def _length(self, pts: int) -> int:
        """Ticks that a picture is shown: only that of the last counts, which is not known."""
        if self._last_pts >= 0:
            return pts - self._last_pts
        return max(1, round(1 / (self._fps() * self._ticks)))

    def _finish(self, output: OutputContainer) -> None:
        self._mux(output, self._stream.encode(None))
        if self._waiting is not None and self._waiting.pts is not None:
            # A file ends when its last packet does, counted from when that is decoded. As pictures
            # are stored out of order that may be long before the end, after a pause above all.
            self._waiting.dts = self._waiting.pts
            self._waiting.duration = self._end_pts - self._waiting.pts
            output.mux(self._waiting)
        if self._sound is not None:
            # The sound of a video that breaks off may go on for long.
            self._sound.write(self._origin_s, float(self._end_s) if self._reader.fault else None)
            self._sound.finish()

    def _fps(self) -> Fraction:
        return Fraction(self._reader.info.fps or _USUAL_FPS).limit_denominator(1001)

    def _close_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()
            self._sound = None


class _FullWriteFile(io.FileIO):
    """A file that writes all that it is given or fails; a full disk may take a part."""

    def write(self, data: Buffer, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            left = left[super().write(left) :]
        return size


def _add_stream(output: OutputContainer, size_wh: tuple[int, int], fps: Fraction) -> VideoStream:
    options = {"preset": PRESET, "crf": str(QUALITY)}
    if size_wh[0] * size_wh[1] > _LARGE_PX:
        options |= _FRUGAL
    stream = output.add_stream("libx264", rate=fps, options=options)
    stream.width, stream.height = size_wh
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
    context.color_range = ColorRange.MPEG
    return stream


def _disk_error(error: OSError | av.error.FFmpegError) -> EmotionError:
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "; make room on the disk and try again" if is_full else ""
    return EmotionError(
        f"The annotated video cannot be written ({error.strerror or error}){advice}."
    )
