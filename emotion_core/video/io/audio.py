"""Transfer of a video's audio into another file."""

from __future__ import annotations

import io
from collections import deque
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, cast

import av
import av.error
from av import AudioFrame
from av.audio.stream import AudioStream
from av.filter import Graph

from emotion_core.errors import VideoDecodeError
from emotion_core.video.io.demuxer import Source, is_plausible_audio, open_input
from emotion_core.video.io.timestamps import TimestampRepair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import Packet
    from av.container import OutputContainer

_COPIED = ("aac", "mp3")
"""Codecs that browsers play in an MP4; all others are transcoded."""

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_BITS_PER_CHANNEL = 64_000
_SAMPLES = 1024  # per packet of AAC

_PIECE_S = 1
"""Silence is written in pieces of this many seconds; the filter would keep all of it in memory."""

_MAX_SILENCE_S = 4 * 3600
"""Sum of all gaps longer than a piece; audio after that is dropped. An hour takes some seconds to
write, and a few bytes can claim any number of hours."""

_LEAD_S = 0.1
"""Packets that start by more than this before the video are dropped; a codec starts with others."""

_LEFT_OUT = "Sound that cannot be written is missing in the annotated video."


class AudioRemuxer:
    """Copies or transcodes one audio track of a video into an MP4.

    A video without its audio, or without the rest of it, is better than none: nothing here fails.

    Attributes:
        start_s: Its start, in the file's own time; ``None`` if it is empty.
        fault: One sentence if audio had to be left out that could be read; empty otherwise.

    Args:
        source: The video; read independently of its frames.
        index: Number of the track.
    """

    def __init__(self, source: Source, index: int) -> None:
        self.fault = ""
        self._container = open_input(source)
        streams = self._container.streams
        stream = streams[index] if index < len(streams) else None
        if not isinstance(stream, AudioStream):
            self._container.close()
            raise VideoDecodeError("The file with the sound is not that of the video.")
        self._stream = stream
        self._time_base = stream.time_base or Fraction(1, 1000)
        self._clock = TimestampRepair(self._time_base, 1)
        self._waiting: deque[Packet[AudioStream]] = deque()
        self._packets = self._read()
        self._is_over = False
        # The first packet may be earlier: a codec needs it to start, and players skip it.
        start = stream.start_time if stream.start_time is not None else self._next_stamp()
        self.start_s = None if start is None else float(start * self._time_base)

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def open(self, output: OutputContainer) -> bool:
        """Adds a track to an MP4 to which nothing has been written yet.

        Returns:
            Whether it could be added: an MP4 takes no MP3 below 16 kHz, for example, so that is
            transcoded.
        """
        is_copied = self._stream.codec_context.codec.canonical_name in _COPIED
        for kind in (_Copy, _Encoder) if is_copied else (_Encoder,):
            if _is_accepted(kind, self._stream):
                self._writer: _Copy | _Encoder = kind(output, self._stream)
                return True
        self.fault = _LEFT_OUT
        return False

    def write(self, origin_s: Fraction, until_s: float | None) -> None:
        """Writes the next packets that start before a time, and drops those before the origin.

        Args:
            origin_s: The file's own time that becomes zero.
            until_s: In the file's own time; ``None`` for the rest.
        """
        while (stamp := self._next_stamp()) is not None:
            start_s = stamp * self._time_base
            if until_s is not None and start_s >= until_s:
                return
            if start_s < origin_s - _LEAD_S:
                self._waiting.popleft()
                continue
            try:
                self._writer.write(self._waiting.popleft(), origin_s)
            except (av.error.FFmpegError, ValueError):
                self._is_over = True
                self.fault = _LEFT_OUT

    def finish(self) -> None:
        """Writes what is held back."""
        with suppress(av.error.FFmpegError, ValueError):
            self._writer.finish()

    def _next_stamp(self) -> int | None:
        """Time stamp of the next packet; ``None`` after the last."""
        if self._is_over:
            return None
        if not self._waiting:
            self._waiting.extend(islice(self._packets, 1))
        return self._waiting[0].pts if self._waiting else None

    def _read(self) -> Iterator[Packet[AudioStream]]:
        """Reads packets; their time stamps rise."""
        silence_s = 0.0
        end: int | None = None
        try:
            for packet in self._container.demux(self._stream):
                if packet.size and not packet.is_corrupt:
                    stamp = packet.pts if packet.pts is not None else packet.dts
                    packet.pts = packet.dts = start = self._clock.stamp(stamp)
                    gap_s = 0.0 if end is None else float((start - end) * self._time_base)
                    silence_s += gap_s if gap_s > _PIECE_S else 0.0
                    if silence_s > _MAX_SILENCE_S:
                        return
                    end = start + (packet.duration or 0)
                    yield packet
        except (av.error.FFmpegError, OSError):
            return


def _is_accepted(kind: type[_Copy | _Encoder], stream: AudioStream) -> bool:
    """Whether an MP4 can be begun with such a track; tried on one that is thrown away."""
    try:
        with av.open(io.BytesIO(), "w", format="mp4") as trial:
            kind(trial, stream)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


class _Copy:
    """Copies packets, except for those that cannot be decoded: a browser would stop at them."""

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
    """Transcodes audio to AAC and fills gaps with silence."""

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
        self._due: int | None = None  # start of the next frame, in ticks of the source

    def write(self, packet: Packet[AudioStream], origin_s: Fraction) -> None:
        try:
            frames = self._source.codec_context.decode(packet)
        except av.error.FFmpegError:
            return
        for frame in frames:
            if not is_plausible_audio(frame.sample_rate, frame.layout.nb_channels):
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
        """Writes the silence between the last frame and the next."""
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
            graph.add("aresample", "async=1"),  # fills or cuts if time stamps jump
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
            start_s = (frame.pts or 0) * (frame.time_base or self._tick_s)
            if start_s >= self._end_s:  # else the format changed, and its time stamps went back
                self._end_s = start_s + frame.samples * self._tick_s
                self._output.mux(self._stream.encode(frame))


def _silence(like: AudioFrame, pts: int) -> AudioFrame:
    """A piece of silence in the same format as a frame."""
    silence = AudioFrame(like.format.name, like.layout.name, _PIECE_S * like.sample_rate)
    middle = b"\x80" if like.format.name.startswith("u8") else b"\0"
    for plane in silence.planes:
        plane.update(middle * plane.buffer_size)
    silence.sample_rate, silence.time_base, silence.pts = like.sample_rate, like.time_base, pts
    return silence
