"""What ships gives what it gave: fixed images, fixed answers, on every way through the code."""

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from emotion_core.actions import ACTIONS
from emotion_core.imaging.codec import decode_image
from emotion_core.labels import Emotion
from emotion_core.local_analyzer import load_analyzer, make_detector
from emotion_core.models.card import Task
from emotion_core.models.download import WEIGHTS_DIR, verify
from emotion_core.models.registry import CARDS, candidates
from emotion_core.models.runtime import OnnxNetwork, TorchNetwork
from emotion_core.networks.architectures import find_architecture
from emotion_core.networks.emotion_net import load_network
from emotion_core.recognition.alignment import crop_faces
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.training.datasets.image_sources import ArrayImages
from emotion_core.types import Faces, VaSource

LOCAL = [card for card in CARDS.values() if card.is_local]
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
FACE = Faces(
    np.array([[179, 75, 269, 182]], np.float32),
    np.array([0.9], np.float32),
    np.array([[[203, 117], [246, 116], [226, 138], [208, 156], [244, 155]]], np.float32),
)
EMOTIONS = {
    "emoscope-fer-s": (
        [0.5572, 0.4207, 0.0097, 0.0065, 0.0015, 0.0000, 0.0001, 0.0005, 0.0039],
        (0.3728, 0.2133),
    ),
    "emoscope-fer-m": (
        [0.9583, 0.0116, 0.0172, 0.0068, 0.0008, 0.0001, 0.0011, 0.0034, 0.0007],
        (0.0128, -0.1053),
    ),
}
"""Probabilities, and valence and arousal, of the portrait whose lower half is covered."""

BROW_INNER_UP, PITCH_DEG = 0.320, -8.42
BOXES = [(177.7, 66.1, 270.9, 177.2)]
SCORES = [0.8596]


@pytest.fixture(scope="module")
def portrait(request):
    path = request.config.rootpath / "streamlit_app" / "assets" / "astronaut.jpg"
    return decode_image(path.read_bytes()).pixels


@pytest.mark.parametrize("card", LOCAL, ids=lambda card: card.name)
def test_shipped_files_are_what_their_cards_say(card):
    for file in (card.weights, card.torch_weights):
        if file:
            assert verify(card, file).path.stat().st_size == file.size_bytes
    assert (
        (WEIGHTS_DIR / f"{card.name}.md").read_text(encoding="utf-8").startswith(f"# {card.name}")
    )


def test_nothing_else_lies_in_weights():
    files = {f.filename for c in LOCAL for f in (c.weights, c.torch_weights) if f}
    known = files | {f"{card.name}.md" for card in LOCAL}
    known |= {f"{name}-calibration.svg" for name in EMOTIONS}
    assert {path.name for path in WEIGHTS_DIR.iterdir()} == known


def make_network(card, way, device):
    if way == "onnx":
        return OnnxNetwork(WEIGHTS_DIR / card.weights.filename)
    return TorchNetwork(load_network(WEIGHTS_DIR / card.torch_weights.filename), device)


WAYS = [("onnx", "cpu"), ("torch", "cpu"), pytest.param("torch", "cuda", marks=NO_GPU)]


@pytest.mark.parametrize("name", EMOTIONS)
@pytest.mark.parametrize(("way", "device"), WAYS)
def test_emotion_network(portrait, name, way, device):
    """A fixed crop gives fixed readings."""
    card = CARDS[name]
    classifier = EmotionClassifier(make_network(card, way, device), card)
    read, pitch_deg = classifier.read_crops(make_crop(portrait, card))
    probabilities, va = EMOTIONS[name]
    tolerance = 1e-3 if device == "cpu" else 0.03
    np.testing.assert_allclose(read.probabilities[0], probabilities, atol=tolerance)
    assert read.va_source is VaSource.HEAD
    np.testing.assert_allclose((read.valence[0], read.arousal[0]), va, atol=tolerance)
    if card.has_actions:
        told = (read.actions[0, ACTIONS.index("browInnerUp")], pitch_deg[0])
        np.testing.assert_allclose(told, (BROW_INNER_UP, PITCH_DEG), atol=30 * tolerance)


def make_crop(portrait, card):
    """The lower half is covered, so that the probabilities are not 0 or 1."""
    crops = crop_faces(portrait, FACE, card.preprocessing)
    crops[:, crops.shape[1] * 3 // 8 :] = 127
    return crops


def test_emotion_network_as_training_feeds_it(portrait):
    """The same crop, read and normalised as the training loop does it: grey in whole numbers."""
    card = CARDS["emoscope-fer-s"]
    architecture = find_architecture("small-face-net")
    images = ArrayImages(make_crop(portrait, card))
    grey = images.load(np.array([0]), 48, architecture.channels)  # (1, 48, 48, 1)
    planes = torch.from_numpy(grey).permute(0, 3, 1, 2).float()
    planes = (planes - architecture.mean[0]) / architecture.std[0]
    network = load_network(WEIGHTS_DIR / card.torch_weights.filename)
    with torch.inference_mode():
        logits, va = network(planes)
    probabilities = torch.softmax(logits / card.temperature, dim=1)
    expected, expected_va = EMOTIONS[card.name]
    np.testing.assert_allclose(probabilities[0], expected, atol=6e-3)
    np.testing.assert_allclose(va[0], expected_va, atol=6e-3)


@pytest.mark.parametrize(("way", "device"), WAYS)
def test_face_network(portrait, way, device):
    """A fixed image gives a fixed face."""
    card = CARDS["emoscope-face-s"]
    file = card.weights if way == "onnx" else card.torch_weights
    detector = make_detector(card, WEIGHTS_DIR / file.filename, device)
    (faces,) = detector.detect([portrait])
    np.testing.assert_allclose(faces.boxes, BOXES, atol=0.5 if device == "cpu" else 3)
    np.testing.assert_allclose(faces.scores, SCORES, atol=1e-3 if device == "cpu" else 0.03)


def test_the_whole_core_without_a_network(portrait, monkeypatch, tmp_path):
    """What a visitor gets on a machine that reaches no Hub."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    analyzer = load_analyzer(candidates(Task.EMOTION), candidates(Task.DETECTION), device="cpu")
    (analysis,) = analyzer.analyze([portrait])
    assert analyzer.info.emotion.name == "emoscope-fer-m"
    assert analyzer.info.detector.name == "emoscope-face-s"
    (notice,) = analyzer.info.notices
    assert "HF_HUB_OFFLINE" in notice
    assert notice.endswith("Using emoscope-face-s instead of yunet.")
    best = int(analysis.faces.scores.argmax())
    assert analysis.predictions.top[best] is Emotion.HAPPINESS
    assert analysis.predictions.valence[best] > 0.7
