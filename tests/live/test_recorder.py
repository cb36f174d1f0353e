import errno

import av
import numpy as np
import pytest

from emotion_core.live import recorder
from emotion_core.live.recorder import Recorder
from tests.factories import difference, make_image, make_smooth_image
from tests.live.fakes import wait_until


def read_back(file):
    """Times and frames of a recording."""
    with file.open() as handle, av.open(handle) as container:
        video = container.streams.video[0]
        assert video.codec_context.name == "h264"
        assert video.codec_context.pix_fmt == "yuv420p"
        return [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video)]


def record(frames):
    """Write frames, none of which is dropped."""
    made = Recorder()
    for image, time_s in frames:
        written = made.written
        made.write(image, time_s)
        wait_until(lambda before=written: made.written > before)
    return made


def test_a_recording_is_playable_and_keeps_the_times_of_its_frames():
    image = make_smooth_image(160, 120)
    times = [50.0, 50.033, 50.5, 50.51, 52.0]
    made = record([(image, t) for t in times])
    with made.stop() as file:
        frames = read_back(file)
        data = file.path.read_bytes()
    assert [t for t, _ in frames] == pytest.approx([t - 50 for t in times], abs=2e-4)
    assert all(difference(shown, image) < 6 for _, shown in frames)
    assert data.index(b"moov") < data.index(b"mdat")


def test_frames_of_another_size_are_fitted_into_the_first():
    bright = np.full((120, 160, 3), 200, np.uint8)
    tall = np.full((240, 80, 3), 200, np.uint8)
    made = record([(bright, 1.0), (tall, 1.1)])
    with made.stop() as file:
        (_, first), (_, second) = read_back(file)
    assert first.shape == second.shape == (120, 160, 3)
    assert second[:, :50].mean() < 30
    assert second[:, 65:95].mean() > 180


def test_odd_sizes_become_even():
    made = record([(make_smooth_image(161, 121), 1.0)])
    with made.stop() as file:
        assert read_back(file)[0][1].shape == (122, 162, 3)


def test_two_frames_at_one_time_are_both_there():
    image = make_smooth_image(64, 48)
    made = record([(image, 1.0), (image, 1.0), (image, 0.5)])
    with made.stop() as file:
        times = [t for t, _ in read_back(file)]
    assert len(times) == 3
    assert times == sorted(set(times))


def test_without_a_frame_there_is_no_recording():
    made = Recorder()
    assert made.stop() is None
    assert made.error == ""


def test_a_slow_encoder_drops_frames_and_nobody_waits(monkeypatch):
    monkeypatch.setattr(Recorder, "_run", lambda _: None)  # the slowest of all
    made = Recorder()
    for i in range(100):
        made.write(make_image(), i / 30)
    assert made.dropped == 85
    assert made.stop() is None


def test_what_is_too_long_is_left_out():
    made = record([(make_smooth_image(), 0.0), (make_smooth_image(), recorder.MAX_S)])
    made.write(make_smooth_image(), recorder.MAX_S + 1)
    assert made.is_full
    assert made.length_s == recorder.MAX_S
    with made.stop() as file:
        assert len(read_back(file)) == 2


def test_a_fault_in_the_middle_is_told_and_leaves_no_half_file(monkeypatch):
    made = record([(make_smooth_image(), 0.0)])
    monkeypatch.setattr(recorder, "fit", lambda *_: 1 / 0)
    made.write(make_smooth_image(), 0.1)
    wait_until(lambda: made.error)
    assert made.stop() is None
    assert made.error == "The recording could not be written (ZeroDivisionError: division by zero)."


def test_a_full_disk_is_told_and_ends_the_recording(monkeypatch):
    def fail(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("emotion_core.live.recorder.av.open", fail)
    made = Recorder()
    made.write(make_image(), 0.0)
    wait_until(lambda: made.error)
    made.write(make_image(), 0.1)
    assert made.stop() is None
    assert made.error == "The recording could not be written (No space left on device)."
