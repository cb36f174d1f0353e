import av
import numpy as np
import pytest

from emotion_core.live.concurrency_limit import StreamLimiter
from emotion_core.live.processor import FrameProcessor
from emotion_core.live.stream import LiveStream
from emotion_core.live.types import LiveSettings
from tests.factories import difference, make_image
from tests.live.fakes import WAIT_S, GatedAnalyzer, ManualClock, grey, video_frame, wait_until
from tests.live.test_overlay import detail

SIZE = (640, 480)
BOX = (200, 150, 300, 270)


class Bench:
    """A processor with a face in ``BOX`` and a clock set by hand."""

    def __init__(self, *, is_open=True, gate=None, **settings):
        self.clock = ManualClock()
        self.analyzer = GatedAnalyzer(BOX, is_open=is_open)
        self.stream = LiveStream(self.analyzer, LiveSettings(**settings), self.clock)
        self.processor = FrameProcessor(self.stream, gate, self.clock)

    def show(self, image, pts=7):
        shown = self.processor.recv(video_frame(image, pts))
        assert shown.pts == pts
        return shown.to_ndarray(format="rgb24")

    def wait_for_reading(self):
        wait_until(lambda: self.stream.latest is not None)

    def confirm_face(self, image):
        """Shows the face for long enough to count as a person."""
        for _ in range(4):
            self.clock.now_s += 0.1
            n = self.stream.status().analyzed
            self.show(image)
            wait_until(lambda n=n: self.stream.status().analyzed > n)

    def close(self):
        self.analyzer.open()
        self.processor.close()


@pytest.fixture
def make_bench():
    made = []

    def make(**options):
        made.append(Bench(**options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def test_the_newest_reading_is_drawn_on_the_newest_frame(make_bench):
    bench = make_bench()
    first = bench.show(grey(60, *SIZE))
    assert (first == 60).all()
    assert bench.processor.first_ok_s is None
    bench.wait_for_reading()
    bench.clock.now_s += 0.1
    second = bench.show(grey(90, *SIZE))
    assert (second == 90).all(), "a face of one frame may be a false alarm"
    assert bench.processor.first_ok_s == bench.clock.now_s
    bench.confirm_face(grey(60, *SIZE))
    last = bench.show(grey(90, *SIZE))
    assert (last[150, 210:290] != 90).any()
    assert (last[400:, 400:] == 90).all()
    assert bench.processor.frames == 7


def test_the_frame_goes_on_while_the_analysis_hangs(make_bench):
    bench = make_bench(is_open=False)
    for i in range(30):
        assert (bench.show(grey(60 + i, *SIZE), pts=i) == 60 + i).all()
    assert bench.analyzer.entered.acquire(timeout=WAIT_S)
    assert bench.processor.failed == 0


def test_the_frame_goes_on_where_drawing_fails(make_bench, monkeypatch):
    def fail(*_args, **_options):
        raise ValueError("no ink")

    bench = make_bench()
    monkeypatch.setattr("emotion_core.live.processor.render", fail)
    assert (bench.show(grey(60, *SIZE)) == 60).all()
    assert bench.processor.failed == 1
    assert bench.processor.error == "A frame could not be annotated (ValueError: no ink)."
    monkeypatch.undo()
    bench.show(grey(60, *SIZE))
    assert bench.processor.error == ""


def test_blur_covers_everything_until_faces_are_known_and_when_they_no_longer_are(make_bench):
    bench = make_bench(blur=True)
    image = make_image(*SIZE)
    assert detail(bench.show(image), (0, 0, *SIZE)) < 3
    bench.wait_for_reading()
    second = bench.show(image)
    assert detail(second, (0, 300, *SIZE)) > 30
    assert detail(second, (220, 170, 280, 250)) < 12
    wait_until(lambda: bench.stream.status().analyzed == 2)
    bench.analyzer.error = RuntimeError("gone")
    bench.clock.now_s += 1.5
    assert detail(bench.show(image), (0, 0, *SIZE)) < 3


@pytest.mark.parametrize("is_worst", [False, True], ids=["drawing fails", "blurring fails, too"])
def test_blur_shows_no_face_whatever_fails(make_bench, monkeypatch, is_worst):
    def fail(*_args, **_options):
        raise ValueError("broken")

    bench = make_bench(blur=True)
    monkeypatch.setattr("emotion_core.live.processor.render", fail)
    if is_worst:
        monkeypatch.setattr("emotion_core.live.processor.blur_all", fail)
    shown = bench.show(make_image(*SIZE))
    assert shown.shape == (480, 640, 3)
    assert detail(shown, (0, 0, *SIZE)) < 3
    assert bench.processor.failed == 1


def test_blur_shows_no_frame_that_was_not_searched_for_faces(make_bench):
    bench = make_bench(blur=True, is_open=False)
    bench.show(grey(60, *SIZE))
    bench.analyzer.let_go()
    bench.wait_for_reading()
    bench.clock.now_s += 0.1
    shown = bench.show(make_image(*SIZE))  # its analysis hangs
    assert (shown[400:, 400:] == 60).all()
    bench.clock.now_s += 1.0
    assert detail(bench.show(make_image(*SIZE)), (0, 0, *SIZE)) < 3


def test_blur_can_be_switched_on_while_the_stream_runs(make_bench):
    bench = make_bench()
    image = make_image(*SIZE)
    assert difference(bench.show(image), image) == 0
    bench.stream.settings = LiveSettings(blur=True)
    bench.clock.now_s += 2.0
    assert detail(bench.show(image), (0, 0, *SIZE)) < 3


def test_frames_may_change_their_size_and_format(make_bench):
    bench = make_bench()
    assert bench.show(grey(60, 640, 480)).shape == (480, 640, 3)
    bench.wait_for_reading()
    assert bench.show(grey(60, 480, 360)).shape == (360, 480, 3)
    frame = av.VideoFrame.from_ndarray(grey(60, 320, 240), "rgb24").reformat(format="yuv420p")
    assert bench.processor.recv(frame).width >= 320
    assert bench.processor.failed == 0


def test_black_frames_go_through_without_boxes(make_bench):
    bench = make_bench()
    bench.show(grey(60, *SIZE))
    bench.wait_for_reading()
    assert (bench.show(grey(0, *SIZE)) == 0).all()
    assert bench.stream.status().dark == 1


def test_what_is_shown_is_recorded_when_asked_for(make_bench):
    bench = make_bench()
    assert bench.processor.stop_recording() is None
    bench.confirm_face(grey(60, *SIZE))
    bench.processor.start_recording()
    bench.processor.start_recording()
    for i in range(3):
        bench.clock.now_s += 0.1
        bench.show(grey(90, *SIZE))
        wait_until(lambda n=i: bench.processor.recorder.written > n)
    bench.processor.close()  # Stop comes before the file is asked for
    with (
        bench.processor.stop_recording() as file,
        file.open() as handle,
        av.open(handle) as container,
    ):
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(frames) == 3
    assert np.abs(frames[0][150, 210:290].astype(int) - 90).max() > 60
    assert abs(int(frames[0][470, 600, 0]) - 90) < 8
    assert bench.processor.recorder is None


def test_nothing_is_recorded_once_the_stream_has_ended(make_bench):
    bench = make_bench()
    bench.processor.close()
    bench.processor.start_recording()  # nobody would end it
    assert bench.processor.recorder is None


def test_a_stream_takes_a_place_with_its_first_frame_and_gives_it_back(make_bench):
    gate = StreamLimiter(1)
    bench = make_bench(gate=gate)
    assert gate.running == 0
    bench.show(grey(60, *SIZE))
    bench.show(grey(60, *SIZE))
    assert gate.running == 1
    bench.processor.close()
    bench.processor.close()
    assert gate.running == 0
    bench.show(grey(60, *SIZE))
    assert gate.running == 0


def test_a_frame_that_cannot_be_annotated_is_mirrored_like_the_others(make_bench):
    gate = StreamLimiter(1)
    gate.enter()
    bench = make_bench(gate=gate)
    bench.stream.settings = LiveSettings(mirror=True)
    image = make_image(*SIZE)
    np.testing.assert_allclose(bench.show(image), image[:, ::-1], atol=3)


@pytest.mark.parametrize("blur", [False, True], ids=["plain", "blurred"])
def test_a_stream_without_a_place_is_shown_and_told_until_there_is_one(make_bench, blur):
    gate = StreamLimiter(1)
    gate.enter()
    bench = make_bench(gate=gate, blur=blur)
    image = make_image(*SIZE)
    shown = bench.show(image)
    assert (detail(shown, (0, 0, *SIZE)) < 3) == blur
    assert "Please try again in a few minutes" in bench.processor.error
    assert bench.stream.status().frames == 0
    gate.leave()
    bench.show(image)
    assert bench.processor.error == ""
    assert bench.stream.status().frames == 1
