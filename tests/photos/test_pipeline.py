"""Photos as a stream: order, failures, early ends, bounded memory, nothing private written."""

import os
import threading
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from emotion_core.errors import ImageDecodeError, RemoteError
from emotion_core.imaging.codec import MAX_JPEG_PX, DecodedImage, decode_image
from emotion_core.photos import pipeline
from emotion_core.photos.pipeline import (
    BATCH_PHOTOS,
    BATCH_PIXELS,
    PREVIEW_PX,
    PhotoSource,
    _take_batch,
    iter_photos,
    make_preview,
)
from emotion_core.reporting.photo_folder import find_photos
from emotion_core.types import AnalyzeOptions
from tests.factories import (
    FakeDetector,
    LyingDetector,
    encode,
    make_counting_photo,
    make_fake_analyzer,
    make_gps_exif,
    make_image,
    make_smooth_image,
)


def make_source(name, data):
    return PhotoSource(name, lambda: data)


def make_failing_source(name, error):
    def read():
        raise error

    return PhotoSource(name, read)


def count_decoders():
    return sum(thread.name.startswith("photo-decode") for thread in threading.enumerate())


@pytest.mark.parametrize("n", [0, 1, 2, BATCH_PHOTOS, 21])
def test_results_come_in_order(n):
    sources = [make_source(f"{i}.png", make_counting_photo(i % 4, seed=i)) for i in range(n)]
    results = list(iter_photos(make_fake_analyzer(), sources))
    assert [r.record.source for r in results] == [f"{i}.png" for i in range(n)]
    assert [len(r.record.analysis) for r in results] == [i % 4 for i in range(n)]
    assert [len(r.thumbnails) for r in results] == [i % 4 for i in range(n)]
    assert count_decoders() == 0


def test_photos_are_analysed_together():
    detector = FakeDetector()
    sources = [make_source(f"{i}.png", make_counting_photo(1)) for i in range(40)]
    assert (
        len(list(iter_photos(make_fake_analyzer(detector), sources, AnalyzeOptions(min_score=0.3))))
        == 40
    )
    assert len(detector.calls) <= 2 + 40 // BATCH_PHOTOS
    assert set(detector.calls) == {0.3}


def test_failures_are_results_and_the_others_go_on():
    good = make_counting_photo(1)
    sources = [
        make_source("a.png", good),
        make_source("empty.jpg", b""),
        make_source("text.jpg", b"Dear diary"),
        make_failing_source("gone.jpg", FileNotFoundError(2, "No such file or directory")),
        make_failing_source("odd.jpg", OSError("device on fire")),
        make_source("b.png", good),
    ]
    results = list(iter_photos(make_fake_analyzer(), sources))
    assert [r.record.source for r in results] == [s.name for s in sources]
    assert [r.record.error for r in results] == [
        "",
        "The file is empty (0 bytes).",
        "The file is not an image in a format that can be read "
        "(JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC, AVIF).",
        "The file cannot be read (No such file or directory).",
        "The file cannot be read (device on fire).",
        "",
    ]
    for result in results:
        assert bool(result.annotated) == bool(result.preview) == (not result.record.error)


def test_every_input_fails():
    sources = [make_source(f"{i}.jpg", b"x") for i in range(12)]
    results = list(iter_photos(make_fake_analyzer(), sources))
    assert len(results) == 12
    assert all(r.record.error for r in results)


class PickyDetector(FakeDetector):
    """Fails wherever an image is 40 pixels wide, and altogether after so many images."""

    def __init__(self, error, lasts=1000):
        super().__init__()
        self._picky, self._lasts = error, lasts
        self.tries = 0

    def detect(self, images, *options):
        self.tries += 1
        self._lasts -= len(images)
        if self._lasts < 0 or any(image.shape[1] == 40 for image in images):
            raise self._picky
        return super().detect(images, *options)


@pytest.mark.parametrize("bad", [{0}, {4}, {11}, {3, 4, 5}, set(range(12))], ids=str)
@pytest.mark.parametrize(
    "error", [ImageDecodeError("Too large for it."), RemoteError("HTTP 500.")], ids=["its", "all"]
)
def test_an_image_that_the_core_refuses_stops_no_other(bad, error):
    sources = [
        make_source(f"{i}.png", make_counting_photo(1, 40 if i in bad else 64)) for i in range(12)
    ]
    results = list(iter_photos(make_fake_analyzer(PickyDetector(error)), sources))
    assert [r.record.error for r in results] == [str(error) if i in bad else "" for i in range(12)]
    assert [bool(r.annotated) for r in results] == [i not in bad for i in range(12)]


def test_a_core_that_is_gone_ends_it_once_after_what_was_done():
    detector = PickyDetector(RemoteError("The server is gone."), lasts=2)
    sources = [make_source(f"{i}.png", make_counting_photo(1)) for i in range(40)]
    done = []
    with pytest.raises(RemoteError, match=r"^The server is gone\.$"):
        done.extend(r.record for r in iter_photos(make_fake_analyzer(detector), sources))
    assert [r.error for r in done] == ["", ""]
    assert detector.tries == 3  # the first batch, the second, and a blank image
    assert count_decoders() == 0


def test_a_photo_too_long_for_a_jpeg_is_written_smaller():
    data = make_counting_photo(1, MAX_JPEG_PX + 100, 20)
    sources = [make_source("long.png", data), make_source("b.png", make_counting_photo(1))]
    long, other = iter_photos(make_fake_analyzer(), sources)
    assert long.record.analysis.size_wh == (MAX_JPEG_PX + 100, 20)
    assert decode_image(long.annotated).pixels.shape == (20, MAX_JPEG_PX, 3)
    assert long.record.warnings == (
        "The annotated image is made smaller: a JPEG has at most 65500 px a side.",
    )
    assert other.record.warnings == ()


def test_warnings_reach_the_record():
    image = encode(make_smooth_image(256, 256), "JPEG")
    (result,) = iter_photos(make_fake_analyzer(), [make_source("a.jpg", image[:-500])])
    assert "damaged or unusual" in result.record.warnings[0]


def test_closing_early_leaves_no_thread_and_reads_no_further():
    read = []

    def make(i):
        def get():
            read.append(i)
            return make_counting_photo(1)

        return PhotoSource(str(i), get)

    results = iter_photos(make_fake_analyzer(), (make(i) for i in range(500)))
    assert next(results).record.source == "0"
    results.close()
    assert count_decoders() == 0
    assert len(read) <= 2 + 2 * BATCH_PHOTOS


def test_error_of_the_analyzer_ends_it_without_a_thread_left():
    detector = FakeDetector(RuntimeError("out of order"))
    sources = [make_source(str(i), make_counting_photo(1)) for i in range(20)]
    with pytest.raises(RuntimeError, match="out of order"):
        list(iter_photos(make_fake_analyzer(detector), sources))
    assert count_decoders() == 0


# Memory


def make_decoded(width, height=1000):
    """A decoded photo of any size that takes no memory."""
    future = Future()
    future.set_result(DecodedImage(np.broadcast_to(np.uint8(0), (height, width, 3))))
    return make_source("x", b""), future


def make_failed():
    future = Future()
    future.set_exception(ValueError("no image"))
    return make_source("x", b""), future


@pytest.mark.parametrize(
    ("widths", "taken"),
    [
        pytest.param([100] * 20, BATCH_PHOTOS, id="small: limited by number"),
        pytest.param([8000] * 8, 3, id="8 megapixels: limited by pixels"),
        pytest.param([24_000, 1], 1, id="exactly the limit"),
        pytest.param([100_000, 100_000], 1, id="larger than the limit: one"),
        pytest.param([100, 100_000, 100], 1, id="a large one waits"),
        pytest.param([None, 24_000, None, 1], 3, id="failed ones take no pixels"),
        pytest.param([None] * 20, BATCH_PHOTOS, id="all failed"),
        pytest.param([1], 1, id="one"),
        pytest.param([], 0, id="none"),
    ],
)
def test_batches_are_bounded(widths, taken):
    queue = [make_decoded(w) if w else make_failed() for w in widths]
    batch, pixels = _take_batch(queue)
    assert len(batch) == taken
    assert len(queue) == len(widths) - taken
    assert pixels == sum(1000 * w for w in widths[:taken] if w)
    assert pixels <= BATCH_PIXELS or taken == 1


def test_few_large_photos_are_in_memory(monkeypatch):
    """Of photos as large as the limit one is analysed while two wait; never more."""
    monkeypatch.setattr(pipeline, "BATCH_PIXELS", 64 * 48)
    ahead = []
    read = []

    def make(i):
        def get():
            read.append(i)
            return make_counting_photo(1)

        return PhotoSource(str(i), get)

    for number, _ in enumerate(iter_photos(make_fake_analyzer(), (make(i) for i in range(12)))):
        ahead.append(max(read) - number)
    assert max(ahead) <= 2


# What is written


@pytest.mark.parametrize("blur", [False, True])
def test_nothing_private_is_written(blur):
    data = encode(make_smooth_image(400, 300), "JPEG", exif=make_gps_exif())
    assert b"SECRETMAKER" in data
    (result,) = iter_photos(make_fake_analyzer(), [make_source("a.jpg", data)], blur=blur)
    for written in (result.annotated, result.preview):
        assert b"Exif" not in written
        assert b"SECRETMAKER" not in written


@pytest.mark.parametrize("left_out", [{"min_score": 0.96}, {"min_face_px": 500}])
def test_blur_reaches_faces_that_are_left_out(left_out):
    data = make_counting_photo(1)
    (all_blurred,) = iter_photos(make_fake_analyzer(), [make_source("a.png", data)], blur=True)
    source = make_source("a.png", data)
    (result,) = iter_photos(make_fake_analyzer(), [source], AnalyzeOptions(**left_out), blur=True)
    assert len(result.record.analysis) == len(result.thumbnails) == 0
    x1, y1, x2, y2 = all_blurred.record.analysis.faces.boxes[0].astype(int)
    inside = np.s_[y1 + 8 : y2 - 8, x1 + 8 : x2 - 8]
    details = [
        np.abs(np.diff(image[inside].astype(int), axis=1)).mean()
        for image in (decode_image(data).pixels, decode_image(result.annotated).pixels)
    ]
    assert details[1] < 0.5 * details[0]


def test_blur_reaches_everything_that_shows_a_face():
    data = make_counting_photo(1, 400, 300)
    (sharp,) = iter_photos(make_fake_analyzer(), [make_source("a.png", data)])
    (blurred,) = iter_photos(make_fake_analyzer(), [make_source("a.png", data)], blur=True)
    part = np.s_[80:280, 20:380]  # away from box and label
    for name in ("annotated", "preview"):
        a, b = (decode_image(getattr(r, name)).pixels[part].std() for r in (sharp, blurred))
        assert b < 0.2 * a
    assert blurred.thumbnails[0].std() < 0.5 * sharp.thumbnails[0].std()
    assert blurred.record.analysis.predictions.top == sharp.record.analysis.predictions.top


@pytest.mark.parametrize("size_wh", [(1, 1), (64, 48), (500, 400)], ids=str)
def test_small_photos_are_written_large_enough(size_wh):
    data = make_counting_photo(0, *size_wh)
    (result,) = iter_photos(make_fake_analyzer(), [make_source("a.png", data)])
    written = decode_image(result.annotated).pixels
    assert max(written.shape) >= 360
    assert result.record.analysis.size_wh == size_wh


def test_preview_is_shrunk():
    assert decode_image(make_preview(make_image(3000, 30))).pixels.shape == (13, PREVIEW_PX, 3)
    assert decode_image(make_preview(make_image(300, 30))).pixels.shape == (30, 300, 3)


# Which files are meant


def test_folders_are_searched_and_named_files_taken(tmp_path):
    files = ("b.JPG", "a.png", "notes.txt", "sub/deep/c.webp", "sub/d.heic")
    for name in (*files, "out/annotated/a.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    missing, text = tmp_path / "missing.jpg", tmp_path / "notes.txt"
    found = find_photos([text, tmp_path, missing, tmp_path / "a.png"], out=tmp_path / "out")
    names = [p.relative_to(tmp_path).as_posix() for p in found.values()]
    assert list(found) == names
    assert names[0] == "notes.txt"
    assert names[-1] == "missing.jpg"
    assert sorted(names[1:-1]) == ["a.png", "b.JPG", "sub/d.heic", "sub/deep/c.webp"]
    assert find_photos([], out=tmp_path) == {}
    too_long = tmp_path / ("x" * 300)
    assert find_photos([too_long], out=tmp_path) == {"x" * 300: too_long}


def test_photos_go_by_names_that_tell_them_apart(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    for path in ("anna/1.jpg", "anna/1 (2).jpg", "ben/1.jpg", "ben/sub/2.jpg", "e\x1b[m.jpg"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
    whole = find_photos([folder], out=tmp_path)
    names = {"anna/1.jpg", "anna/1 (2).jpg", "ben/1.jpg", "ben/sub/2.jpg", "e[m.jpg"}
    assert set(whole) == names
    assert whole["ben/1.jpg"] == folder / "ben" / "1.jpg"
    above = find_photos([tmp_path], out=tmp_path)
    assert set(above) == {f"caf\\xe9/{name}" for name in names}
    parts = find_photos([folder / "anna", folder / "ben", folder / "ben" / "1.jpg"], out=tmp_path)
    place = f"{tmp_path.as_posix()}/caf\\xe9"
    assert list(parts) == ["1 (2).jpg", f"{place}/anna/1.jpg", f"{place}/ben/1.jpg", "sub/2.jpg"]


def test_a_photo_that_is_turned_says_so():
    source = make_source("scan.png", encode(make_smooth_image(64, 48)))
    (result,) = iter_photos(make_fake_analyzer(LyingDetector()), [source])
    (note,) = result.record.warnings
    assert "turned by 90 degrees clockwise" in note
