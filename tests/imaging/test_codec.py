"""Bytes to pixels: every kind of image, upright and opaque, and nothing private written."""

import io
import struct
import subprocess
import sys
import time

import cv2
import numpy as np
import PIL.Image
import pytest

from emotion_core.errors import ImageDecodeError
from emotion_core.imaging.codec import decode_image, encode_jpeg
from emotion_core.imaging.resize import shrink
from tests.factories import (
    difference,
    encode,
    make_gps_exif,
    make_heic,
    make_image,
    make_smooth_image,
)

RED = (255, 0, 0)


@pytest.mark.parametrize(
    ("file_format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("PPM", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 90}, 3),
        ("JPEG", {"quality": 95}, 3),
        ("JPEG", {"quality": 95, "progressive": True}, 3),
        ("AVIF", {"quality": 95}, 3),
        ("GIF", {}, 12),
    ],
)
def test_formats(file_format, options, tolerance):
    image = make_smooth_image()
    decoded = decode_image(encode(image, file_format, **options))
    assert difference(decoded.pixels, image) <= tolerance
    assert decoded.pixels.dtype == np.uint8
    assert decoded.warnings == ()


@pytest.mark.parametrize("shape", [(48, 64), (1, 1)])
def test_heic(shape):
    image = make_smooth_image(shape[1], shape[0])
    assert difference(decode_image(make_heic(image)).pixels, image) <= 4


@pytest.mark.parametrize("make", [make_heic, lambda image: encode(image, "AVIF", quality=95)])
@pytest.mark.parametrize("brand", [b"mif1", b"msf1"])
def test_brand_of_the_whole_family(make, brand):
    """HEIC and AVIF may begin alike; which it is stands behind."""
    image = make_smooth_image()
    data = make(image)
    assert difference(decode_image(data[:8] + brand + data[12:]).pixels, image) <= 4


def test_heic_without_the_package_says_what_to_install(monkeypatch):
    data = make_heic(make_smooth_image())
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(ImageDecodeError, match="need the package pi-heif; install it"):
        decode_image(data)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "AVIF"])
def test_one_pixel(file_format):
    pixel = np.full((1, 1, 3), 200, np.uint8)
    assert difference(decode_image(encode(pixel, file_format)).pixels, pixel) <= 3


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation, file_format):
    upright = make_smooth_image()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = make_gps_exif(orientation)
    data = encode(np.ascontiguousarray(stored), file_format, exif=exif, quality=95)
    assert difference(decode_image(data).pixels, upright) <= 3


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_senseless_orientation_is_ignored(orientation):
    image = make_smooth_image()
    data = encode(image, "PNG", exif=make_gps_exif(orientation))
    assert difference(decode_image(data).pixels, image) == 0


def test_cmyk_jpeg():
    image = PIL.Image.fromarray(make_smooth_image()).convert("CMYK")
    decoded = decode_image(encode(image, "JPEG", quality=95)).pixels
    assert difference(decoded, np.asarray(image.convert("RGB"))) <= 5


@pytest.mark.parametrize("extension", [".png", ".tiff"])
@pytest.mark.parametrize(("bits", "levels"), [(10, 2**10), (12, 2**12), (16, 2**16)])
def test_wide_grey_is_scaled_by_its_own_depth(bits, levels, extension):
    ramp = np.tile(np.linspace(0, levels - 1, 64).astype(np.uint16), (48, 1))
    data = cv2.imencode(extension, ramp)[1].tobytes()
    expected = np.repeat((ramp / (levels - 1) * 255)[..., None], 3, axis=2)
    assert difference(decode_image(data).pixels, expected.round().astype(int)) <= 0.5, bits


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_wide_colour(extension):
    wide = make_smooth_image().astype(np.uint16) * 257
    data = cv2.imencode(extension, wide[..., ::-1])[1].tobytes()
    assert difference(decode_image(data).pixels, make_smooth_image()) <= 1


@pytest.mark.parametrize("limit", [1.0, 255.0, 1e6])
def test_float_tiff(limit):
    ramp = np.tile(np.linspace(0, limit, 64, dtype=np.float32), (8, 1))
    ramp[0, 0] = np.nan
    grey = decode_image(encode(PIL.Image.fromarray(ramp), "TIFF")).pixels[1, :, 0]
    assert (grey[0], grey[-1]) == (0, 255)
    assert (np.diff(grey.astype(int)) >= 0).all()


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(PIL.Image.new("RGBA", (4, 4), (255, 0, 0, 0)), id="RGBA"),
        pytest.param(PIL.Image.new("LA", (4, 4), (0, 0)), id="grey"),
        pytest.param(PIL.Image.new("L", (4, 4), 0), id="named grey"),
        pytest.param(PIL.Image.new("P", (4, 4), 0), id="palette"),
    ],
)
def test_transparency_becomes_white(image):
    options = {} if image.mode.endswith("A") else {"transparency": 0}
    assert (decode_image(encode(image, "PNG", **options)).pixels == 255).all()


def test_palette_with_several_alphas():
    image = PIL.Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    data = encode(image, "PNG", transparency=bytes([255, 0, 128]))
    assert decode_image(data).pixels[0].tolist() == [[255, 0, 0], [255, 255, 255], [127, 127, 255]]


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken(file_format):
    frames = [PIL.Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    data = encode(frames[0], file_format, save_all=True, append_images=frames[1:])
    decoded = decode_image(data)
    assert difference(decoded.pixels, np.full((16, 16, 3), RED)) <= 3
    assert decoded.warnings == (
        "Animated: only the first frame is analysed; analyse it as a video for all of them.",
    )


def test_a_phones_photo_with_a_second_image_is_no_animation():
    first, second = (PIL.Image.new("RGB", (16, 16), colour) for colour in ("red", "lime"))
    data = encode(first, "MPO", save_all=True, append_images=[second])
    assert PIL.Image.open(io.BytesIO(data)).n_frames == 2
    decoded = decode_image(data)
    assert difference(decoded.pixels, np.full((16, 16, 3), RED)) <= 3
    assert decoded.warnings == ()


def test_of_several_pages_the_first_is_taken():
    pages = [PIL.Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    decoded = decode_image(encode(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert difference(decoded.pixels, np.full((16, 16, 3), RED)) == 0
    assert decoded.warnings == ("Several pages: only the first is analysed.",)


def make_pages(n):
    """A TIFF of so many pages, of which all but the first have nothing but their size."""
    pages = [PIL.Image.new("RGB", (16, 16), "red"), PIL.Image.new("L", (1, 1))]
    data = bytearray(encode(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, 1) for tag in (256, 257))
    start = len(data) + len(data) % 2
    first = int.from_bytes(data[4:8], "little")
    link = first + 2 + 12 * int.from_bytes(data[first : first + 2], "little")
    data[link : link + 4] = start.to_bytes(4, "little")
    data += bytes(len(data) % 2)
    for i in range(1, n):
        following = start + 30 * i if i < n - 1 else 0
        data += struct.pack("<H", 2) + entries + struct.pack("<I", following)
    return bytes(data)


def make_frames(n):
    """A GIF of so many frames of one pixel."""
    data = encode(PIL.Image.new("P", (16, 16)), "GIF")
    frame = b"\x2c" + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return data[:-1] + n * frame + b";"


@pytest.mark.parametrize("data", [make_pages(40_000), make_frames(600_000)], ids=["TIFF", "GIF"])
def test_images_that_are_not_read_take_no_time(data):
    start_s = time.process_time()
    decoded = decode_image(data)
    assert time.process_time() - start_s < 1  # to count them takes ten seconds and two
    assert decoded.pixels.shape == (16, 16, 3)
    assert len(decoded.warnings) == 1


@pytest.mark.parametrize(
    ("mode", "file_format", "copies"),
    [("RGB", "JPEG", 12), pytest.param("RGBA", "PNG", 16, marks=pytest.mark.slow)],
)
def test_a_large_image_is_not_copied_over_and_over(mode, file_format, copies, tmp_path):
    """In bytes a pixel: Pillow has four (twice where something is laid over white), an array three,
    and what is between them three."""
    path = tmp_path / "large"
    path.write_bytes(encode(PIL.Image.new(mode, (4000, 4000)), file_format))
    code = (
        "import resource, sys; from pathlib import Path;"
        "from emotion_core.imaging.codec import decode_image;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "decode_image(Path(sys.argv[1]).read_bytes());"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    grown_kb = int(subprocess.run([sys.executable, "-c", code, path], capture_output=True).stdout)
    assert grown_kb * 1024 < copies * 4000 * 4000


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_nothing_private_is_written(file_format):
    data = encode(make_smooth_image(), file_format, exif=make_gps_exif(6))
    assert b"SECRETMAKER" in data
    written = encode_jpeg(decode_image(data).pixels)
    assert b"SECRETMAKER" not in written
    assert b"Exif" not in written
    image = PIL.Image.open(io.BytesIO(written))
    assert not image.getexif()
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize("shape", [(48, 64, 3), (1, 1, 3)])
def test_encode_jpeg_keeps_colours_and_its_argument(shape):
    image = make_smooth_image(shape[1], shape[0])
    before = image.copy()
    assert difference(decode_image(encode_jpeg(image)).pixels, image) <= 4
    assert (image == before).all()


@pytest.mark.parametrize(
    ("shape", "longest_px", "expected"),
    [
        ((100, 200), 50, (25, 50)),
        ((200, 100), 50, (50, 25)),
        ((10, 20), 50, (10, 20)),
        ((1, 1), 1, (1, 1)),
        ((1, 5000), 100, (1, 100)),
    ],
)
def test_shrink(shape, longest_px, expected):
    assert shrink(make_image(shape[1], shape[0]), longest_px).shape[:2] == expected
