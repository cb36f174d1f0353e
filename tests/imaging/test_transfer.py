"""HDR photos: which files say that they are, and what an ordinary screen shows of them."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pillow_heif
import pytest

from emotion_core.imaging.codec import decode_image
from emotion_core.imaging.tone_mapping import HDR_NOTE, HLG, PQ
from emotion_core.imaging.transfer import UNSPECIFIED, find_transfer
from tests.factories import encode

GREY = {PQ: 115, HLG: 133}
"""Signals, 0-255, of the light that is 150 on an ordinary screen. Source: ITU-R BT.2100."""

SDR = 1


def grey(value):
    return np.full((32, 48, 3), value, np.uint8)


def to_png(image, *, curve):
    data, chunk = encode(image, "PNG"), b"cICP" + bytes([9, curve, 0, 1])
    return (
        data[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    )


def to_avif(image, *, curve):
    data = encode(image, "AVIF", quality=95)
    at = data.index(b"colrnclx") + 10
    return data[:at] + struct.pack(">H", curve) + data[at + 2 :]


def to_heic(*images, curve, **options):
    """The curve is that of the main image."""
    target = io.BytesIO()
    file = pillow_heif.from_pillow(PIL.Image.fromarray(images[0]))
    for other in images[1:]:
        file.add_from_pillow(PIL.Image.fromarray(other))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pillow_heif.options, "SAVE_NCLX_PROFILE", True)
        file.save(target, quality=95, save_all=True, transfer_characteristics=curve, **options)
    return target.getvalue()


@pytest.mark.parametrize("write", [to_png, to_avif, to_heic])
@pytest.mark.parametrize("curve", [PQ, HLG])
def test_hdr_photo_is_tone_mapped(write, curve):
    decoded = decode_image(write(grey(GREY[curve]), curve=curve))
    assert decoded.warnings == (HDR_NOTE,)
    assert abs(float(decoded.pixels.mean()) - 150) < 3
    ordinary = decode_image(write(grey(GREY[curve]), curve=SDR))
    assert ordinary.warnings == ()
    assert abs(float(ordinary.pixels.mean()) - GREY[curve]) < 2


def test_what_an_image_beside_the_main_one_says_does_not_count():
    """As in photos whose gain map tells how to make a brighter image."""
    data = to_heic(grey(90), grey(90), curve=PQ, primary_index=1)
    main = b"pitm\0\0\0\0\0"
    assert find_transfer(data) == PQ
    assert find_transfer(data.replace(main + b"\2", main + b"\1")) != PQ


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(to_heic(grey(115), curve=PQ).replace(b"colr", b"skip"), id="HEIC"),
        pytest.param(encode(grey(115), "JPEG"), id="JPEG"),
    ],
)
def test_a_file_that_names_no_curve_is_shown_as_it_is(data):
    """A HEIC may name it only in its video stream; what the decoder reads there is not told."""
    assert find_transfer(data) == UNSPECIFIED
    assert abs(float(decode_image(data).pixels.mean()) - 115) < 2


@pytest.mark.parametrize("write", [to_png, to_avif, to_heic])
def test_a_damaged_file_names_no_curve_or_the_right_one(write):
    data = write(grey(9), curve=PQ)
    start = data.index(b"cICP" if write is to_png else b"meta")
    for end in range(start - 8, start + 600, 7):
        assert find_transfer(data[:end]) in (UNSPECIFIED, PQ)
    for at in range(start, min(start + 600, len(data)), 3):
        find_transfer(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])
