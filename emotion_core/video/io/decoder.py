"""One track's pictures as FFmpeg decodes them: damage skipped, interlacing removed."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, cast

import av
import av.error
from av.filter import Graph

from emotion_core.video.io.demuxer import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

_LOOK_AHEAD = 32
"""Packets read before the first is decoded, to see how fast pictures really come."""

_LEAST_DEINTERLACED_PX = 3  # on each side; the filter refuses less


class VideoTrackDecoder:
    """Decodes the pictures of one track.

    Attributes:
        n_damaged: Parts of the file that could not be decoded, or only wrongly, so far.
        damaged_s: Time of the last picture before the first of them, in seconds of the file's own
            time; ``None`` without such a picture.
        is_cut_off: Whether reading ended with an error or in the middle of a picture or sound.
        end_s: End of the last picture or sound that was read, in the same time.
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

    def measure_fps(self) -> float:
        """Pictures a second by the time stamps of the first ones; 0 where there are too few."""
        while len(self._waiting) < _LOOK_AHEAD:
            packet = next(self._packets, None)
            if packet is None:
                break
            self._waiting.append(packet)
        stamps = [p.pts if p.pts is not None else p.dts for p in self._waiting]
        known = [stamp for stamp in stamps if stamp is not None]
        if len(known) < 3 or max(known) == min(known):
            return 0.0
        return float((len(known) - 1) / ((max(known) - min(known)) * self.time_base))

    def pictures(self) -> Iterator[tuple[int | None, VideoFrame]]:
        """Decode, in the order in which pictures are shown.

        Yields:
            Time stamp in ticks of ``time_base``, ``None`` where there is none; and the picture.
        """
        deinterlacer: Deinterlacer | None = None
        for picture in self._decode():
            if deinterlacer is None and picture.interlaced_frame:
                deinterlacer = Deinterlacer(self.time_base)
            if deinterlacer is None:
                yield _stamp(picture), picture
            else:
                yield from deinterlacer.filter(picture)
        if deinterlacer is not None:
            yield from deinterlacer.flush()

    def stamps(self) -> Iterator[int]:
        """Read on without decoding; nothing but ``seek`` may follow.

        Yields:
            Time stamp of each picture in the order of the file, where it has one.
        """
        for packet in chain(self._waiting, self._packets):
            stamp = packet.dts if packet.dts is not None else packet.pts
            if stamp is not None:
                yield stamp

    def seek(self, stamp: int) -> None:
        """Go to the last picture before a time that can be decoded by itself.

        Args:
            stamp: In ticks of ``time_base``.

        Raises:
            av.error.FFmpegError: The file does not allow it.
        """
        self._container.seek(stamp, stream=self._stream)
        self._decoder.flush_buffers()
        self._waiting.clear()
        self._packets = self._read()

    def note_damage(self) -> None:
        """Count a part that could not be used, at the place of the last picture."""
        self.n_damaged += 1
        if self.n_damaged == 1:
            self.damaged_s = self._last_s

    def _read(self) -> Iterator[Packet[VideoStream]]:
        """Read packets of pictures; notes how far all tracks got."""
        tracks = [*self._container.streams.video, *self._container.streams.audio]
        try:
            for packet in self._container.demux(tracks):
                if not packet.size:  # a decoder would take it for the end
                    continue
                self.is_cut_off = packet.is_corrupt  # less of it than it says: counts for the last
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
            try:
                pictures = self._decoder.decode(packet)  # None: give what is held back
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.note_damage()
                pictures = []
            for picture in pictures:
                if picture.is_corrupt:
                    self.note_damage()
                stamp = _stamp(picture)
                self._last_s = None if stamp is None else float(stamp * self.time_base)
                yield picture
            if packet is None:
                return


class Deinterlacer:
    """Makes whole pictures of ones whose odd and even lines were taken at different times.

    Args:
        time_base: Of the pictures' time stamps.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph: Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def filter(self, picture: VideoFrame) -> Iterator[tuple[int | None, VideoFrame]]:
        """Take the next picture; give those that are ready, with their time stamps."""
        kind = (picture.width, picture.height, picture.format.name)
        if kind != self._kind:
            yield from self.flush()
            self._graph, self._kind = self._make_graph(picture), kind
        if self._graph is None:
            yield _stamp(picture), picture
            return
        picture.pts = _stamp(picture)
        picture.time_base = self._time_base
        try:
            self._graph.vpush(picture)
            yield from self._pull(self._graph)
        except av.error.FFmpegError:
            self._graph = None  # pictures of this kind are given as they are
            yield _stamp(picture), picture

    def flush(self) -> Iterator[tuple[int | None, VideoFrame]]:
        """Give what is held back; what comes later begins anew."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pull(self._graph)
        self._graph = self._kind = None

    def _make_graph(self, picture: VideoFrame) -> Graph | None:
        if min(picture.width, picture.height) < _LEAST_DEINTERLACED_PX:
            return None
        graph = Graph()
        source = graph.add_buffer(
            width=picture.width,
            height=picture.height,
            format=picture.format,
            time_base=self._time_base,
        )
        # One picture for each; those that are not interlaced pass as they are.
        graph.link_nodes(
            source,
            graph.add("bwdif", "mode=send_frame:deint=interlaced"),
            graph.add("buffersink"),
        ).configure()
        return graph

    def _pull(self, graph: Graph) -> Iterator[tuple[int | None, VideoFrame]]:
        while True:
            try:
                picture = graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            ticks = (picture.time_base or self._time_base) / self._time_base
            yield None if picture.pts is None else round(picture.pts * ticks), picture


def _stamp(picture: VideoFrame) -> int | None:
    return picture.pts if picture.pts is not None else picture.dts


def _make_decoder(stream: VideoStream) -> VideoCodecContext:
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1":
        # FFmpeg's own decoders leave out the transparency that WebM carries beside the colours.
        if decoder.codec.canonical_name == "vp8":
            decoder = av.CodecContext.create("libvpx", "r")
        elif decoder.codec.canonical_name == "vp9":
            decoder = av.CodecContext.create("libvpx-vp9", "r")
    decoder.thread_type = "AUTO"
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    return decoder
