import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from emotion_core.batch.job import ChunkProgress, do_chunk, iter_records
from emotion_core.batch.plan import Chunk
from emotion_core.batch.results import ResultFolder
from emotion_core.batch.sources import MediaKind
from emotion_core.errors import EmotionError
from emotion_core.photos.pipeline import PhotoSource, iter_photos
from emotion_core.photos.tables import faces_table, photos_table, table_to_csv
from emotion_core.video.pipeline import analyze_video
from emotion_core.video.types import VideoSettings
from tests.factories import FakeDetector, make_counting_photo, make_fake_analyzer
from tests.video.clips import make_clip, on_canvas, sample_face


@pytest.fixture
def photo_chunk(tmp_path):
    """Twenty photos with 0 to 4 faces; the third is broken, the fifth missing."""
    paths = [tmp_path / f"{i:02}.png" for i in range(20)]
    for i, path in enumerate(paths):
        path.write_bytes(make_counting_photo(i % 5, seed=i))
    paths[2].write_bytes(b"not an image")
    paths[4].unlink()
    return Chunk(MediaKind.PHOTO, tuple(map(str, paths)))


def run(job, chunk, analyzer):
    job.folder.prepare(job.to_settings())
    steps = list(do_chunk(analyzer, job, chunk))
    return steps, {t: pd.read_parquet(f"{job.folder.url}/{t}") for t in job.folder.schemas}


def read_csv(data):
    return pd.read_csv(io.BytesIO(data), encoding="utf-8-sig")


def check_same(table, expected, *, without=(), atol=1e-8):
    expected = expected.drop(columns=list(without))
    assert [c for c in table.columns if c != "url"] == list(expected.columns)
    pd.testing.assert_frame_equal(
        table[expected.columns].replace("", None).reset_index(drop=True),
        expected.replace("", None),
        check_dtype=False,
        rtol=1e-5,
        atol=atol,
    )


def test_photos_give_the_rows_of_the_csv_files(job, photo_chunk):
    _, tables = run(job, photo_chunk, make_fake_analyzer())
    paths = [Path(url) for url in photo_chunk.urls if not url.endswith("04.png")]
    sources = [PhotoSource(path.name, path.read_bytes) for path in paths]
    records = [result.record for result in iter_photos(make_fake_analyzer(), sources)]
    kept = tables["photos"][tables["photos"]["source"] != "04.png"]
    check_same(kept, read_csv(table_to_csv(photos_table(records))), without=["time_ms"])
    check_same(tables["faces"], read_csv(table_to_csv(faces_table(records))))


def test_each_row_has_the_place_of_its_photo(job, photo_chunk):
    _, tables = run(job, photo_chunk, make_fake_analyzer())
    assert tuple(tables["photos"]["url"]) == photo_chunk.urls
    for table in ("faces", "photos", "failed"):
        names = tables[table]["url"].str.rpartition("/")[2]
        assert list(names) == list(tables[table]["source"])


def test_failed_photos_have_their_own_table(job, photo_chunk):
    steps, tables = run(job, photo_chunk, make_fake_analyzer())
    assert list(tables["failed"]["source"]) == ["02.png", "04.png"]
    assert set(tables["failed"]["kind"]) == {"photo"}
    assert list(tables["failed"]["error"]) == [
        "The file is not an image in a format that can be read "
        "(JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC, AVIF).",
        "The file cannot be read (No such file or directory).",
    ]
    assert sum(step.inputs for step in steps) == 20
    assert sum(step.failed for step in steps) == 2


def test_last_step_comes_after_the_results_are_written(job, photo_chunk):
    job.folder.prepare(job.to_settings())
    steps = do_chunk(make_fake_analyzer(), job, photo_chunk)
    next(steps)
    assert not [found for found in job.folder.finished(MediaKind.PHOTO) if any(found)]
    list(steps)
    assert sum(len(f.analyzed) + len(f.failed) for f in job.folder.finished(MediaKind.PHOTO)) == 20


def test_photos_are_analysed_together_with_the_settings(photo_chunk):
    detector = FakeDetector()
    settings = VideoSettings(min_score=0.3, min_face_px=5)
    batches = list(iter_records(make_fake_analyzer(detector), photo_chunk.urls, settings))
    assert len(detector.calls) == len(batches) < 5
    assert set(detector.calls) == {0.3}
    assert set(detector.least_sides) == {5}
    assert detector.search_sides == [None] * len(batches)
    assert [record.source for batch in batches for record in batch] == list(photo_chunk.urls)


def test_chunk_in_which_all_fail_is_finished_all_the_same(job, tmp_path):
    chunk = Chunk(MediaKind.PHOTO, (str(tmp_path / "none.jpg"),))
    steps, tables = run(job, chunk, make_fake_analyzer())
    assert steps == [ChunkProgress(1, 1)]
    assert len(tables["photos"]) == len(tables["failed"]) == 1
    assert len(tables["faces"]) == 0


def test_error_of_the_networks_ends_the_chunk_unfinished(job, photo_chunk):
    job.folder.prepare(job.to_settings())
    broken = make_fake_analyzer(FakeDetector(EmotionError("Out of memory.")))
    with pytest.raises(EmotionError, match=r"^Out of memory\.$"):
        list(do_chunk(broken, job, photo_chunk))
    assert not [found for found in job.folder.finished(MediaKind.PHOTO) if any(found)]


def test_video_gives_the_rows_of_the_csv_files(job, tmp_path, shipped_analyzer):
    face = sample_face(96)
    images = [on_canvas(face, (100 + 4 * i, 120)) for i in range(8)]
    path = make_clip(tmp_path / "clip.mp4", images)
    info = shipped_analyzer.info
    job = replace(job, folder=ResultFolder(job.folder.url, info.emotion.labels))
    steps, tables = run(job, Chunk(MediaKind.VIDEO, (str(path),)), shipped_analyzer)
    result = analyze_video(path, shipped_analyzer, job.settings)
    assert steps == [ChunkProgress(1, 0)]
    # how many images are read together goes by the time that they take
    check_same(tables["frames"], read_csv(table_to_csv(result.frames)), atol=1e-3)
    check_same(tables["people"], read_csv(table_to_csv(result.people)), atol=1e-3)
    (video,) = tables["videos"].to_dict("records")
    assert (video["url"], video["source"]) == (str(path), "clip.mp4")
    assert (video["width"], video["height"], video["frames"], video["people"]) == (320, 240, 8, 1)
    assert len(tables["failed"]) == 0


def test_broken_video_fails_with_its_sentence(job, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    chunk = Chunk(MediaKind.VIDEO, (str(tmp_path / "broken.mp4"),))
    steps, tables = run(job, chunk, make_fake_analyzer())
    assert steps == [ChunkProgress(1, 1)]
    assert tables["failed"].to_dict("records") == tables["videos"].assign(kind="video")[
        ["url", "source", "kind", "error"]
    ].to_dict("records")
    assert tables["videos"]["error"][0].startswith("The file is not a video")


def test_note_says_all_that_decides_on_the_results(job):
    assert job.to_settings() == {
        "layout": 4,
        "model": "tiny 0000000000000000",
        "detector": "tiny-faces 1111111111111111",
        "every": 1,
        "hz": None,
        "min_score": 0.6,
        "min_face_px": 12,
        "smoothing_s": 0.3,
        "min_seen_s": 0.3,
        "chunk_photos": 4,
    }
