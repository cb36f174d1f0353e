"""Decoded frames become RGB as a player shows them: colours, shape, way up, opaque."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from emotion_core.imaging import tone_mapping
from emotion_core.video.io.decoder import Deinterlacer
from emotion_core.video.io.reader import VideoReader
from tests.factories import difference, make_smooth_image
from tests.video.clips import make_clip, numbered_images, on_canvas, read_number, sample_face

PATCHES = [(255, 255, 255), (0, 0, 0), (128, 128, 128), (220, 40, 40), (40, 200, 60), (50, 60, 210)]


def patches_image(width=192, height=96):
    """Six plain colours side by side."""
    return np.repeat(np.array([PATCHES], np.uint8), width // 6, axis=1).repeat(height, axis=0)


def patch_error(image):
    """Largest difference of the middles of the patches from what they should be."""
    step = image.shape[1] // 6
    middle = image.shape[0] // 2
    shown = [image[middle, step // 2 + i * step].astype(int) for i in range(6)]
    return int(np.abs(np.array(shown) - PATCHES).max())


def first_frame(path):
    with VideoReader(path) as reader:
        return next(reader.frames()).image, reader


def yuv_planes(rgb, kr, kb, full):
    """Conversion by the definition of a matrix, see ITU-R BT.601 and BT.709."""
    r, g, b = (rgb[..., i].astype(float) / 255 for i in range(3))
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / (2 - 2 * kb), (r - y) / (2 - 2 * kr)
    scale, chroma, low = (255, 255, 0) if full else (219, 224, 16)
    planes = [y * scale + low, u * chroma + 128, v * chroma + 128]
    return np.rint(np.clip(planes, 0, 255)).astype(np.uint8)


def make_yuv_clip(path, image, *, matrix, kr, kb, full):
    """A lossless 4:4:4 video of one frame with given colour properties."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv444p"
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if full else 1
        frame = av.VideoFrame.from_ndarray(yuv_planes(image, kr, kb, full), "yuv444p")
        frame.colorspace, frame.color_range = matrix, 2 if full else 1
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
COLOURS = {
    "BT.601 limited": (6, *BT601, False, 96),
    "BT.601 full": (5, *BT601, True, 96),
    "BT.709 limited": (1, *BT709, False, 96),
    "BT.709 full": (1, *BT709, True, 96),
    "BT.2020 limited": (9, *BT2020, False, 96),
    "not said, small": (2, *BT601, False, 96),
    "not said, HD": (2, *BT709, False, 720),
}


@pytest.mark.parametrize(("matrix", "kr", "kb", "full", "height"), COLOURS.values(), ids=COLOURS)
def test_colours_are_right_for_every_matrix_and_range(tmp_path, matrix, kr, kb, full, height):
    path = tmp_path / "a.mkv"
    make_yuv_clip(path, patches_image(height=height), matrix=matrix, kr=kr, kb=kb, full=full)
    image, _ = first_frame(path)
    assert patch_error(image) <= 3


def test_ten_bit_colours_are_right(tmp_path):
    options = {"codec": "ffv1", "pix_fmt": "gbrp10le"}
    image, _ = first_frame(make_clip(tmp_path / "a.mkv", [patches_image()], **options))
    assert patch_error(image) <= 1


def corner_image():
    """A different colour in each corner."""
    image = np.full((48, 80, 3), 90, np.uint8)
    image[:16, :16], image[:16, -16:] = (230, 30, 30), (30, 230, 30)
    image[-16:, :16], image[-16:, -16:] = (30, 30, 230), (230, 230, 30)
    return image


@pytest.mark.parametrize("flip", [False, True], ids=["", "mirrored"])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90, 270])
def test_frames_are_turned_and_mirrored_as_the_file_asks(tmp_path, rotation, flip):
    path = make_clip(tmp_path / "a.mp4", [corner_image()] * 2, rotation=rotation, flip=flip)
    image, reader = first_frame(path)
    upright = np.rot90(corner_image(), rotation // 90)
    upright = upright[:, ::-1] if flip else upright
    assert reader.info.size_wh == (upright.shape[1], upright.shape[0])
    assert difference(image, upright) < 6


TRANSPARENT = {
    "PNG in MOV": ("a.mov", {"codec": "png", "pix_fmt": "rgba"}),
    "QuickTime animation": ("b.mov", {"codec": "qtrle", "pix_fmt": "argb"}),
    "ProRes 4444": ("c.mov", {"codec": "prores_ks", "pix_fmt": "yuva444p10le"}),
    "VP9": ("a.webm", {"codec": "libvpx-vp9", "pix_fmt": "yuva420p"}),
    "VP8": (
        "b.webm",
        {"codec": "libvpx", "pix_fmt": "yuva420p", "options": {"auto-alt-ref": "0"}},
    ),
}


@pytest.mark.parametrize(("name", "options"), TRANSPARENT.values(), ids=TRANSPARENT)
def test_transparent_places_are_white(tmp_path, name, options):
    frame = np.full((48, 64, 4), (200, 40, 40, 255), np.uint8)
    frame[:, 32:, 3] = 0
    frame[:24, 16:32, 3] = 128
    image, reader = first_frame(make_clip(tmp_path / name, [frame] * 3, **options))
    assert np.abs(image[36, 8].astype(int) - (200, 40, 40)).max() < 14
    assert np.abs(image[36, 52].astype(int) - 255).max() < 10
    assert np.abs(image[12, 24].astype(int) - (227, 147, 147)).max() < 14
    assert reader.info.warnings == ("Transparent areas are shown white.",)


@pytest.mark.parametrize(
    ("aspect", "size_wh"),
    [
        (Fraction(2), (160, 48)),
        (Fraction(1, 2), (80, 96)),
        (Fraction(16, 15), (85, 48)),
        (Fraction(1), (80, 48)),
        (Fraction(1, 50), (80, 48)),
    ],
    ids=str,
)
def test_pixels_become_square(tmp_path, aspect, size_wh):
    settings = {"sample_aspect_ratio": aspect}
    path = make_clip(tmp_path / "a.mp4", [corner_image()] * 2, stream_settings=settings)
    image, reader = first_frame(path)
    assert reader.info.size_wh == size_wh
    assert difference(image, cv2.resize(corner_image(), size_wh)) < 6


def comb_teeth(image):
    """How much neighbouring lines differ more than lines of the same field."""
    lines = image.astype(float).mean(axis=2)
    return np.abs(np.diff(lines, axis=0)).mean() / np.abs(lines[2:] - lines[:-2]).mean()


def make_interlaced(path, codec):
    """A clip of twelve frames whose odd lines are later than their even ones; its frames."""
    face = sample_face(160)
    woven = []
    for i in range(12):
        odd, even = (on_canvas(face, (70 + 16 * i + 8 * field, 120)) for field in (0, 1))
        odd[1::2] = even[1::2]
        woven.append(odd)
    interlaced = 0x40000 | 0x20000000  # AV_CODEC_FLAG_INTERLACED_DCT, _ME
    return make_clip(path, woven, codec=codec, stream_settings={"flags": interlaced}), woven


def test_frames_that_the_filter_refuses_are_given_as_they_are(tmp_path, monkeypatch):
    path, _ = make_interlaced(tmp_path / "a.mp4", "libx264")

    class Refusing:
        def vpush(self, frame):
            if frame is not None:
                raise av.error.InvalidDataError(1, "no")

        def vpull(self):
            raise av.error.EOFError(1, "nothing")

    monkeypatch.setattr(Deinterlacer, "_make_graph", lambda *_: Refusing())
    with VideoReader(path) as reader:
        frames = list(reader.frames())
    assert [frame.index for frame in frames] == list(range(12))
    assert comb_teeth(frames[5].image) > 1.5


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mpg", "mpeg2video")])
def test_interlaced_frames_lose_their_comb(tmp_path, name, codec):
    path, woven = make_interlaced(tmp_path / name, codec)
    with VideoReader(path) as reader:
        frames = list(reader.frames())
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(12) / 25, abs=1e-3)
    assert comb_teeth(woven[5]) > 1.5
    assert comb_teeth(frames[5].image) < 0.8


def test_a_frame_of_another_shape_is_fitted_into_the_first(tmp_path):
    small = make_clip(tmp_path / "a.h264", numbered_images(5, 64, 48))
    tall = make_clip(tmp_path / "b.h264", numbered_images(5, 48, 96))
    large = make_clip(tmp_path / "c.h264", numbered_images(5, 128, 96))
    joined = tmp_path / "joined.h264"
    joined.write_bytes(small.read_bytes() + tall.read_bytes() + large.read_bytes())
    with VideoReader(joined) as reader:
        images = [frame.image for frame in reader.frames()]
    assert [image.shape for image in images] == [(48, 64, 3)] * 15
    assert [read_number(image) for image in images[:5] + images[10:]] == [*range(5)] * 2
    assert [read_number(image[:, 20:44]) for image in images[5:10]] == [*range(5)]
    assert images[9][:, :16].max() < 25


@pytest.mark.parametrize("size_wh", [(1, 1), (2, 2), (3, 5), (639, 359)], ids=str)
def test_odd_and_tiny_frames_keep_their_size(tmp_path, size_wh):
    frame = make_smooth_image(*size_wh)
    options = {"codec": "png", "pix_fmt": "rgb24"}
    image, reader = first_frame(make_clip(tmp_path / "a.mov", [frame] * 2, **options))
    assert reader.info.size_wh == size_wh
    assert np.array_equal(image, frame)


def test_hdr_colours_are_told(tmp_path):
    hlg = {"color_trc": 18, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    options = {"codec": "libx265", "pix_fmt": "yuv420p10le", "stream_settings": hlg}
    _, reader = first_frame(make_clip(tmp_path / "a.mp4", numbered_images(3), **options))
    assert reader.info.warnings == ("Its HDR colours are shown as on an ordinary screen.",)


def pq(light):
    """The signal of light, of which 1 is diffuse white; see ITU-R BT.2100."""
    power = (203 * np.asarray(light, float) / 10_000) ** (2610 / 16384)
    numerator = 3424 / 4096 + 2413 / 128 * power
    return (numerator / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg(light):
    """The same for grey: through the system gamma of 1.2 at a peak of 1000 nits, then the OETF."""
    scene = (203 * np.asarray(light, float) / 1000) ** (1 / 1.2)
    upper = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper)


@pytest.mark.parametrize(("encode", "curve"), [(pq, 16), (hlg, 18)], ids=["PQ", "HLG"])
def test_hdr_is_tone_mapped_to_what_an_ordinary_video_shows(tmp_path, encode, curve):
    sdr = np.array([20, 60, 100, 150, 185])  # up to half of diffuse white
    signal = np.rint(65535 * encode((sdr / 255) ** 2.4)).astype(np.uint16)
    grey = np.repeat(signal[None, :, None], 3, axis=2)
    mapped = tone_mapping.to_sdr(grey, curve)
    assert np.abs(mapped[0].astype(int) - sdr[:, None]).max() <= 1
    brighter = np.full((1, 1, 3), round(65535 * float(encode(4.0))), np.uint16)
    assert 220 < tone_mapping.to_sdr(brighter, curve).min() < 255
    image = np.full((48, 64, 3), round(255 * float(encode((100 / 255) ** 2.4))), np.uint8)
    settings = {"color_trc": curve, "color_primaries": 9, "colorspace": 9}
    options = {"codec": "libx265", "pix_fmt": "yuv420p10le", "stream_settings": settings}
    shown, _ = first_frame(make_clip(tmp_path / "a.mkv", [image] * 2, **options))
    assert abs(float(shown.mean()) - 100) < 4


def test_hdr_colours_keep_their_hue():
    sdr = np.array([180, 120, 90]) / 255
    to_bt2020 = np.linalg.inv(tone_mapping._TO_BT709.astype(float))
    signal = np.rint(65535 * pq(to_bt2020 @ sdr**2.4)).astype(np.uint16)
    mapped = tone_mapping.to_sdr(signal[None, None], tone_mapping.PQ)[0, 0]
    assert np.abs(mapped - sdr * 255).max() <= 1
