"""Skipping of the frames before a part of a video: they are counted, but not decoded.

Where each packet of a file is one frame, its time stamp tells everything about the frame but the
pixels. So decoding may begin at a key frame shortly before the part.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from av import Packet
    from av.container import InputContainer
    from av.video.stream import VideoStream

_FORMATS = ("mp4", "matroska")
_CODECS = ("h264", "hevc", "vp9", "av1", "mjpeg", "prores")
"""Formats and codecs in which a packet is a frame. In others it may be a field, two frames, or
nothing that is shown."""

_BEYOND = 32
"""Packets to read beyond the start of the part. Codecs move a frame by at most 16 places between
the order of the file and that in which frames are shown."""

_RESTART_S = 1.0  # a packet that lies further back belongs to a recording that was joined
_MAX_BYTES = 256 * 2**20
"""Maximum size of the packets from one key frame to the next, which are kept in memory."""


class CannotSkipError(Exception):
    """The frames before a part cannot be counted without decoding them."""


class PassedOver(NamedTuple):
    """What precedes a part of a video.

    Attributes:
        stamps: Time stamps of all frames before the key frame at which decoding may begin, as they
            are shown; empty if there is no such key frame.
        key: That of the key frame.
        packets: What was read, from the key frame on.
    """

    stamps: list[int]
    key: int
    packets: list[Packet[VideoStream]]


def has_frame_per_packet(container: InputContainer, stream: VideoStream) -> bool:
    """Whether each packet of a track is one frame, as far as the format tells."""
    codec = stream.codec_context.codec.canonical_name
    return codec in _CODECS and any(name in container.format.name for name in _FORMATS)


def pass_over(
    begun: Sequence[int | None],
    packets: Iterable[Packet[VideoStream]],
    *,
    start: int,
    latest_key: int,
    ticks: float,
) -> PassedOver:
    """Reads a track until shortly after the start of a part.

    Args:
        begun: Time stamps of the packets that were decoded already.
        packets: Those that follow.
        start: Time stamp of the start of the part.
        latest_key: Time stamp of the latest key frame at which decoding may begin.
        ticks: Ticks of time stamps a second.

    Raises:
        CannotSkipError: Time stamps are missing, restart or repeat, or a packet is damaged or its
            frame not shown.
    """
    stamps = [_to_stamp(stamp, -math.inf) for stamp in begun]
    kept: list[Packet[VideoStream]] = []
    n_bytes, n_beyond, key = 0, 0, None
    for packet in packets:
        stamp = _to_stamp(packet.pts, max(stamps[-_BEYOND:]) - _RESTART_S * ticks)
        if packet.is_corrupt or packet.is_discard or n_bytes > _MAX_BYTES:
            raise CannotSkipError
        stamps.append(stamp)
        if packet.is_keyframe and stamp <= latest_key:
            key, n_bytes = stamp, 0
            kept.clear()
        kept.append(packet)
        n_bytes += packet.size
        n_beyond += stamp > start
        if n_beyond > _BEYOND:
            break
    if len(set(stamps)) < len(stamps):
        raise CannotSkipError
    if key is None:
        return PassedOver([], 0, kept)
    return PassedOver(sorted(stamp for stamp in stamps if stamp < key), key, kept)


def _to_stamp(stamp: int | None, minimum: float) -> int:
    if stamp is None or stamp < minimum:
        raise CannotSkipError
    return stamp
