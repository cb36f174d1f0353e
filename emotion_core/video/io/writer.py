"""Writing of frames and a video's own audio to an MP4 that browsers play, with original times."""

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
"""Constant rate factor. 720p of a street takes 15 ms of one core per frame and 0.9 Mbit/s;
``superfast`` takes 11 ms and 1.2 Mbit/s."""

_KEYFRAME_S = 2
"""Maximum time between frames at which a player can begin, so that it seeks fast. Files are an
eighth larger than with x264's 250 frames (a face of 640 by 360 pixels for 20 s)."""

_LARGE_PX = 4096 * 2304
_FRUGAL = {"rc-lookahead": "0", "bf": "0", "x264-params": "sliced-threads=1:sync-lookahead=0"}
"""For larger frames, of which the encoder otherwise keeps some twenty."""

_MAX_TICKS = 120_000
"""Maximum ticks a second: an MP4 has 31 bits for the offset of frames stored out of order, which is
three hours with the longest gaps of a clock."""

_USUAL_FPS = 25
"""A hint for the encoder, and the duration of the only frame of a video."""


class VideoWriter:
    """Writes an MP4 (H.264, yuv420p, playable while it loads) with the times of a reader.

    A context manager: the file is complete at the end of the with-block, and emptied after an
    exception in it.

    Attributes:
        fault: One sentence if audio had to be left out, else empty; complete at the end.

    Args:
        path: Replaced if it exists.
        reader: Source of the frames.
        audio: A separate handle of the video for its audio; ``None`` for silence.

    Raises:
        VideoDecodeError: ``audio`` cannot be read.
        EmotionError: ``path`` cannot be written.
    """

    def __init__(self, path: Path, reader: VideoReader, *, audio: Source | None) -> None:
        self._reader = reader
        self.fault = ""
        self._audio: AudioRemuxer | None = None
        if audio is not None and reader.audio_index is not None:
            self._audio = AudioRemuxer(audio, reader.audio_index)
        try:
            self._file = _FullWriteFile(str(path), "wb")
        except OSError as error:
            self._close_audio()
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
            self._close_audio()

    def write(self, frame: VideoFrame, image: Image) -> None:
        """Adds a frame.

        Args:
            frame: For its time stamp; they must rise.
            image: RGB ``(H, W, 3)``, 0-255; always the same size.

        Raises:
            EmotionError: The disk is full or fails.
        """
        try:
            if self._output is None:
                self._output = self._begin(frame, image)
            self._encode(self._output, frame, image)
            if self._audio is not None:
                self._audio.write(self._origin_s, float(frame.pts * self._reader.time_base))
        except (av.error.FFmpegError, OSError) as error:
            raise _disk_error(error) from error

    def _begin(self, frame: VideoFrame, image: Image) -> OutputContainer:
        """Adds the tracks: impossible after the first packet."""
        output = av.open(self._file, "w", format="mp4", options={"movflags": "+faststart"})
        height, width = image.shape[:2]
        self._stream = _add_stream(output, (width + width % 2, height + height % 2), self._fps())
        base = self._reader.time_base
        self._origin_s = frame.pts * base if self._reader.from_s else self._reader.origin_s
        self._ticks = Fraction(1, min(base.denominator, _MAX_TICKS))
        self._stream.codec_context.time_base = self._ticks
        if self._audio and (self._audio.start_s is None or not self._audio.open(output)):
            self._close_audio()
        return output

    def _encode(self, output: OutputContainer, frame: VideoFrame, image: Image) -> None:
        bottom, right = image.shape[0] % 2, image.shape[1] % 2
        if bottom or right:
            padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
            image = np.asarray(padded, np.uint8)
        encoded = self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), "rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        time_s = frame.pts * self._reader.time_base - self._origin_s
        pts = max(round(time_s / self._ticks), self._last_pts + 1)
        encoded.time_base, encoded.pts = self._ticks, pts
        # The real duration is unknown, but only that of the last frame counts.
        is_first = self._last_pts < 0
        usual = max(1, round(1 / (self._fps() * self._ticks)))
        encoded.duration = usual if is_first else pts - self._last_pts
        self._last_pts, self._end_pts = pts, pts + encoded.duration
        self._end_s = self._end_pts * self._ticks + self._origin_s
        self._mux(output, self._stream.encode(encoded))

    def _mux(self, output: OutputContainer, packets: Sequence[Packet[VideoStream]]) -> None:
        """Writes all but the newest packet, whose duration is known only at the end."""
        for packet in packets:
            if self._waiting is not None:
                output.mux(self._waiting)
            self._waiting = packet

    def _finish(self, output: OutputContainer) -> None:
        self._mux(output, self._stream.encode(None))
        if self._waiting is not None and self._waiting.pts is not None:
            # A file ends when its last packet does, counted from its decoding time. As frames are
            # stored out of order, that may be long before the end, especially after a pause.
            self._waiting.dts = self._waiting.pts
            self._waiting.duration = self._end_pts - self._waiting.pts
            output.mux(self._waiting)
        if self._audio is not None:
            # The audio of a truncated video may be much longer, as is that of a part.
            is_part = self._reader.fault or self._reader.to_s is not None
            self._audio.write(self._origin_s, float(self._end_s) if is_part else None)
            self._audio.finish()

    def _fps(self) -> Fraction:
        return Fraction(self._reader.info.fps or _USUAL_FPS).limit_denominator(1001)

    def _close_audio(self) -> None:
        if self._audio is not None:
            self.fault = self._audio.fault
            self._audio.close()
            self._audio = None


class _FullWriteFile(io.FileIO):
    """A file that writes all data or fails, even if a full disk accepts a part."""

    def write(self, data: Buffer, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            left = left[super().write(left) :]
        return size


def _add_stream(output: OutputContainer, size_wh: tuple[int, int], fps: Fraction) -> VideoStream:
    keyframe = str(max(1, round(_KEYFRAME_S * fps)))
    options = {"preset": PRESET, "crf": str(QUALITY), "g": keyframe}
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
