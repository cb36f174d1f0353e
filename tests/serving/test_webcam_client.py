import argparse
import threading
import time
import types

import av
import cv2
import numpy as np
import pytest

from emotion_core.cli.webcam import add_webcam
from emotion_core.errors import EmotionError, RemoteError, VideoDecodeError
from emotion_core.serving.webcam_client import (
    AnalysisWorker,
    Camera,
    RunStats,
    TimedAnalysis,
    iter_shown,
)
from emotion_core.serving.webcam_sinks import VideoFileSink, Window, describe
from tests.factories import make_analysis, make_fake_analyzer, make_smooth_image
from tests.serving.misbehaving_server import MisbehavingServer


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Half a second of video, 13 frames of 160 x 120, each a little brighter."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for i in range(13):
            image = make_smooth_image(160, 120) // 2 + np.uint8(8 * i)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def run(*arguments):
    parser = argparse.ArgumentParser()
    add_webcam(parser)
    chosen = parser.parse_args([str(argument) for argument in arguments])
    return chosen.run(chosen)


class SlowAnalyzer:
    """Waits, notes how bright the frame was, and finds nothing or fails."""

    def __init__(self, wait, error=None):
        self.wait, self.error, self.seen = wait, error, []
        self.info = make_fake_analyzer().info

    def analyze(self, images, *_):
        self.wait()
        self.seen.append(float(images[0].mean()))
        if self.error:
            raise self.error
        return [make_analysis()]


def test_a_file_plays_at_its_own_speed_and_ends(clip):
    start, numbers, last = time.monotonic(), [], 0
    with Camera(str(clip)) as camera:
        while found := camera.newer_than(last):
            last, image = found
            numbers.append(last)
            assert image.shape == (120, 160, 3)
    assert numbers[-1] == 13
    assert numbers == sorted(set(numbers))
    assert time.monotonic() - start > 0.4


def test_who_is_slow_gets_the_newest_frame_not_the_next(clip):
    with Camera(str(clip)) as camera:
        assert camera.newer_than(5)[0] > 5
        assert camera.newer_than(1)[0] > 5


def test_capture_does_not_wait_for_a_slow_server(clip):
    may_answer = threading.Event()
    analyzer = SlowAnalyzer(may_answer.wait)
    last = 0
    with Camera(str(clip)) as camera, AnalysisWorker(camera, analyzer) as asker:
        while found := camera.newer_than(last):
            last = found[0]
        answered_meanwhile = asker.reading.answered
        may_answer.set()
    assert last == 13
    assert answered_meanwhile == 0
    assert 1 <= asker.reading.answered == len(analyzer.seen) <= 2
    assert analyzer.seen == sorted(analyzer.seen)
    assert asker.reading.delay_s > 0.1


def test_a_server_that_fails_is_said_and_asked_again(clip):
    twice = threading.Semaphore(0)
    analyzer = SlowAnalyzer(twice.release, RemoteError("Away."))
    with Camera(str(clip)) as camera, AnalysisWorker(camera, analyzer) as asker:
        for _ in range(2):
            assert twice.acquire(timeout=60)
    assert asker.reading.error == "Away."
    assert asker.reading.answered == 0


def test_a_fault_of_the_program_ends_it(clip):
    asked = threading.Event()
    with (
        pytest.raises(ZeroDivisionError),
        Camera(str(clip)) as camera,
        AnalysisWorker(camera, SlowAnalyzer(asked.set, ZeroDivisionError())),
    ):
        assert asked.wait(60)


@pytest.mark.parametrize("source", ["no such file.mp4", "97"])
def test_a_source_that_is_not_there_is_said(source):
    with pytest.raises(VideoDecodeError, match=f"{source} cannot be opened; give the number"):
        Camera(source)


def test_the_command_prints_and_records(clip, tmp_path, capsys):
    out = tmp_path / "seen.mp4"
    with MisbehavingServer() as server:
        assert run("--server", server.url, "--source", clip, "--no-window", "--out", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("13 frames captured, ")
    with av.open(str(out)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        times = container.streams.video[0].duration * container.streams.video[0].time_base
    assert 1 < len(frames) <= 13
    assert float(times) > 0.2
    assert frames[-1].shape[0] % 2 == frames[-1].shape[1] % 2 == 0


def test_the_time_ends_it():
    image = make_smooth_image(16, 12)

    class Patient:
        """Gives a frame every hundredth second, for ten seconds."""

        def newer_than(self, number):
            time.sleep(0.01)
            return (number + 1, image) if number < 1000 else None

    asker = types.SimpleNamespace(reading=TimedAnalysis())
    assert 0 < len([tally for _, tally in iter_shown(Patient(), asker, 0.1)]) < 1000


def test_without_an_answer_the_command_fails(clip, capsys):
    with MisbehavingServer() as server:
        server.plan = [(500, b"")] * 1000
        assert run("--server", server.url, "--source", clip, "--no-window") == 1
    assert "HTTP 500" in capsys.readouterr().err


def test_without_a_window_the_remedy_is_named(monkeypatch):
    def refuse(*_):
        raise cv2.error("no GUI")

    monkeypatch.setattr(cv2, "namedWindow", refuse)
    with pytest.raises(EmotionError, match="Use --no-window"):
        Window()


def test_a_recording_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(EmotionError, match="cannot be written"):
        VideoFileSink(tmp_path / "no folder" / "out.mp4")


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        (TimedAnalysis(), "waiting for the first answer"),
        (TimedAnalysis(error="Away."), "Away."),
        (TimedAnalysis(make_analysis(), 3, 0.02), "no face (20 ms, 3 answers)"),
        (TimedAnalysis(make_analysis([(4, 4, 20, 24)]), 1, 0.1), "happiness 80%, valence +0."),
    ],
    ids=["nothing yet", "error", "no face", "a face"],
)
def test_a_line_says_what_is_seen(reading, text):
    assert describe(RunStats(reading=reading)).startswith(text)


def test_no_thread_is_left(clip):
    with MisbehavingServer() as server:
        run("--server", server.url, "--source", clip, "--no-window", "--seconds", "0.2")
    names = [thread.name for thread in threading.enumerate()]
    assert [name for name in names if name.startswith(("capture", "analyze", "remote"))] == []
