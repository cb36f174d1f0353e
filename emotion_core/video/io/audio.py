"""The sound of a video, taken over into another file."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import av.error
from av import AudioFrame
from av.audio.stream import AudioStream
from av.filter import Graph

from emotion_core.errors import VideoDecodeError
from emotion_core.video.io.demuxer import Source, is_plausible_sound, open_input
from emotion_core.video.io.timestamps import TimestampRepair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import Packet
    from av.container import OutputContainer

_COPIED = ("aac", "mp3")
"""Codecs that browsers play in an MP4; any other sound is encoded anew."""

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_BITS_PER_CHANNEL = 64_000
_SAMPLES = 1024  # of a packet of AAC

_PIECE_S = 1
"""Longer silence is written in pieces of so many seconds; the filter would hold all of it."""

_MOST_SILENCE_S = 4 * 3600
"""Of all gaps longer than a piece; what is heard after more of it is left out. An hour takes some
seconds to write, and a few bytes can ask for any number of hours."""

_OTHER_FILE = "The file with the sound is not that of the video."


class AudioRemuxer:
    """One track of sound on its way from a video into an MP4, as far as is asked for.

    Damage in it ends it early and silently: a video without the rest of its sound is worth more
    than none. A context manager.

    Attributes:
        start_s: When it begins, in the file's own time; ``None`` if it is empty.

    Args:
        source: The video; read independently of its pictures.
        index: Number of the track.
    """

    def __init__(self, source: Source, index: int) -> None:
        self._container = open_input(source)
        try:
            stream = self._container.streams[index]
        except IndexError:
            self._container.close()
            raise VideoDecodeError(_OTHER_FILE) from None
        if not isinstance(stream, AudioStream):
            self._container.close()
            raise VideoDecodeError(_OTHER_FILE)
        self._stream = stream
        self._time_base = stream.time_base or Fraction(1, 1000)
        self._clock = TimestampRepair(self._time_base, 1)
        self._waiting: deque[Packet[AudioStream]] = deque()
        self._packets = self._read()
        self._is_over = False
        # The first packet may lie before: what a codec needs to get going, and players leave out.
        start = stream.start_time if stream.start_time is not None else self._next_stamp()
        self.start_s = None if start is None else float(start * self._time_base)

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def open(self, output: OutputContainer) -> None:
        """Add a track for it to a file to which nothing was written yet."""
        if self._stream.codec_context.codec.canonical_name in _COPIED:
            self._way: _Copy | _Encoder = _Copy(output, self._stream)
        else:
            self._way = _Encoder(output, self._stream)

    def write(self, origin_s: Fraction, until_s: float | None) -> None:
        """Write what begins before a time and was not written yet.

        Args:
            origin_s: The file's own time that becomes zero.
            until_s: In the file's own time; ``None`` for all that is left.
        """
        while (stamp := self._next_stamp()) is not None:
            if until_s is not None and stamp * self._time_base >= until_s:
                return
            try:
                self._way.write(self._waiting.popleft(), origin_s)
            except av.error.FFmpegError:
                self._is_over = True

    def finish(self) -> None:
        """Write what is held back."""
        with suppress(av.error.FFmpegError):
            self._way.finish()

    def _next_stamp(self) -> int | None:
        """Time stamp of the next packet; ``None`` after the last."""
        if self._is_over:
            return None
        if not self._waiting:
            packet = next(self._packets, None)
            if packet is None:
                return None
            self._waiting.append(packet)
        return self._waiting[0].pts

    def _read(self) -> Iterator[Packet[AudioStream]]:
        """Read packets; their time stamps rise."""
        silence_s = 0.0
        end: int | None = None
        try:
            for packet in self._container.demux(self._stream):
                if packet.size and not packet.is_corrupt:
                    stamp = packet.pts if packet.pts is not None else packet.dts
                    packet.pts = packet.dts = start = self._clock.stamp(stamp)
                    gap_s = 0.0 if end is None else float((start - end) * self._time_base)
                    silence_s += gap_s if gap_s > _PIECE_S else 0.0
                    if silence_s > _MOST_SILENCE_S:
                        return
                    end = start + (packet.duration or 0)
                    yield packet
        except (av.error.FFmpegError, OSError):
            return


class _Copy:
    """Packets as they are, but for those that cannot be decoded: a browser stops at them."""

    def __init__(self, output: OutputContainer, template: AudioStream) -> None:
        self._output, self._decoder = output, template.codec_context
        self._stream = output.add_stream_from_template(template)

    def write(self, packet: Packet[AudioStream], origin_s: Fraction) -> None:
        try:
            self._decoder.decode(packet)
        except av.error.FFmpegError:
            return
        shift = round(origin_s / packet.time_base)
        packet.pts = packet.dts = (packet.pts or 0) - shift
        packet.stream = self._stream
        self._output.mux(packet)

    def finish(self) -> None:
        """Nothing is held back."""


class _Encoder:
    """Sound of any kind to AAC, with silence where there is a gap."""

    def __init__(self, output: OutputContainer, source: AudioStream) -> None:
        self._output, self._source = output, source
        context = source.codec_context
        self._layout = "mono" if context.layout.nb_channels == 1 else "stereo"
        self._rate = min(_AAC_RATES, key=lambda rate: abs(rate - context.rate))
        self._stream = output.add_stream("aac", rate=self._rate, layout=self._layout)
        self._stream.bit_rate = _BITS_PER_CHANNEL * (1 + (self._layout == "stereo"))
        self._tick_s = Fraction(1, self._rate)
        self._end_s = Fraction(-1_000_000)
        self._kind: tuple[str, str, int] | None = None
        self._graph: Graph | None = None
        self._due: int | None = None  # when the next sound begins, in ticks of the source

    def write(self, packet: Packet[AudioStream], origin_s: Fraction) -> None:
        try:
            frames = self._source.codec_context.decode(packet)
        except av.error.FFmpegError:
            return
        for frame in frames:
            if not is_plausible_sound(frame.sample_rate, frame.layout.nb_channels):
                continue
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if kind != self._kind or self._graph is None:
                self._drain()
                self._graph, self._kind = self._make_graph(kind, packet.time_base), kind
            if frame.pts is not None:
                frame.pts -= round(origin_s / packet.time_base)
            self._fill(self._graph, frame)
            self._graph.push(frame)
            self._encode(self._graph)

    def finish(self) -> None:
        try:
            held_back = self._source.codec_context.decode(None)
        except av.error.FFmpegError:
            held_back = []
        if self._graph is not None:
            for frame in held_back:
                frame.pts = None
                self._graph.push(frame)
        self._drain()
        self._output.mux(self._stream.encode(None))

    def _fill(self, graph: Graph, frame: AudioFrame) -> None:
        """Write the silence between the last sound and the next."""
        tick_s = frame.time_base or self._tick_s
        piece = max(1, round(_PIECE_S / tick_s))
        start = self._due if frame.pts is None else frame.pts
        if start is None:
            return
        while self._due is not None and start - self._due > piece:
            graph.push(_silence(frame, self._due))
            self._encode(graph)
            self._due += piece
        self._due = start + round(frame.samples / frame.sample_rate / tick_s)

    def _make_graph(self, kind: tuple[str, str, int], time_base: Fraction) -> Graph:
        form, layout, rate = kind
        graph = Graph()
        graph.link_nodes(
            graph.add_abuffer(sample_rate=rate, format=form, layout=layout, time_base=time_base),
            graph.add("aresample", "async=1"),  # fills and cuts where time stamps jump
            graph.add(
                "aformat",
                f"sample_fmts=fltp:sample_rates={self._rate}:channel_layouts={self._layout}",
            ),
            graph.add("abuffersink"),
        ).configure()
        graph.set_audio_frame_size(_SAMPLES)
        return graph

    def _drain(self) -> None:
        if self._graph is not None:
            self._graph.push(None)
            self._encode(self._graph)
            self._graph = None

    def _encode(self, graph: Graph) -> None:
        while True:
            try:
                frame = cast(AudioFrame, graph.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            begins_s = (frame.pts or 0) * (frame.time_base or self._tick_s)
            if begins_s >= self._end_s:  # else the format changed, and its time stamps went back
                self._end_s = begins_s + frame.samples * self._tick_s
                self._output.mux(self._stream.encode(frame))


def _silence(like: AudioFrame, pts: int) -> AudioFrame:
    """A piece of silence in the same format as some sound."""
    silence = AudioFrame(like.format.name, like.layout.name, _PIECE_S * like.sample_rate)
    middle = b"\x80" if like.format.name.startswith("u8") else b"\0"
    for plane in silence.planes:
        plane.update(middle * plane.buffer_size)
    silence.sample_rate, silence.time_base, silence.pts = like.sample_rate, like.time_base, pts
    return silence
