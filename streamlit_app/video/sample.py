"""The sample video, made of the sample photo: a slow zoom on a face, joined by a second one."""

from __future__ import annotations

import io
import math
from fractions import Fraction

import av
import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageFilter
import PIL.ImageOps

LENGTH_S = 6.0
FPS = 25

_WIDTH, _HEIGHT = 640, 360
_FACE = (226, 128)  # centre of the face in the photo, in pixels
_HEAD = (140, 30, 310, 226)  # head and shoulders in the photo
_INSET = (196, 226)
_JOINS_S, _LEAVES_S, _SLIDES_S = 1.4, 4.8, 0.4
_TINT = ("#10204a", "#eaf2ff")


def make_sample_clip(photo: bytes) -> bytes:
    """Makes a silent video of ``LENGTH_S`` seconds.

    The camera slowly zooms in on the face while the light flares up once; for a while a second
    person appears, the mirror image tinted blue in a frame, and comes into focus. Predictions
    change with light and focus, so that the charts have something to show.

    Args:
        photo: The sample photo, 512 by 330 pixels.

    Returns:
        An MP4 (H.264).
    """
    image = PIL.Image.open(io.BytesIO(photo)).convert("RGB")
    second = PIL.ImageOps.mirror(image.crop(_HEAD)).resize(_INSET, PIL.Image.Resampling.BICUBIC)
    tinted = PIL.ImageOps.colorize(PIL.ImageOps.grayscale(second), *_TINT)
    second = PIL.Image.blend(second, tinted, 0.55)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=FPS, options={"preset": "veryfast", "crf": "20"}
        )
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for i in range(round(LENGTH_S * FPS)):
            pixels = np.asarray(_draw(image, second, i / FPS))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _draw(image: PIL.Image.Image, second: PIL.Image.Image, time_s: float) -> PIL.Image.Image:
    done = 0.5 - 0.5 * math.cos(math.pi * time_s / LENGTH_S)
    width = 500 - 180 * done
    height = width * _HEIGHT / _WIDTH
    left = min(max(0.0, _FACE[0] - width * (0.45 - 0.1 * done)), image.width - width)
    top = min(max(0.0, _FACE[1] - 0.48 * height), image.height - height)
    box = (left, top, left + width, top + height)
    size = (_WIDTH, _HEIGHT)
    canvas = image.resize(size, PIL.Image.Resampling.BICUBIC, box=box)
    light = 1 + 2.0 * math.exp(-(((time_s - 3.0) / 0.6) ** 2))
    canvas = PIL.ImageEnhance.Brightness(canvas).enhance(light)
    there = min(time_s - _JOINS_S, _LEAVES_S - time_s) / _SLIDES_S
    if there > 0:
        x = round(_WIDTH - (_INSET[0] + 20) * min(1.0, there))
        blur = 11 * max(0.0, 1 - (time_s - _JOINS_S) / 2.0)
        inset = second.filter(PIL.ImageFilter.GaussianBlur(blur))
        canvas.paste(PIL.ImageOps.expand(inset, 3, "#f4f4f0"), (x, _HEIGHT - _INSET[1] - 26))
    return canvas
