"""Videos to RGB pictures with their times, one after the other, whatever the file is like."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Self

import av.error

from emotion_core.errors import VideoDecodeError
from emotion_core.video.io.converter import FrameConverter
from emotion_core.video.io.decoder import VideoTrackDecoder
from emotion_core.video.io.demuxer import Source, choose_pictures, choose_sound, open_input
from emotion_core.video.io.header import mean_fps, promised_length, stated_duration
from emotion_core.video.io.timestamps import TimestampRepair
from emotion_core.video.types import VideoFrame, VideoInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from av import VideoFrame as Picture
    from av.video.stream import VideoStream

    IsWanted = Callable[[int, float], bool]

__all__ = ["Source", "VideoReader", "frame_at"]

_USUAL_FPS = 25
"""Where neither the header nor the time stamps tell."""

_MISSING_S, _MISSING_SHARE, _MISSING_PICTURES = 0.5, 0.02, 3
"""A video that ends earlier than its header says by more than each of these was cut off."""

_MOST_FPS = 120
"""Of a video whose length is limited: time stamps may be anything."""


class VideoReader:
    """Reads a video once, from its first picture to its last.

    Memory depends on the size of a picture, not on the length. A context manager.

    Attributes:
        info: What the header says; after the last picture not less than was seen.
        time_base: Seconds of a tick of ``VideoFrame.pts``.
        first_pts: Time stamp of the first picture.
        sound_index: Number of the track of sound that goes with the pictures; ``None`` if none.
        fault: One sentence where the video is damaged or breaks off; complete after the last
            picture. What could be read was given.

    Args:
        source: The video.
        longest_s: Seconds of it that are read at most, and pictures for so many at 120 a second;
            ``None`` for all of it.

    Raises:
        VideoDecodeError: It is no video, has no pictures, or none that can be decoded.
    """

    def __init__(self, source: Source, *, longest_s: float | None = None) -> None:
        self.fault = ""
        self._longest_s = math.inf if longest_s is None else longest_s
        self._container = open_input(source)
        try:
            stream = choose_pictures(self._container)
            self._track = VideoTrackDecoder(self._container, stream)
            self._converter = FrameConverter(stream.sample_aspect_ratio)
            self.time_base = self._track.time_base
            sound = choose_sound(self._container, stream)
            self.sound_index = None if sound is None else sound.index
            fps, notes = mean_fps(self._container, stream, self._track.measure_fps())
            self._step = max(1, round(1 / (Fraction(fps or _USUAL_FPS) * self.time_base)))
            self._clock = TimestampRepair(self.time_base, self._step)
            self._pictures = self._begin()
            self.info = self._describe(stream, fps, notes)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; no more pictures come."""
        self._container.close()

    def frames(self, is_wanted: IsWanted | None = None) -> Generator[VideoFrame]:
        """Decode all pictures, in the order in which they are shown; once.

        Args:
            is_wanted: Called with the index and the time in seconds of each picture. Those for
                which it says no are decoded, but neither converted nor given.

        Yields:
            Pictures of the same size; each is the caller's to keep or to draw on.
        """
        index, last_s = 0, 0.0
        for n, (pts, picture) in enumerate(self._pictures):
            time_s = float((pts - self.first_pts) * self.time_base)
            if max(time_s, n / _MOST_FPS) > self._longest_s:
                self.fault = (
                    f"Only the first {self._longest_s / 60:.3g} min of the video were read; it "
                    "is longer than is taken here."
                )
                break
            index, last_s = n, time_s
            if is_wanted is not None and not is_wanted(index, last_s):
                continue
            try:
                image = self._converter.convert(picture)
            except (av.error.FFmpegError, VideoDecodeError):
                self._track.note_damage()
            else:
                yield VideoFrame(index, last_s, pts, image)
        self.fault = self.fault or self._describe_fault(last_s)
        self.info = self.info.reaching(index, last_s)

    def find(self, time_s: float) -> VideoFrame | None:
        """Go to the picture shown at a time; ``frames`` cannot be used afterwards.

        Args:
            time_s: Seconds after the first picture.

        Returns:
            ``None`` where the file does not allow to go there, or where its time stamps begin anew
            somewhere: then they do not tell the place. The index is by the mean rate.
        """
        if self._begins_anew():
            return None
        wanted = self._to_pts(time_s)
        try:
            self._track.seek(wanted)
            found = None
            for pts, picture in self._track.pictures():
                if pts is None or (pts > wanted and found is None):
                    return None
                if pts > wanted:
                    break
                found = (pts, picture)
            return None if found is None else self._to_frame(*found)
        except av.error.FFmpegError:
            return None

    def _begins_anew(self) -> bool:
        """Whether time stamps start again, as where recordings were joined; reads to the end."""
        if "mp4" in self._container.format.name:
            return False  # its table of pictures has one clock
        clock = TimestampRepair(self.time_base, self._step)
        for stamp in self._track.stamps():
            clock.stamp(stamp)
        return clock.has_moved

    def last_until(self, time_s: float) -> VideoFrame:
        """Decode up to a time and give the picture shown then; ``frames`` goes on behind it.

        Args:
            time_s: Seconds after the first picture.
        """
        shown, wanted = next(self._pictures), self._to_pts(time_s)
        for later in self._pictures:
            if later[0] > wanted:
                break
            shown = later
        return self._to_frame(*shown)

    def _to_pts(self, time_s: float) -> int:
        return self.first_pts + round(time_s / self.time_base)

    def _begin(self) -> Iterator[tuple[int, Picture]]:
        """Decode the first picture."""
        raw = self._track.pictures()
        try:
            stamp, first = next(raw)
            self.first_pts = self._clock.stamp(stamp)
            self._size_wh = self._converter.convert(first).shape[1::-1]
        except (StopIteration, av.error.FFmpegError):
            raise VideoDecodeError(
                "Not one picture of the video can be decoded: the file is damaged, encrypted or "
                "of a kind that cannot be read. Convert it to H.264 in MP4 and try again."
            ) from None
        rest = ((self._clock.stamp(stamp), picture) for stamp, picture in raw)
        return chain([(self.first_pts, first)], rest)

    def _to_frame(self, pts: int, picture: Picture) -> VideoFrame:
        time_s = float((pts - self.first_pts) * self.time_base)
        index = round(time_s * (self.info.fps or _USUAL_FPS))
        return VideoFrame(index, time_s, pts, self._converter.convert(picture))

    def _describe(self, stream: VideoStream, fps: float, notes: list[str]) -> VideoInfo:
        streams = self._container.streams
        duration_s = stated_duration(self._container, stream)
        sound = None if self.sound_index is None else streams[self.sound_index]
        for tracks, name in ((streams.video, "pictures"), (streams.audio, "sound")):
            if len(tracks) > 1:
                notes.append(f"Of {len(tracks)} tracks of {name}, one is used.")
        if streams.audio and sound is None:
            notes.append("The sound cannot be decoded and is left out.")
        if self._converter.is_hdr:
            notes.append("Its HDR colours look paler than on an HDR screen.")
        if self._converter.has_alpha:
            notes.append("Transparent places are shown white.")
        return VideoInfo(
            size_wh=(self._size_wh[0], self._size_wh[1]),
            fps=fps,
            duration_s=duration_s,
            n_frames=round(duration_s * fps) or None if duration_s and fps else None,
            codec=stream.codec_context.codec.canonical_name,
            audio_codec="" if sound is None else sound.codec_context.codec.canonical_name,
            warnings=tuple(notes),
        )

    def _describe_fault(self, last_s: float) -> str:
        """Say what was wrong, once all that can be read was."""
        promised_s = promised_length(self._container)
        start_s = (self._container.start_time or 0) / av.time_base
        seen_s = self._track.end_s - start_s
        fps = self.info.fps or _USUAL_FPS
        tolerated_s = max(_MISSING_S, _MISSING_SHARE * promised_s, _MISSING_PICTURES / fps)
        if promised_s - seen_s > tolerated_s:
            return (
                f"The video breaks off after {last_s:.1f} of {promised_s:.1f} seconds; "
                "what comes before was read."
            )
        if self._track.is_cut_off:
            return f"The video breaks off after {last_s:.1f} seconds; what comes before was read."
        if self._track.n_damaged:
            since_s = max(0.0, (self._track.damaged_s or start_s) - start_s)
            return (
                f"The video is damaged, first at about {since_s:.1f} seconds: pictures are missing "
                "or wrong there."
            )
        return ""


def frame_at(source: Source, time_s: float) -> VideoFrame:
    """Decode the picture that is shown at a time.

    Args:
        source: The video.
        time_s: Seconds after the first picture; before it the first is given, after the end the
            last.

    Returns:
        The picture; its index is only about right, by the mean rate.

    Raises:
        VideoDecodeError: See ``VideoReader``.
    """
    with VideoReader(source) as reader:
        found = reader.find(time_s) if time_s > 0 else None
    if found is not None:
        return found
    with VideoReader(source) as reader:
        return reader.last_until(time_s)
