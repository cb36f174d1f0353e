"""Odd files: the same tables through the page, the command line and Python."""

import io
import zipfile

import numpy as np
import pandas as pd
import PIL.Image
import pytest

import emotion_core as emo
from emotion_core import local_analyzer
from emotion_core.cli.main import main
from emotion_core.imaging.tone_mapping import HLG, PQ
from emotion_core.photos.tables import table_to_csv
from tests.app.pages.test_photos import upload as upload_photos
from tests.app.pages.test_video import core as core
from tests.app.pages.test_video import draw_frame, opened, upload
from tests.app.pages.test_video import video_app as video_app
from tests.factories import make_smooth_image
from tests.imaging.test_transfer import to_avif, to_png
from tests.reporting.test_video_folder import stub_pages
from tests.video.clips import make_clip

FRAMES = [draw_frame(160 + 5 * i, 230 - 5 * i) for i in range(12)]


@pytest.fixture
def downloads(monkeypatch):
    """Files by their buttons, as the page made them last."""
    made = {}
    for module in ("photos.exports", "video.results"):
        note = lambda label, data, *_: made.update({label: data})  # noqa: E731
        monkeypatch.setattr(f"streamlit_app.{module}.download", note)
    return made


@pytest.fixture
def command(core, monkeypatch, tmp_path):
    """Runs a command with the page's analyzer; gives the folder of results."""
    monkeypatch.setattr(local_analyzer, "load_analyzer", lambda *_, **__: core)
    stub_pages(monkeypatch)

    def run(name, *paths):
        assert main([name, *map(str, paths), "--out", str(tmp_path / "out")]) == 0
        return tmp_path / "out"

    return run


def zipped(name, data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(name, data)
        packed.writestr(f"__MACOSX/._{name}", data)
    return buffer.getvalue()


def saved(image, file_format, **options):
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, file_format, **options)
    return buffer.getvalue()


def make_photos():
    photo = FRAMES[3]
    pq = to_png(photo, curve=PQ)
    second = PIL.Image.fromarray(make_smooth_image())
    return {
        "archive.zip": zipped("packed.png", pq),
        "chat.png": saved(np.vstack([photo] * 40), "PNG"),
        "hlg.avif": to_avif(photo, curve=HLG),
        "phone.jpg": saved(photo, "MPO", save_all=True, append_images=[second]),
        "pq.png": pq,
        "still.gif": saved(photo, "GIF"),
    }


def test_odd_photos_give_the_same_tables_everywhere(app, core, downloads, command, tmp_path):
    files = make_photos()
    paths = [tmp_path / name for name in files]
    for path in paths:
        path.write_bytes(files[path.name])
    out = command("photos", *paths)
    upload_photos(app.run(), *files.items())
    assert not app.exception
    faces = (out / "faces.csv").read_bytes()
    assert downloads["Faces (CSV)"]() == faces
    photos = [downloads["Photos (CSV)"](), (out / "photos.csv").read_bytes()]
    page, command_line = (pd.read_csv(io.BytesIO(data)).drop(columns="time_ms") for data in photos)
    pd.testing.assert_frame_equal(page, command_line)
    read = {path.name: core.read(path) for path in paths[1:]}
    shared = emo.faces_table({"packed.png": core.read(files["pq.png"])} | read)
    assert table_to_csv(shared) == faces
    assert set(shared["source"]) == {"packed.png", *read}


def delayed(path, seconds):
    """A video whose sound begins before its frames."""
    times_ms = [1000 * seconds + 100 * i for i in range(len(FRAMES))]
    return make_clip(path, FRAMES, pts=times_ms, audio={"length_s": 3.0})


def animated(path):
    first, *others = map(PIL.Image.fromarray, FRAMES)
    first.save(path, "GIF", save_all=True, append_images=others, duration=100)
    return path


def hdr(path):
    settings = {"color_trc": HLG, "color_primaries": 9, "colorspace": 9}
    return make_clip(
        path, FRAMES, fps=10, codec="libx265", pix_fmt="yuv420p10le", stream_settings=settings
    )


def packed(path):
    clip = make_clip(path.with_name("packed.vob"), FRAMES, fps=10, codec="mpeg2video")
    path.write_bytes(zipped(clip.name, clip.read_bytes()))
    return path


MAKERS = {
    "camcorder.mts": lambda path: make_clip(path, FRAMES, fps=10),
    "disc.vob": lambda path: make_clip(path, FRAMES, fps=25, codec="mpeg2video"),
    "late.mkv": lambda path: delayed(path, 2),
    "loop.gif": animated,
    "hdr.mkv": hdr,
    "archive.zip": packed,
}


@pytest.mark.parametrize(
    "name",
    ["camcorder.mts", *(pytest.param(name, marks=pytest.mark.slow) for name in [*MAKERS][1:])],
)
def test_an_odd_video_gives_the_same_table_everywhere(
    video_app, core, downloads, command, tmp_path, name
):
    path = MAKERS[name](tmp_path / name)
    out = command("video", path)
    upload(video_app, name, path.read_bytes())
    opened(video_app, "Export")
    assert not video_app.exception
    (table,) = out.rglob("frames.csv")
    assert downloads["Frames (CSV)"]() == table.read_bytes()
    clip = path if name != "archive.zip" else tmp_path / "packed.vob"
    frames = emo.analyze_video(clip, core).frames
    assert len(frames) == 2 * len(FRAMES)
    assert table_to_csv(frames) == table.read_bytes()
