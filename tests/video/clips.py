"""Short videos for tests, written with PyAV."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import PIL.Image

from tests.paths import PORTRAIT

_LOSSY = {"libx264": {"crf": "12", "preset": "ultrafast"}, "libx265": {"preset": "ultrafast"}}
_QUIET_X265 = {"x265-params": "log-level=none"}


def sample_face(size=256):
    """The sample portrait's head, a square of ``size`` pixels with a bit of the surroundings."""
    frame = PIL.Image.open(PORTRAIT).convert("RGB")
    scale = frame.width / 512
    box = tuple(round(v * scale) for v in (118, 0, 338, 220))
    return np.asarray(frame.resize((size, size), PIL.Image.Resampling.LANCZOS, box=box))


def on_canvas(face, centre_xy, size_wh=(320, 240), colour=(70, 80, 95)):
    """A plain frame with a square frame around a place; what juts out is cut off."""
    canvas = np.full((size_wh[1], size_wh[0], 3), colour, np.uint8)
    x, y = (round(c - side / 2) for c, side in zip(centre_xy, face.shape[1::-1], strict=True))
    left, top = max(0, x), max(0, y)
    right, bottom = min(size_wh[0], x + face.shape[1]), min(size_wh[1], y + face.shape[0])
    if left < right and top < bottom:
        canvas[top:bottom, left:right] = face[top - y : bottom - y, left - x : right - x]
    return canvas


def numbered_images(n, width=64, height=48):
    """Plain frames; ``read_number`` tells from a decoded one which it is (0-63)."""
    images = []
    for i in range(n):
        image = np.full((height, width, 3), 40, np.uint8)
        for bit in range(6):
            if i >> bit & 1:
                image[:, bit * width // 6 : (bit + 1) * width // 6] = 215
        images.append(image)
    return images


def read_number(image):
    """Which of ``numbered_images`` a frame is."""
    width = image.shape[1]
    middles = [image[:, (2 * bit + 1) * width // 12].mean() for bit in range(6)]
    return sum(1 << bit for bit, value in enumerate(middles) if value > 127)


def make_clip(
    path,
    images,
    *,
    fps=25,
    codec="libx264",
    pts=None,
    rotation=0,
    flip=False,
    audio=None,
    pix_fmt="yuv420p",
    options=None,
    stream_settings=None,
):
    """Write a video; the path's ending decides on the container.

    Args:
        path: Where to.
        images: RGB or RGBA frames of one size.
        fps: Frames a second, where ``pts`` is not given.
        codec: Name of FFmpeg's encoder.
        pts: Time stamps of the frames in milliseconds, rising.
        rotation: Degrees counter-clockwise by which players are told to turn the frame.
        flip: Whether players are told to mirror it left to right after that.
        audio: A tone as long as the video: a codec's name, or keywords of ``Tone``.
        pix_fmt: Pixel format of the video.
        options: Of the encoder, added to sensible ones.
        stream_settings: Attributes of the frame's codec context, e.g. ``colorspace``.
    """
    images = list(images)
    times_ms = [1000 * i / fps for i in range(len(images))] if pts is None else list(pts)
    tones = [] if audio is None else audio if isinstance(audio, list) else [audio]
    tones = [Tone(codec=t) if isinstance(t, str) else Tone(**t) for t in tones]
    step_ms = (times_ms[-1] - times_ms[0]) / max(1, len(times_ms) - 1) or 1000 / fps
    with av.open(str(path), "w") as container:
        rate = Fraction(fps).limit_denominator(100_000)
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 90_000) if pts is not None else 1 / rate
        extra = _QUIET_X265 if codec == "libx265" else {}
        stream.options = _LOSSY.get(codec, {}) | extra | (options or {})
        for name, value in (stream_settings or {}).items():
            setattr(stream.codec_context, name, value)
        if rotation or flip:
            stream.set_display_rotation(rotation, hflip=flip)
        for tone in tones:
            tone.open(container, times_ms[-1] / 1000 + step_ms / 1000)
        for i, image in enumerate(images):
            kind = "rgba" if image.shape[2] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), kind)
            frame.time_base = stream.codec_context.time_base
            frame.pts = i if pts is None else round(times_ms[i] * 90)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        for tone in tones:
            tone.write(container)
    return path


class Tone:
    """A sine tone in a video.

    Args:
        codec: Name of FFmpeg's encoder.
        rate: Samples a second.
        channels: 1, 2 or more.
        start_s: When it sets in.
        hz: Its pitch.
        length_s: ``None``: to the end of the frames.
    """

    def __init__(
        self, codec="aac", *, rate=44_100, channels=2, start_s=0.0, hz=440.0, length_s=None
    ):
        self.codec, self.rate, self.start_s, self.hz = codec, rate, start_s, hz
        self.layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
        self.channels, self.length_s = channels, length_s

    def open(self, container, end_s):
        self._stream = container.add_stream(self.codec, rate=self.rate, layout=self.layout)
        self._stream.codec_context.time_base = Fraction(1, self.rate)
        if self.length_s is None:
            self.length_s = max(0.0, end_s - self.start_s)

    def write(self, container):
        total = round(self.length_s * self.rate)
        wave = np.sin(2 * np.pi * self.hz * np.arange(total) / self.rate) * 0.3
        first = round(self.start_s * self.rate)
        for start, end in pairwise([*range(0, total, 1024), total]):
            samples = np.tile(wave[start:end].astype(np.float32), (self.channels, 1))
            frame = av.AudioFrame.from_ndarray(samples, "fltp", self.layout)
            frame.rate, frame.pts = self.rate, first + start
            frame.time_base = Fraction(1, self.rate)
            container.mux(self._stream.encode(frame))
        container.mux(self._stream.encode(None))


def tinted(face, shift):
    """A portrait of which the hue is turned (0-180), so that a tracker may tell two apart."""
    hsv = cv2.cvtColor(face, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + shift) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
