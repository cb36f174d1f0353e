"""What is no image, damaged, or too large gets a sentence; what is left of it is read."""

import io
import random
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest

from emotion_core.errors import ImageDecodeError
from emotion_core.imaging import codec
from emotion_core.imaging.codec import decode_image, read_image_file
from tests.factories import difference, encode, make_gps_exif, make_heic, make_smooth_image


def make_png(width, height, extra=b""):
    """A PNG that says it has that size, and holds no pixels."""

    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", b"")
        + chunk(b"IEND", b"")
    )


FLOAT_COLOUR_TIFF = cv2.imencode(".tiff", np.zeros((4, 4, 3), np.float32))[1].tobytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", r"The file is empty \(0 bytes\)", id="zero bytes"),
        pytest.param(b"x", "not an image in a format that can be read .JPEG, PNG", id="one byte"),
        pytest.param(b"Dear diary, " * 99, "not an image in a format", id="renamed text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image", id="svg"),
        pytest.param(b"%PDF-1.7\n", "not an image", id="pdf"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an im", id="eps"),
        pytest.param(b"\xff\xd8\xff\xe0", "not an image", id="begin of a JPEG"),
        pytest.param(b"\0\0\0\x18ftypheic", "damaged and cannot be read", id="begin of a HEIC"),
        pytest.param(FLOAT_COLOUR_TIFF, "This TIFF is damaged or of a kind", id="float colour"),
        pytest.param(b"MM\0*", "This TIFF is damaged or of a kind", id="begin of a TIFF"),
        pytest.param(make_png(8, 8), "damaged and cannot be read", id="PNG without pixels"),
        pytest.param(make_png(0, 8), "not an image", id="PNG of no width"),
    ],
)
def test_what_is_no_image_gets_a_sentence(data, message):
    with pytest.raises(ImageDecodeError, match=message) as caught:
        decode_image(data)
    assert str(caught.value).startswith(("The ", "This TIFF "))
    assert str(caught.value).endswith(".")


def test_large_file_is_refused(monkeypatch):
    monkeypatch.setattr(codec, "MAX_BYTES", 2 * 2**20)
    with pytest.raises(ImageDecodeError, match="The file has 3 MB; at most 2 MB are read"):
        decode_image(b"\xff\xd8" + bytes(3 * 2**20))


def test_of_a_large_file_only_so_much_is_read_that_it_is_known_to_be(monkeypatch):
    monkeypatch.setattr(codec, "MAX_BYTES", 2 * 2**20)
    file = io.BytesIO(bytes(3 * 2**20))
    with pytest.raises(ImageDecodeError, match="more than 2 MB; at most 2 MB are read"):
        read_image_file(file)
    assert file.tell() == 2 * 2**20 + 1


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # refused after it
@pytest.mark.parametrize(
    ("side", "megapixels"), [(20_000, "400"), (10_500, "110"), (30_000, "900"), (60_000, "3600")]
)
def test_bomb_is_refused_before_its_pixels_are_decoded(side, megapixels, monkeypatch):
    def decode(*_):
        pytest.fail("pixels were decoded")

    monkeypatch.setattr(PIL.Image.Image, "load", decode)
    monkeypatch.setattr(cv2, "imdecode", decode)
    with pytest.raises(ImageDecodeError, match=f"has {megapixels} megapixels; at most 100"):
        decode_image(make_png(side, side))


def test_bomb_inside_an_icon_is_refused():
    png = make_png(30_000, 30_000)
    directory = struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(png), 22)
    with pytest.raises(ImageDecodeError, match="has 900 megapixels; at most 100"):
        decode_image(directory + png)


def test_text_bomb_does_not_hide_the_image():
    """PNG text that unpacks to 50 MB is left packed, and the image is read."""
    body = b"zTXt" + b"Comment\0\0" + zlib.compress(bytes(50 * 2**20))
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    image = make_smooth_image()
    data = encode(image)
    at = data.index(b"IDAT") - 4
    decoded = decode_image(data[:at] + chunk + data[at:])
    assert difference(decoded.pixels, image) == 0
    assert len(decoded.warnings) == 1


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_truncated_jpeg_gives_what_is_there(share):
    image = make_smooth_image(256, 256)
    data = encode(image, "JPEG", quality=95)
    decoded = decode_image(data[: int(len(data) * share)])
    top = int(256 * share * 0.7)
    assert decoded.pixels.shape == image.shape
    assert difference(decoded.pixels[:top], image[:top]) <= 5
    assert decoded.warnings == (
        "The file is damaged or unusual: only the readable part is analysed.",
    )


def _samples():
    image = make_smooth_image()
    pil_image, turned = PIL.Image.fromarray(image), PIL.Image.fromarray(image[::-1].copy())
    several = {"save_all": True, "append_images": [turned]}
    exif = make_gps_exif(6)
    return {
        "jpeg": encode(image, "JPEG", exif=exif),
        "cmyk": encode(pil_image.convert("CMYK"), "JPEG"),
        "png": encode(image, "PNG", exif=exif),
        "palette": encode(pil_image.quantize(16), "PNG", transparency=b"\x00\x80"),
        "apng": encode(image, "PNG", **several),
        "webp": encode(image, "WEBP", **several),
        "tiff": encode(image, "TIFF", exif=exif),
        "tiff-lzw": encode(image, "TIFF", compression="tiff_lzw"),
        "gif": encode(image, "GIF", **several),
        "bmp": encode(image, "BMP"),
        "ico": encode(image, "ICO"),
        "avif": encode(image, "AVIF", exif=exif),
        "heic": make_heic(image),
    }


@pytest.mark.filterwarnings("ignore")  # decoders warn of what they meet
@pytest.mark.parametrize("kind", _samples())
def test_damage_of_any_kind_is_an_image_or_a_sentence(kind):
    """Bytes are cut off and overwritten at random: no error but the one for the user escapes."""
    original, rng = _samples()[kind], random.Random(kind)
    refused = 0
    for _ in range(60):
        data = bytearray(original)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.choice([1, 3, 20])):
            if data:
                data[rng.randrange(min(len(data), rng.choice([200, 10**6])))] = rng.randrange(256)
        try:
            pixels = decode_image(bytes(data)).pixels
        except ImageDecodeError:
            refused += 1
        else:
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
    assert refused > 0


def test_damaged_jpeg_that_claims_to_be_huge_is_not_salvaged(monkeypatch):
    """Its header cannot be trusted to OpenCV, which would make room for all of it."""
    data = bytearray(encode(make_smooth_image(), "JPEG"))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = (65_500).to_bytes(2) * 2
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageDecodeError, match="at most 100 are read"):
        decode_image(bytes(data[:-20]))
