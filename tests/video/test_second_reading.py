"""Faces of a video read by another model, without another search."""

from dataclasses import replace

import numpy as np
import pytest

from emotion_core.errors import VideoDecodeError
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.video.pipeline import tabulate_video
from emotion_core.video.second_reading import choose_readings, read_again
from emotion_core.video.types import VideoSettings
from tests.factories import FakeDetector, FakeNetwork, make_emotion_card, make_fake_analyzer
from tests.video.clips import make_clip, numbered_images


@pytest.fixture
def result(tmp_path):
    """A clip and its result: a face or two in each of ten frames from the third on."""
    path = make_clip(tmp_path / "clip.mp4", numbered_images(12), fps=10)
    analyzer = make_fake_analyzer(TwoFaces())
    return path, tabulate_video(path, analyzer, VideoSettings(from_s=0.2, min_seen_s=0))


class TwoFaces(FakeDetector):
    """Finds the same two faces everywhere, with landmarks."""

    def _find(self, image):
        assert image.size
        boxes = np.array([(2, 2, 26, 40), (34, 4, 60, 44)], np.float32)
        return replace(super()._find(np.full_like(image, 2)), boxes=boxes, landmarks=POINTS)


POINTS = np.array(
    [
        [(8, 14), (20, 14), (14, 22), (9, 32), (19, 32)],
        [(40, 16), (54, 17), (47, 24), (41, 36), (53, 35)],
    ],
    np.float32,
)


def make_classifier(network=None):
    return EmotionClassifier(network or FakeNetwork(), make_emotion_card())


def test_frames_are_spread_evenly_and_there_are_not_more_than_asked_for(result):
    _, found = result
    everything = choose_readings(found.frames, hz=100)
    assert len(everything) == len(found.frames) == 20
    assert choose_readings(found.frames, hz=5)["frame"].unique().tolist() == [2, 4, 6, 8, 10]
    assert choose_readings(found.frames, hz=100, max_frames=4)["frame"].nunique() <= 4
    brief = found.frames.assign(is_brief=True)
    assert choose_readings(brief).empty


def test_the_same_faces_are_read_in_the_same_frames(result):
    path, found = result
    template = tuple((x / 8, y / 8) for x, y in ((2, 3), (6, 3), (4, 4), (3, 6), (5, 6)))
    card = make_emotion_card()
    aligned = replace(card, preprocessing=replace(card.preprocessing, template=template))
    analyzer = make_fake_analyzer(TwoFaces())
    analyzer.classifier = EmotionClassifier(FakeNetwork(), aligned)
    own = tabulate_video(path, analyzer, found.settings)
    rows = choose_readings(own.frames, hz=5).iloc[::-1]
    done = []
    read = read_again(path, own, rows, analyzer.classifier, done.append)
    columns = [name for name in rows.columns if name.startswith("p_")]
    np.testing.assert_allclose(read.probabilities, rows[columns].to_numpy(), atol=1e-5)
    assert done[-1] == len(rows)
    without = replace(own, landmarks=None)
    unaligned = read_again(path, without, rows, analyzer.classifier, done.append)
    assert not np.allclose(unaligned.probabilities, read.probabilities, atol=1e-2)


def test_faces_are_read_in_batches_and_what_progress_raises_ends_the_reading(result, monkeypatch):
    path, found = result
    monkeypatch.setattr("emotion_core.video.second_reading._BATCH", 3)
    network, done = FakeNetwork(), []
    rows = choose_readings(found.frames, hz=100)
    read_again(path, found, rows, make_classifier(network), done.append)
    assert network.passes == [3] * 6 + [2]
    assert done == sorted(done)

    def stop(n):
        raise KeyboardInterrupt(n)

    with pytest.raises(KeyboardInterrupt):
        read_again(path, found, rows, make_classifier(), stop)


def test_a_video_that_ends_earlier_than_before_is_an_error(result):
    path, found = result
    rows = choose_readings(found.frames).assign(frame=99)
    with pytest.raises(VideoDecodeError, match="decoded again"):
        read_again(path, found, rows, make_classifier(), print)
