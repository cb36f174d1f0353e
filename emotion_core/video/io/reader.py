"""Reading of videos: RGB frames with their times, in order, whatever the file."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import chain, takewhile
from typing import TYPE_CHECKING, Self

import av.error

from emotion_core.errors import VideoDecodeError
from emotion_core.imaging.tone_mapping import HDR_NOTE
from emotion_core.video.io.converter import FrameConverter
from emotion_core.video.io.decoder import VideoTrackDecoder
from emotion_core.video.io.demuxer import (
    Source,
    choose_audio_track,
    choose_video_track,
    open_input,
)
from emotion_core.video.io.header import (
    describe_fault,
    describe_limit,
    describe_part,
    find_origin,
    mean_fps,
    stated_duration,
)
from emotion_core.video.io.skipping import CannotSkipError
from emotion_core.video.io.timestamps import TimestampRepair, do_restart
from emotion_core.video.types import VideoFrame, VideoInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from av import VideoFrame as DecodedFrame
    from av.video.stream import VideoStream

    _Raw = tuple[int | None, DecodedFrame]

__all__ = ["Source", "VideoReader", "frame_at"]

_USUAL_FPS = 25
"""Assumed if neither the header nor the time stamps have a rate."""

_MAX_FPS = 120  # for videos of limited length, whose time stamps cannot be trusted


class VideoReader:
    """Reads a video once, from its first frame to its last.

    Memory depends on the size of a frame, not on the length. A context manager.

    Attributes:
        info: Header; after the last frame its length covers all frames.
        time_base: Seconds of a tick of ``VideoFrame.pts``.
        origin_s: The file's own time at which the video starts, in seconds: that of the first
            frame, or of its audio if players hear that before. All times are seconds after it.
        audio_index: Number of the audio track that belongs to the video; ``None`` if none.
        n_skipped: Frames before ``from_s`` that are counted, but not decoded.
        fault: One sentence if the video is damaged or truncated; complete after the last frame.

    Args:
        source: The video.
        longest_s: Maximum of seconds to read, at up to 120 frames each; ``None`` for all.
        from_s: Start of the part to read, after ``origin_s``.
        to_s: End of that part; ``None`` for that of the video.

    Raises:
        VideoDecodeError: Not a video, without video track, or no frame can be decoded.
    """

    def __init__(
        self,
        source: Source,
        *,
        longest_s: float | None = None,
        from_s: float = 0.0,
        to_s: float | None = None,
    ) -> None:
        self.fault = ""
        self.from_s, self.to_s, self._stopped, self.n_skipped = from_s, to_s, False, 0
        self._longest_s = math.inf if longest_s is None else longest_s
        self._container = open_input(source)
        try:
            stream = choose_video_track(self._container)
            self._track = VideoTrackDecoder(self._container, stream)
            self._converter = FrameConverter(stream.sample_aspect_ratio)
            self.time_base = self._track.time_base
            audio = choose_audio_track(self._container, stream)
            self.audio_index = None if audio is None else audio.index
            fps, notes = mean_fps(self._container, stream, self._track.measure_fps())
            self._step = max(1, round(1 / (Fraction(fps or _USUAL_FPS) * self.time_base)))
            self._clock = TimestampRepair(self.time_base, self._step)
            self._decoded = self._begin()
            self.origin_s = find_origin(self._first_pts * self.time_base, audio)
            self.info = self._describe(stream, fps, notes)
            if from_s > 0:
                self._skip(source)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def frames(
        self, should_convert: Callable[[int, float], bool] | None = None
    ) -> Generator[VideoFrame]:
        """Decodes all frames in display order; once.

        Args:
            should_convert: Called with the index and the time in seconds of each frame. If it
                returns False, the frame is decoded, but neither converted nor yielded.

        Yields:
            Frames of the same size; the caller may keep them or draw on them.
        """
        index, last_s = 0, 0.0
        for index, last_s, pts, decoded in self._chosen():
            if should_convert is not None and not should_convert(index, last_s):
                continue
            try:
                image = self._converter.convert(decoded)
            except (av.error.FFmpegError, VideoDecodeError):
                self._track.note_damage()
            else:
                yield VideoFrame(index, last_s, pts, image)
        if self._stopped:
            return
        if last_s < self.from_s:
            raise VideoDecodeError(f"The video ends before {self.from_s:g} s, where to begin.")
        found = describe_fault(self._container, self._track, last_s, self.info.fps)
        self.fault = self.fault or found
        span_s = last_s - self._to_time(self._first_pts)
        if span_s > 0 and self.info.duration_s is not None and last_s > self.info.duration_s:
            self.info = replace(
                self.info, duration_s=last_s, fps=index / span_s, n_frames=index + 1
            )

    def _chosen(self) -> Iterator[tuple[int, float, int, DecodedFrame]]:
        """Index, time, time stamp and frame of what is to be read."""
        skipped, to_s = self.n_skipped, math.inf if self.to_s is None else self.to_s
        for index, (pts, decoded) in enumerate(self._decoded, skipped):
            time_s = self._to_time(pts)
            if time_s < self.from_s:
                skipped += 1
                continue
            if time_s >= to_s:
                self._stopped = True
                return
            if max(time_s - self.from_s, (index - skipped) / _MAX_FPS) > self._longest_s:
                self.fault = describe_limit(self._longest_s)
                return
            yield index, time_s, pts, decoded

    def find(self, time_s: float) -> VideoFrame | None:
        """Seeks the frame shown at a time; ``frames`` cannot be used afterwards.

        Args:
            time_s: Seconds after ``origin_s``.

        Returns:
            The frame, with an index by the mean rate; ``None`` if the file is not seekable or its
            time stamps restart somewhere, so that they are ambiguous.
        """
        if self._restarts():
            return None
        target = self._to_pts(time_s)
        try:
            self._track.seek(target)
            found = None
            for pts, decoded in self._track.frames():
                if pts is None or (pts > target and found is None):
                    return None
                if pts > target:
                    break
                found = (pts, decoded)
            return None if found is None else self._to_frame(*found)
        except av.error.FFmpegError:
            return None

    def _restarts(self) -> bool:
        """Whether time stamps restart; reads to the end."""
        if "mp4" in self._container.format.name:
            return False  # its sample table has one clock
        return do_restart(self._track.stamps(), self.time_base, self._step)

    def last_until(self, time_s: float) -> VideoFrame:
        """Decodes up to a time and returns the frame shown then, at least the first.

        Args:
            time_s: Seconds after ``origin_s``.
        """
        shown, target = next(self._decoded), self._to_pts(time_s)
        for later in takewhile(lambda item: item[0] <= target, self._decoded):
            shown = later
        return self._to_frame(*shown)

    def _to_pts(self, time_s: float) -> int:
        return round((Fraction(time_s) + self.origin_s) / self.time_base)

    def _to_time(self, pts: int) -> float:
        return float(pts * self.time_base - self.origin_s)

    def _begin(self) -> Iterator[tuple[int, DecodedFrame]]:
        """Decodes the first frame."""
        raw = self._track.frames()
        try:
            stamp, first = next(raw)
            self._first_pts = self._clock.stamp(stamp)
            self._size_wh = self._converter.convert(first).shape[1::-1]
        except (StopIteration, av.error.FFmpegError):
            raise VideoDecodeError(
                "No frame of the video can be decoded: the file is damaged, encrypted or of a kind "
                "that cannot be read. Convert it to H.264 in MP4 and try again."
            ) from None
        return chain([(self._first_pts, first)], self._stamped(raw))

    def _stamped(self, raw: Iterator[_Raw]) -> Iterator[tuple[int, DecodedFrame]]:
        return ((self._clock.stamp(stamp), decoded) for stamp, decoded in raw)

    def _skip(self, source: Source) -> None:
        """Passes over frames before ``from_s``, where the file allows it."""
        try:
            stamps = self._track.skip_to(self._to_pts(self.from_s), self._step)
            if stamps and stamps[0] != self._first_pts:
                raise CannotSkipError
        except CannotSkipError:  # decoded from the start, after all
            self.close()
            self._container = open_input(source)
            stream = choose_video_track(self._container)
            self._track = VideoTrackDecoder(self._container, stream)
            self._clock = TimestampRepair(self.time_base, self._step)
            self._decoded, stamps = self._begin(), []
        if stamps:
            for stamp in stamps[1:]:
                self._clock.stamp(stamp)
            self.n_skipped = len(stamps)
            self._decoded = self._stamped(self._track.frames())

    def _to_frame(self, pts: int, decoded: DecodedFrame) -> VideoFrame:
        after_first_s = float((pts - self._first_pts) * self.time_base)
        index = round(after_first_s * (self.info.fps or _USUAL_FPS))
        return VideoFrame(index, self._to_time(pts), pts, self._converter.convert(decoded))

    def _describe(self, stream: VideoStream, fps: float, notes: list[str]) -> VideoInfo:
        streams = self._container.streams
        duration_s = stated_duration(self._container, stream)
        audio = None if self.audio_index is None else streams[self.audio_index]
        for tracks, name in ((streams.video, "video"), (streams.audio, "audio")):
            if len(tracks) > 1:
                notes.append(f"Of {len(tracks)} {name} tracks, one is used.")
        if streams.audio and audio is None:
            notes.append("The sound cannot be decoded and is left out.")
        if self._converter.is_hdr:
            notes.append(HDR_NOTE)
        if self.from_s or self.to_s is not None:
            notes.append(describe_part(self.from_s, self.to_s))
        if self._converter.has_alpha:
            notes.append("Transparent areas are shown white.")
        return VideoInfo(
            size_wh=(self._size_wh[0], self._size_wh[1]),
            fps=fps,
            duration_s=duration_s,
            n_frames=round(duration_s * fps) or None if duration_s and fps else None,
            codec=stream.codec_context.codec.canonical_name,
            audio_codec="" if audio is None else audio.codec_context.codec.canonical_name,
            warnings=tuple(notes),
        )


def frame_at(source: Source, time_s: float) -> VideoFrame:
    """Decodes the frame that is shown at a time.

    Args:
        source: The video.
        time_s: Seconds after the start (``VideoReader.origin_s``); clamped to the frames.

    Returns:
        The frame; its index is approximate, by the mean rate.

    Raises:
        VideoDecodeError: See ``VideoReader``.
    """
    with VideoReader(source) as reader:
        found = reader.find(time_s) if time_s > 0 else None
    if found is not None:
        return found
    with VideoReader(source) as reader:
        return reader.last_until(time_s)
