"""The core around fakes, and how the parts of the real one are chosen and loaded."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from emotion_core import local_analyzer as module
from emotion_core.analyzer import to_region
from emotion_core.errors import (
    EmotionError,
    ImageDecodeError,
    UnknownModelError,
    WeightsMismatchError,
    WeightsUnavailableError,
)
from emotion_core.local_analyzer import LocalAnalyzer, load_analyzer
from emotion_core.models.download import FetchedFile
from emotion_core.types import AnalyzeOptions, VaSource
from tests.factories import (
    SEVEN,
    FakeDetector,
    make_classifier_onnx,
    make_detector_card,
    make_emotion_card,
    make_face_onnx,
    make_fake_analyzer,
    make_image,
)


def make_counting_image(n_faces, width=64, height=48, seed=0):
    image = make_image(width, height, seed)
    image[0, 0, 0] = n_faces
    return image


def test_one_analysis_per_image_in_order():
    images = [make_counting_image(n, 60 + n) for n in (2, 0, 5)]
    analyses = make_fake_analyzer().analyze(images)
    assert [len(a) for a in analyses] == [2, 0, 5]
    assert [a.size_wh for a in analyses] == [(62, 48), (60, 48), (65, 48)]
    assert {a.model for a in analyses} == {"tiny"}
    assert all(a.time_s >= 0 for a in analyses)


def test_nothing_and_one_pixel():
    detector = FakeDetector()
    assert make_fake_analyzer(detector).analyze([]) == []
    assert detector.calls == []
    (analysis,) = make_fake_analyzer().analyze([np.zeros((1, 1, 3), np.uint8)])
    assert (len(analysis), analysis.size_wh) == (0, (1, 1))


def test_threshold_and_least_size_reach_the_detector():
    detector = FakeDetector()
    make_fake_analyzer(detector).analyze(
        [make_image()], AnalyzeOptions(min_score=0.25, min_face_px=40)
    )
    assert (detector.calls, detector.least_sides) == ([0.25], [40])


def test_only_a_region_is_searched_and_only_the_largest_face_counts():
    image = make_image(64, 48)
    image[10, 20, 0] = 2  # two faces side by side in the region
    (part,) = make_fake_analyzer().analyze([image], AnalyzeOptions(region=(20, 10, 30, 100)))
    assert part.size_wh == (64, 48)
    np.testing.assert_allclose(part.faces.boxes, [(20, 10, 35, 48), (35, 10, 50, 48)])
    image[0, 0, 0] = 3
    options = AnalyzeOptions(largest_only=True)
    (largest,) = make_fake_analyzer().analyze([image], options)
    (every,) = make_fake_analyzer().analyze([image])
    assert (len(largest), len(every)) == (1, 3)
    assert len(options.select(every)) == 1  # as if all were found to be blurred
    assert len(AnalyzeOptions(region=(0, 0, 25, 48)).select(every)) == 1
    with pytest.raises(ImageDecodeError, match="outside of the image of 64 x 48 pixels"):
        make_fake_analyzer().analyze([image], AnalyzeOptions(region=(64, 0, 9, 9)))


@pytest.mark.parametrize("text", ["", "1,2,3", "0,0,0,9", "a,b,c,d", "-1,0,5,5", "1,2,3,4,5"])
def test_a_region_is_four_numbers(text):
    assert to_region(" 1, 2,3,4") == (1, 2, 3, 4)
    with pytest.raises(EmotionError, match="x,y,width,height"):
        to_region(text)


def test_eight_threads_get_the_same_results():
    analyzer = make_fake_analyzer()
    images = [make_counting_image(n, seed=n) for n in range(5)]
    expected = [a.predictions.probabilities for a in analyzer.analyze(images)]
    barrier = threading.Barrier(8)

    def run(seed):
        order = np.random.default_rng(seed).permutation(5)
        barrier.wait(timeout=10)
        return order, [analyzer.analyze([images[i] for i in order]) for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        for order, rounds in pool.map(run, range(8)):
            for found in rounds:
                for i, analysis in zip(order, found, strict=True):
                    assert np.array_equal(analysis.predictions.probabilities, expected[i])


# Loading

FACES = make_detector_card(name="faces", architecture="onnx")
EMOTION = make_emotion_card()


@pytest.fixture
def files(tmp_path: Path, monkeypatch) -> dict[str, EmotionError | Path]:
    """What fetching gives for each card: a path, or an error that is raised."""
    (tmp_path / "emotion.onnx").write_bytes(make_classifier_onnx("fixed"))
    (tmp_path / "faces.onnx").write_bytes(make_face_onnx())
    known: dict[str, EmotionError | Path] = {
        "tiny": tmp_path / "emotion.onnx",
        "faces": tmp_path / "faces.onnx",
        "far": WeightsUnavailableError("The Hub cannot be reached."),
        "bad": WeightsMismatchError("far.onnx is not the file."),
    }

    def fetch(card, file=None, *, on_progress=None):
        if on_progress:
            on_progress(card.name, 1, 1)
        found = known[card.name]
        if isinstance(found, EmotionError):
            raise found
        return FetchedFile(found, f"ships with the project: {file.filename}")

    monkeypatch.setattr(module, "fetch", fetch)
    return known


@pytest.mark.usefixtures("files")
def test_loaded_networks_work_together():
    steps = []
    analyzer = load_analyzer(
        [EMOTION], [FACES], device="cpu", on_progress=lambda *step: steps.append(step)
    )
    assert isinstance(analyzer, LocalAnalyzer)
    image = np.zeros((640, 640, 3), np.uint8)
    image[100, 100] = 255
    with_two, without = analyzer.analyze([image, np.zeros_like(image)])
    assert (len(with_two), len(without)) == (2, 0)
    assert with_two.predictions.labels == SEVEN
    assert with_two.predictions.va_source is VaSource.EXPECTATION
    assert steps == [("faces", 1, 1), ("tiny", 1, 1)]
    info = analyzer.info
    assert (info.emotion, info.detector, info.device, info.notices) == (EMOTION, FACES, "cpu", ())
    assert info.origins == (
        "faces: ships with the project: tiny-faces.onnx",
        "tiny: ships with the project: tiny.onnx",
    )


@pytest.mark.usefixtures("files")
def test_next_candidate_is_taken_with_a_notice():
    far_emotion, far_faces = make_emotion_card(name="far"), make_detector_card(name="far")
    info = load_analyzer([far_emotion, EMOTION], [far_faces, FACES], device="cpu").info
    assert (info.emotion.name, info.detector.name) == ("tiny", "faces")
    assert info.notices == tuple(
        f"The Hub cannot be reached. Using {name} instead of far." for name in ("faces", "tiny")
    )


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("emotion", "error", "message"),
    [
        pytest.param(["far"], WeightsUnavailableError, "Hub cannot be reached", id="one, far"),
        pytest.param(
            ["far", "far"], WeightsUnavailableError, "Hub cannot be reached", id="two, far"
        ),
        pytest.param(["bad", "tiny"], WeightsMismatchError, "is not the file", id="wrong hash"),
        pytest.param([], UnknownModelError, "No model was named", id="none"),
    ],
)
def test_without_a_network_there_is_no_analyzer(emotion, error, message):
    with pytest.raises(error, match=message):
        load_analyzer([make_emotion_card(name=name) for name in emotion], [FACES], device="cpu")


def test_device_is_checked_before_anything_is_fetched(files):
    files.clear()
    with pytest.raises(EmotionError, match="There is no device 'tpu'"):
        load_analyzer([EMOTION], [FACES], device="tpu")


def test_opencv_detector_is_loaded(files, yunet_path):
    files["tiny-faces"] = yunet_path
    analyzer = load_analyzer([EMOTION], [make_detector_card()], device="cpu")
    assert len(analyzer.analyze([np.zeros((1, 1, 3), np.uint8)])[0]) == 0
