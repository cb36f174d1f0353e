"""The pipeline: every frame in order, ends at once, bounded, and what a result holds."""

import gc
import io
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from emotion_core.errors import VideoDecodeError, WeightsUnavailableError
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.card import Task
from emotion_core.models.registry import candidates
from emotion_core.reporting.timeline import timeline_rows
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video import pipeline, stream
from emotion_core.video.io.reader import VideoReader
from emotion_core.video.pipeline import analyze_video
from emotion_core.video.sampling import FrameSampler
from emotion_core.video.stream import AnalysisStream, VideoFrameAnalyzer
from emotion_core.video.tables import MOMENT_COLUMNS, counted_frames, people_table, smooth_result
from emotion_core.video.types import VideoFrame, VideoInfo, VideoSettings
from tests.factories import (
    FakeDetector,
    LyingDetector,
    difference,
    make_faces,
    make_fake_analyzer,
    make_image,
    make_smooth_image,
)
from tests.video.clips import make_clip, numbered_images, read_number
from tests.video.detectors import SteadyDetector

SIZE_WH = (64, 48)

SCENE_WH = (400, 300)  # smaller ones are enlarged before anything is written on them
FACE = (117, 100, 217, 233)
INSIDE, OUTSIDE = np.s_[134:200, 134:191], np.s_[250:, 250:]
"""Of the faces that the detectors find in scenes, whose lower right corner is free of them."""


class FakeReader:
    """Gives frames that are made as they are asked for, and then fails if it is to.

    Attributes:
        given: How many were asked for.
    """

    def __init__(self, n, *, fps=10, size_wh=SIZE_WH, error=None, faces=1):
        self.n, self.fps, self.size_wh, self.error, self.faces = n, fps, size_wh, error, faces
        self.info = VideoInfo(size_wh, fps, n / fps, n, "h264", "")
        self.fault = ""
        self.given = 0

    def frames(self, is_wanted=None):
        for i in range(self.n):
            if is_wanted is None or is_wanted(i, i / self.fps):
                image = make_smooth_image(*self.size_wh)
                image[0, 0, 0], image[1, 0, 0] = self.faces, i % 256
                self.given += 1
                yield VideoFrame(i, i / self.fps, i, image)
        if self.error:
            raise self.error


class SlowDetector(SteadyDetector):
    """Takes its time; remembers how many frames it got together."""

    def __init__(self, seconds, *boxes):
        super().__init__(*boxes)
        self.seconds, self.batches = seconds, []

    def detect(self, images, *options):
        self.batches.append(len(images))
        time.sleep(self.seconds * len(images))
        return super().detect(images, *options)


def iter_streamed(reader, analyzer, settings):
    readings = VideoFrameAnalyzer(analyzer, settings, None)
    with AnalysisStream(reader, readings, FrameSampler(settings)) as items:
        yield from items


def thread_names():
    return {thread.name for thread in threading.enumerate()}


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not {name for name in thread_names() if name.startswith("video-")}


@pytest.mark.parametrize(
    ("settings", "analyzed"),
    [
        pytest.param({}, range(20), id="every"),
        pytest.param({"every": 3}, range(0, 20, 3), id="every third"),
        pytest.param({"every": 50}, [0], id="only the first"),
        pytest.param({"hz": 5}, range(0, 20, 2), id="5 a second"),
    ],
)
def test_every_frame_comes_in_order(settings, analyzed):
    items = list(iter_streamed(FakeReader(20), make_fake_analyzer(), VideoSettings(**settings)))
    assert [item.frame.index for item in items] == list(analyzed)
    assert {int(id_) for item in items for id_ in item.raw.faces.track_ids} == {1}


def test_with_blurring_every_frame_is_searched():
    settings = VideoSettings(every=3, blur=True)
    items = list(iter_streamed(FakeReader(8), make_fake_analyzer(), settings))
    assert [item.frame.index for item in items] == list(range(8))
    assert [i for i, item in enumerate(items) if item.raw is not None] == [0, 3, 6]
    assert all(len(item.mask.boxes) == 1 for item in items)


def test_analyzed_frames_are_as_the_analyzer_reads_them():
    analyzer, settings = make_fake_analyzer(), VideoSettings(smoothing_s=5)
    items = list(iter_streamed(FakeReader(5, faces=2), analyzer, settings))
    for item in items:
        (alone,) = analyzer.analyze([item.frame.image])
        assert (item.raw.faces.boxes == alone.faces.boxes).all()
        assert (item.raw.predictions.probabilities == alone.predictions.probabilities).all()


@pytest.mark.parametrize("consumer_s", [0.0, 0.01], ids=["slow analysis", "slow consumer"])
def test_number_of_frames_in_memory_does_not_grow(consumer_s, monkeypatch):
    monkeypatch.setattr(stream, "_QUEUE_BYTES", 10 * SIZE_WH[0] * SIZE_WH[1] * 3)
    reader, taken, most = FakeReader(60), 0, 0
    analyzer = make_fake_analyzer(SlowDetector(0.01 if not consumer_s else 0))
    for _ in iter_streamed(reader, analyzer, VideoSettings()):
        taken += 1
        most = max(most, reader.given - taken)
        time.sleep(consumer_s)
    assert taken == 60
    assert most <= 10 + 8 + 10 + 2


def test_waiting_frames_are_analyzed_together():
    detector = SlowDetector(0)
    list(iter_streamed(FakeReader(60), make_fake_analyzer(detector), VideoSettings()))
    assert max(detector.batches) == 8


def test_frames_that_take_long_are_analyzed_one_by_one():
    detector = SlowDetector(0.3)
    list(iter_streamed(FakeReader(3), make_fake_analyzer(detector), VideoSettings()))
    assert detector.batches == [1, 1, 1]


def test_iteration_that_is_left_ends_everything():
    reader = FakeReader(10_000)
    items = iter_streamed(reader, make_fake_analyzer(), VideoSettings())
    kept = weakref.ref(next(items).frame.image)
    assert {"video-decode", "video-analyse"} <= thread_names()
    items.close()
    assert not {"video-decode", "video-analyse"} & thread_names()
    given = reader.given
    assert given < 10_000
    gc.collect()
    assert kept() is None, "frames are let go"
    assert reader.given == given


@pytest.mark.parametrize(
    ("reader", "detector", "expected"),
    [
        pytest.param(
            FakeReader(0, error=VideoDecodeError("Not a single frame.")),
            None,
            (VideoDecodeError, r"^Not a single frame\.$"),
            id="decoding",
        ),
        pytest.param(
            FakeReader(50),
            FakeDetector(WeightsUnavailableError("The Hub cannot be reached.")),
            (WeightsUnavailableError, r"^The Hub cannot be reached\.$"),
            id="analysis",
        ),
    ],
)
def test_what_fails_in_a_thread_is_raised(reader, detector, expected):
    with pytest.raises(expected[0], match=expected[1]):
        list(iter_streamed(reader, make_fake_analyzer(detector), VideoSettings()))


def test_frames_before_a_failure_are_given():
    taken = []
    with pytest.raises(VideoDecodeError, match=r"^Broken\.$"):
        taken.extend(
            item.frame.index
            for item in iter_streamed(
                FakeReader(7, error=VideoDecodeError("Broken.")),
                make_fake_analyzer(),
                VideoSettings(),
            )
        )
    assert taken == list(range(7))


# Whole videos


def numbered_scene(n, size_wh=SCENE_WH, scene=None):
    """Frames of one scene with a strip at the top that tells their number."""
    height = size_wh[1] // 16
    scene = make_smooth_image(*size_wh) if scene is None else scene
    return [np.vstack([strip, scene[height:]]) for strip in numbered_images(n, size_wh[0], height)]


class NumberDetector:
    """One face in the middle of a numbered frame, from frame ``first`` to before ``end``."""

    def __init__(self, first=0, end=64):
        self.first, self.end = first, end

    def detect(self, images, *_):
        return [self._find(image) for image in images]

    def _find(self, image):
        height, width = image.shape[:2]
        is_there = self.first <= read_number(image[: height // 16]) < self.end
        return make_faces([(width / 4, height / 4, width / 2, height * 3 / 4)] if is_there else [])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Thirty numbered frames in three seconds, with sound; not to be changed."""
    path = tmp_path_factory.mktemp("pipeline") / "clip.mp4"
    return make_clip(path, numbered_scene(30), fps=10, audio="aac")


def read_frames(path):
    with VideoReader(path) as reader:
        return reader.info, list(reader.frames())


@pytest.mark.parametrize("has_target", [True, False], ids=["with a video", "tables only"])
def test_result_holds_all_that_was_learned(clip, tmp_path, has_target):
    target = tmp_path / "out.mp4" if has_target else None
    analyzer = make_fake_analyzer(NumberDetector(6, 20))
    settings = VideoSettings(every=2, all_faces=True)
    result = analyze_video(clip, analyzer, settings, target=target)
    assert (result.n_frames, result.n_analyzed, result.fault) == (30, 15, "")
    assert result.model == "tiny"
    assert result.elapsed_s > 0
    assert result.info.size_wh == SCENE_WH
    assert result.frames["frame"].tolist() == list(range(0, 30, 2))
    np.testing.assert_allclose(result.frames["time_s"], np.arange(15) / 5, atol=1e-6)
    seen = result.frames[result.frames["track"].notna()]
    assert seen["frame"].tolist() == list(range(6, 20, 2))
    assert result.people["track"].tolist() == [1]
    assert result.people["frames"].tolist() == [7]
    assert {moment.track for moment in result.highlights} == {1}
    assert not seen["is_usable"].any(), "the scene is as smooth as a blurred face"
    usable = analyze_video(clip, analyzer, replace(settings, all_faces=False))
    assert (usable.people["n_unusable"].tolist(), usable.highlights) == ([7], ())


def test_of_a_long_video_only_the_beginning_is_read(clip, tmp_path):
    target = tmp_path / "out.mp4"
    settings = VideoSettings(longest_s=1.5)
    result = analyze_video(clip, make_fake_analyzer(SteadyDetector(FACE)), settings, target=target)
    assert result.n_frames == result.n_analyzed == 16
    assert result.frames["time_s"].max() == pytest.approx(1.5)
    assert result.fault.startswith("Only the first 0.025 min of the video were read; it is longer")
    info, frames = read_frames(target)
    assert len(frames) == 16
    assert info.duration_s == pytest.approx(1.6, abs=0.1)


def test_time_stamps_that_stand_still_do_not_make_a_video_short(tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", numbered_scene(30), fps=1000)
    analyzer = make_fake_analyzer(SteadyDetector(FACE))
    result = analyze_video(clip, analyzer, VideoSettings(longest_s=0.1))
    assert result.n_frames == 0.1 * 120 + 1


def test_nobody_is_seen_for_longer_than_the_video_lasts(tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", numbered_scene(24), fps=10)
    result = analyze_video(clip, make_fake_analyzer(SteadyDetector(FACE)), VideoSettings(hz=1))
    assert result.n_analyzed == 3
    assert result.people["seen_s"].tolist() == [pytest.approx(2.4)]
    frames = counted_frames(result.frames, all_faces=True)
    assert timeline_rows(frames)["end_s"].max() == pytest.approx(2.4)


def test_written_video_has_every_frame_marked_and_the_sound(clip, tmp_path):
    target = tmp_path / "out.mp4"
    analyze_video(clip, make_fake_analyzer(NumberDetector(10, 20)), VideoSettings(), target=target)
    (_, before), (info, after) = read_frames(clip), read_frames(target)
    assert info.audio_codec == "aac"
    assert [f.time_s for f in after] == pytest.approx([f.time_s for f in before], abs=0.001)
    changed = [difference(a.image, b.image) for a, b in zip(before, after, strict=True)]
    assert min(changed[10:20]) > 3 * max(changed[:10] + changed[20:])


def test_faces_are_blurred_also_between_analyzed_frames(tmp_path):
    noise = np.where(make_image(*SCENE_WH) > 127, 255, 0).astype(np.uint8)
    clip = make_clip(tmp_path / "noise.mp4", numbered_scene(7, scene=noise))
    analyzer = make_fake_analyzer(SteadyDetector(FACE))
    target = tmp_path / "out.mp4"
    result = analyze_video(clip, analyzer, VideoSettings(every=3, blur=True), target=target)
    _, after = read_frames(target)
    assert max(float(frame.image[INSIDE].std()) for frame in after) < 30
    assert min(float(frame.image[OUTSIDE].std()) for frame in after) > 60
    for moment in result.highlights:
        assert float(decode_image(moment.jpeg).pixels[50:80, 50:80].std()) < 30


def test_a_face_that_is_missed_for_a_moment_stays_blurred(tmp_path):
    noise = np.where(make_image(*SCENE_WH) > 127, 255, 0).astype(np.uint8)
    clip = make_clip(tmp_path / "noise.mp4", numbered_scene(12, scene=noise))
    target = tmp_path / "out.mp4"
    analyzer = make_fake_analyzer(NumberDetector(0, 5))
    analyze_video(clip, analyzer, VideoSettings(blur=True), target=target)
    _, after = read_frames(target)
    assert max(float(frame.image[INSIDE].std()) for frame in after) < 30
    assert min(float(frame.image[OUTSIDE].std()) for frame in after) > 60


@pytest.mark.parametrize("settings", [{"every": 4}, {"every": 1, "min_score": 0.96}])
def test_faces_are_blurred_that_are_not_reported(tmp_path, settings):
    """Between two frames whose readings count, below the score that counts, and just before."""
    noise = np.where(make_image(*SCENE_WH) > 127, 255, 0).astype(np.uint8)
    clip = make_clip(tmp_path / "noise.mp4", numbered_scene(7, scene=noise))
    target = tmp_path / "out.mp4"
    analyzer = make_fake_analyzer(NumberDetector(1, 4))
    result = analyze_video(clip, analyzer, VideoSettings(blur=True, **settings), target=target)
    assert result.people.empty
    assert result.n_analyzed == (2 if settings["every"] == 4 else 7)
    _, after = read_frames(target)
    details = [float(frame.image[INSIDE].std()) for frame in after]
    assert max(details[:4]) < 30
    assert min(float(frame.image[OUTSIDE].std()) for frame in after) > 60


def test_raw_rows_and_smoothed_people(tmp_path):
    scenes = [make_smooth_image(*SCENE_WH) // 2 + 20 * np.uint8(i % 3) for i in range(30)]
    clip = make_clip(tmp_path / "clip.mp4", [numbered_scene(1, scene=s)[0] for s in scenes])
    analyzer = make_fake_analyzer(NumberDetector())
    without = analyze_video(clip, analyzer, VideoSettings(smoothing_s=0))
    smooth = analyze_video(clip, analyzer, VideoSettings(smoothing_s=2))
    pd.testing.assert_frame_equal(without.frames, smooth.frames)
    calm = smooth_frames(smooth.frames, 2)
    pd.testing.assert_frame_equal(smooth.people, people_table(smooth.frames, smoothed=calm))
    assert smooth.people["changes"].sum() < without.people["changes"].sum()


def test_table_moments_and_charts_tell_the_same_second(tmp_path):
    scenes = [make_smooth_image(*SCENE_WH) // 2 + 9 * np.uint8(i % 11) for i in range(30)]
    clip = make_clip(tmp_path / "clip.mp4", [numbered_scene(1, scene=s)[0] for s in scenes])
    result = analyze_video(clip, make_fake_analyzer(NumberDetector()), VideoSettings())
    (person,) = result.people.to_dict("records")
    assert len(result.highlights) == 3
    smooth = smooth_result(result)
    for highlight in result.highlights:
        assert person[MOMENT_COLUMNS[highlight.kind]] == highlight.time_s
        row = smooth[smooth["frame"] == highlight.frame].iloc[0]
        assert (row["valence"], row["arousal"]) == (highlight.valence, highlight.arousal)
    assert smooth["time_s"][smooth["valence"].idxmax()] == person["positive_s"]


def test_video_without_any_face_is_a_result(clip):
    result = analyze_video(clip, make_fake_analyzer(NumberDetector(64)), VideoSettings())
    assert len(result.frames) == 30
    assert result.frames["track"].isna().all()
    assert len(result.people) == 0
    assert result.highlights == ()


def test_handles_of_a_file_in_memory(clip, tmp_path):
    data = clip.read_bytes()
    target = tmp_path / "out.mp4"
    analyzer = make_fake_analyzer(SteadyDetector(FACE))
    result = analyze_video(lambda: io.BytesIO(data), analyzer, VideoSettings(), target=target)
    assert result.n_frames == 30
    info, after = read_frames(target)
    assert (len(after), info.audio_codec) == (30, "aac")


def test_video_that_breaks_off_is_kept_up_to_there(tmp_path):
    whole = make_clip(tmp_path / "whole.mkv", numbered_scene(60), fps=10)
    clip = tmp_path / "cut.mkv"
    clip.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    target = tmp_path / "out.mp4"
    result = analyze_video(
        clip, make_fake_analyzer(NumberDetector()), VideoSettings(), target=target
    )
    assert 10 < result.n_frames < 60
    assert len(read_frames(target)[1]) == result.n_frames == len(result.frames)


def test_file_that_is_no_video(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("not a video" * 100)
    with pytest.raises(VideoDecodeError):
        analyze_video(path, make_fake_analyzer(), VideoSettings(), target=tmp_path / "out.mp4")


@pytest.fixture
def told_of_every_frame(monkeypatch):
    """Progress is told of each frame but the first."""
    monkeypatch.setattr(pipeline, "_REPORT_EVERY_S", 0)


@pytest.mark.usefixtures("told_of_every_frame")
def test_what_the_consumer_raises_ends_everything(clip, tmp_path):
    calls, target = [], tmp_path / "out.mp4"

    def stop(progress):
        calls.append(progress)
        raise RuntimeError("cancelled")

    analyzer = make_fake_analyzer(SteadyDetector(FACE))
    with pytest.raises(RuntimeError, match=r"^cancelled$"):
        analyze_video(clip, analyzer, VideoSettings(), target=target, on_progress=stop)
    assert [progress.frames for progress in calls] == [2]


@pytest.mark.usefixtures("told_of_every_frame")
def test_progress_is_that_of_the_frames(clip):
    told = []
    analyzer = make_fake_analyzer(SteadyDetector(FACE))
    analyze_video(clip, analyzer, VideoSettings(), on_progress=told.append)
    assert [p.frames for p in told] == list(range(2, 31))
    assert {p.n_frames for p in told} == {30}
    assert [p.time_s for p in told] == pytest.approx([i / 10 for i in range(1, 30)])
    assert told[-1].left_s == 0


def make_frame(index):
    return VideoFrame(index, index / 10, index, np.zeros((1, 1, 3), np.uint8))


def test_progress_is_told_ten_times_a_second(monkeypatch):
    now, told = 100.0, []
    monkeypatch.setattr(pipeline.time, "monotonic", lambda: now)
    info = VideoInfo(SIZE_WH, 10, None, None, "h264", "")
    progress = pipeline.ProgressMeter(info, None, told.append)
    for i in range(100):
        now = 100 + i / 64
        progress.report(make_frame(i))
    assert [p.frames for p in told] == list(range(8, 101, 7))
    assert [p.fps for p in told] == pytest.approx([64] * len(told))


@pytest.mark.parametrize(
    ("n_frames", "duration_s", "expected"),
    [
        pytest.param(101, None, 9, id="by the number of frames"),
        pytest.param(None, 10.0, 9, id="by the length"),
        pytest.param(5, 10.0, 9, id="more frames than the header says"),
        pytest.param(5, 0.5, None, id="both are wrong"),
        pytest.param(None, None, None, id="not known"),
    ],
)
def test_time_left(n_frames, duration_s, expected, monkeypatch):
    now = 100.0
    monkeypatch.setattr(pipeline.time, "monotonic", lambda: now)
    told = []
    info = VideoInfo(SIZE_WH, 10, duration_s, n_frames, "h264", "")
    progress = pipeline.ProgressMeter(info, None, told.append)
    now += 7  # until the first frame, which says nothing of the others
    progress.report(make_frame(0))
    now += 1
    progress.report(make_frame(10))
    assert told[0].fps == 10
    assert told[0].left_s == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("name", "people"),
    [
        ("single_face_neutral_to_smile.mp4", (1, 1)),
        pytest.param("no_face_animation.mp4", (0, 1), marks=pytest.mark.slow),
    ],
)
def test_real_videos(shared, name, people, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    analyzer = load_analyzer(candidates(Task.EMOTION), candidates(Task.DETECTION), device="cpu")
    result = analyze_video(shared / "samples" / "video" / name, analyzer, VideoSettings(hz=5))
    assert people[0] <= len(result.people) <= people[1]
    assert result.n_analyzed == result.frames["frame"].nunique()


def test_the_angle_of_a_lying_person_is_followed():
    detector = LyingDetector()
    frames = [VideoFrame(i, i / 10, i, make_smooth_image(64, 48)) for i in range(5)]
    taken = [(frame, True) for frame in frames]
    analyzer = VideoFrameAnalyzer(make_fake_analyzer(detector), VideoSettings(), None)
    assert [len(item.raw) for item in analyzer.analyze(taken)] == [1] * 5
    assert detector.rolls == [(), (90,), (90,)]  # thoroughly, the same quickly, the others at once
