"""Decoding of one video track with FFmpeg: skips damage, deinterlaces."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from itertools import chain, islice
from typing import TYPE_CHECKING, cast

import av
import av.error
from av.filter import Graph

from emotion_core.video.io.demuxer import MAX_PIXELS
from emotion_core.video.io.skipping import CannotSkipError, has_frame_per_packet, pass_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

_LOOK_AHEAD = 32
"""Packets read before the first is decoded, to measure the real frame rate."""

_LEAD = 4
"""Frames that are decoded, at least, before the first that is needed."""

_MIN_DEINTERLACED_PX = 3  # on each side; the filter refuses less


class VideoTrackDecoder:
    """Decodes the frames of one track.

    Attributes:
        n_damaged: Parts of the file so far that could not be decoded correctly.
        damaged_s: Time of the last frame before the first of them, in seconds of the file's own
            time; ``None`` without such a frame.
        is_cut_off: Whether reading ended with an error or in the middle of a packet.
        end_s: End of the last video or audio packet, in the same time.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.time_base = stream.time_base or Fraction(1, 1000)
        self.n_damaged = 0
        self.damaged_s: float | None = None
        self.is_cut_off = False
        self.end_s = 0.0
        self._last_s: float | None = None
        self._container, self._stream = container, stream
        self._decoder = _make_decoder(stream)
        self._waiting: deque[Packet[VideoStream]] = deque()
        self._packets = self._read()
        self._begun: list[int | None] = []  # time stamps of the first packets that were decoded
        self._decoded = self._decode()
        self._is_interlaced = False

    def measure_fps(self) -> float:
        """Frame rate by the time stamps of the first frames; 0 if there are too few."""
        self._waiting.extend(islice(self._packets, _LOOK_AHEAD))
        stamps = [p.pts if p.pts is not None else p.dts for p in self._waiting]
        known = [stamp for stamp in stamps if stamp is not None]
        if len(known) < 3 or max(known) == min(known):
            return 0.0
        return float((len(known) - 1) / ((max(known) - min(known)) * self.time_base))

    def frames(self) -> Iterator[tuple[int | None, VideoFrame]]:
        """Decodes frames in display order.

        Yields:
            Time stamp in ticks of ``time_base``, ``None`` if there is none; and the frame.
        """
        deinterlacer: Deinterlacer | None = None
        for frame in self._decoded:
            if deinterlacer is None and frame.interlaced_frame:
                deinterlacer, self._is_interlaced = Deinterlacer(self.time_base), True
            if deinterlacer is None:
                yield _stamp(frame), frame
            else:
                yield from deinterlacer.filter(frame)
        if deinterlacer is not None:
            yield from deinterlacer.flush()

    def stamps(self) -> Iterator[int]:
        """Reads on without decoding; only ``seek`` may follow.

        Yields:
            Time stamps of the frames that have one, in the order of the file.
        """
        for packet in chain(self._waiting, self._packets):
            stamp = packet.dts if packet.dts is not None else packet.pts
            if stamp is not None:
                yield stamp

    def seek(self, stamp: int) -> None:
        """Seeks to the last key frame before a time.

        Args:
            stamp: In ticks of ``time_base``.

        Raises:
            av.error.FFmpegError: The file does not allow it.
        """
        self._container.seek(stamp, stream=self._stream)
        self._decoder.flush_buffers()
        self._waiting.clear()
        self._packets, self._decoded = self._read(), self._decode()

    def skip_to(self, start: int, step: int) -> list[int]:
        """Passes over the frames before a time, all but some; to be called after the first frame.

        If it does, ``frames`` has to be called again.

        Args:
            start: In ticks of ``time_base``.
            step: Usual ticks between frames.

        Returns:
            Time stamps of the frames that were passed over, the first one included, in the order in
            which they would have been decoded; empty if none was.

        Raises:
            CannotSkipError: Nothing can be passed over; the decoder cannot be used any more.
        """
        is_odd = self._is_interlaced or len(self._begun) >= _LOOK_AHEAD
        if is_odd or not has_frame_per_packet(self._container, self._stream):
            return []
        packets = chain(tuple(self._waiting), self._packets)
        self._waiting.clear()
        latest_key, ticks = start - _LEAD * step, float(1 / self.time_base)
        passed = pass_over(self._begun, packets, start=start, latest_key=latest_key, ticks=ticks)
        self._waiting.extend(passed.packets)
        if passed.stamps:
            self._decoder.flush_buffers()
            self._decoded = self._decode_from(passed.key)
        return passed.stamps

    def _decode_from(self, key: int) -> Iterator[VideoFrame]:
        """Drops frames that refer to what was passed over, which count as no damage."""
        n_damaged, damaged_s = self.n_damaged, self.damaged_s
        frames = self._decode()
        for frame in frames:
            stamp = _stamp(frame)
            if stamp is not None and stamp >= key:
                break
        else:
            raise CannotSkipError
        if stamp != key or frame.is_corrupt:
            raise CannotSkipError
        self.n_damaged, self.damaged_s = n_damaged, damaged_s
        return chain([frame], frames)

    def note_damage(self) -> None:
        """Counts a part that could not be used, at the time of the last frame."""
        self.n_damaged += 1
        if self.n_damaged == 1:
            self.damaged_s = self._last_s

    def _read(self) -> Iterator[Packet[VideoStream]]:
        """Reads packets of this track; keeps track of the end of all tracks."""
        tracks = [*self._container.streams.video, *self._container.streams.audio]
        try:
            for packet in self._container.demux(tracks):
                if not packet.size:  # would signal the end to a decoder
                    continue
                self.is_cut_off = packet.is_corrupt  # is it incomplete? counts for the last packet
                start = packet.pts if packet.pts is not None else packet.dts
                if start is not None and packet.time_base:
                    end_s = float((start + (packet.duration or 0)) * packet.time_base)
                    self.end_s = max(self.end_s, end_s)
                if packet.stream_index == self._stream.index:
                    yield cast("Packet[VideoStream]", packet)
        except (av.error.FFmpegError, OSError):
            self.is_cut_off = True

    def _decode(self) -> Iterator[VideoFrame]:
        while True:
            packet = self._waiting.popleft() if self._waiting else next(self._packets, None)
            if packet is not None and len(self._begun) < _LOOK_AHEAD:
                self._begun.append(packet.pts)
            try:
                frames = self._decoder.decode(packet)  # None flushes the decoder
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.note_damage()
                frames = []
            for frame in frames:
                if frame.is_corrupt:
                    self.note_damage()
                stamp = _stamp(frame)
                self._last_s = None if stamp is None else float(stamp * self.time_base)
                yield frame
            if packet is None:
                return


class Deinterlacer:
    """Deinterlaces frames with time stamps in a time base."""

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph: Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def filter(self, frame: VideoFrame) -> Iterator[tuple[int | None, VideoFrame]]:
        """Takes the next frame; yields those that are ready, with their time stamps."""
        kind = (frame.width, frame.height, frame.format.name)
        if kind != self._kind:
            yield from self.flush()
            self._graph, self._kind = self._make_graph(frame), kind
        if self._graph is None:
            yield _stamp(frame), frame
            return
        frame.pts = _stamp(frame)
        frame.time_base = self._time_base
        try:
            self._graph.vpush(frame)
            yield from self._pull(self._graph)
        except av.error.FFmpegError:
            self._graph = None  # frames of this kind pass unchanged
            yield _stamp(frame), frame

    def flush(self) -> Iterator[tuple[int | None, VideoFrame]]:
        """Yields the frames held back and resets the filter."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pull(self._graph)
        self._graph = self._kind = None

    def _make_graph(self, frame: VideoFrame) -> Graph | None:
        if min(frame.width, frame.height) < _MIN_DEINTERLACED_PX:
            return None
        graph = Graph()
        # One frame for each; those that are not interlaced pass unchanged.
        graph.link_nodes(
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=self._time_base,
            ),
            graph.add("bwdif", "mode=send_frame:deint=interlaced"),
            graph.add("buffersink"),
        ).configure()
        return graph

    def _pull(self, graph: Graph) -> Iterator[tuple[int | None, VideoFrame]]:
        while True:
            try:
                frame = graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            ticks = (frame.time_base or self._time_base) / self._time_base
            yield None if frame.pts is None else round(frame.pts * ticks), frame


def _stamp(frame: VideoFrame) -> int | None:
    return frame.pts if frame.pts is not None else frame.dts


def _make_decoder(stream: VideoStream) -> VideoCodecContext:
    decoder = stream.codec_context
    libvpx = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(decoder.codec.canonical_name)
    if stream.metadata.get("alpha_mode") == "1" and libvpx:
        # FFmpeg's own decoders ignore the separate alpha plane of WebM.
        decoder = cast("VideoCodecContext", av.CodecContext.create(libvpx, "r"))
    decoder.thread_type = "AUTO"
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    return decoder
