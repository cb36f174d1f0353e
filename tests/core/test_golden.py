"""What ships gives what it gave: fixed pictures, fixed answers, on every way through the code."""

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from emotion_core.analyzer import load_analyzer
from emotion_core.catalog import CARDS, candidates
from emotion_core.classifier import EmotionClassifier
from emotion_core.detector import BatchedFaceNetwork, FaceDetector
from emotion_core.face_network import load_face_network
from emotion_core.images import decode_image
from emotion_core.labels import Emotion
from emotion_core.model_card import Task
from emotion_core.models import load_network
from emotion_core.preprocess import crop_faces
from emotion_core.runtime import OnnxNetwork, TorchNetwork
from emotion_core.types import Faces
from emotion_core.weights import WEIGHTS_DIR, verify

LOCAL = [card for card in CARDS.values() if card.is_local]
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
FACE = Faces(
    np.array([[179, 75, 269, 182]], np.float32),
    np.array([0.9], np.float32),
    np.array([[[203, 117], [246, 116], [226, 138], [208, 156], [244, 155]]], np.float32),
)
PROBABILITIES = [0.4399, 0.5445, 0.0049, 0.0011, 0.0001, 0.0001, 0.0014, 0.0015, 0.0065]
BOXES = [(180.5, 74.3, 269.5, 180.9)]
SCORES = [0.8485]


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
    assert {path.name for path in WEIGHTS_DIR.iterdir()} == known


def make_network(card, way, device):
    if way == "onnx":
        return OnnxNetwork(WEIGHTS_DIR / card.weights.filename)
    load = load_network if card.task is Task.EMOTION else load_face_network
    return TorchNetwork(load(WEIGHTS_DIR / card.torch_weights.filename), device)


WAYS = [("onnx", "cpu"), ("torch", "cpu"), pytest.param("torch", "cuda", marks=NO_GPU)]


@pytest.mark.parametrize(("way", "device"), WAYS)
def test_emotion_network(portrait, way, device):
    """A fixed crop gives fixed probabilities; its mouth is covered, so that they are not 0 or 1."""
    card = CARDS["emoscope-fer-s"]
    classifier = EmotionClassifier(make_network(card, way, device), card)
    crops = crop_faces(portrait, FACE, card.preprocessing)
    crops[:, 28:] = 127
    read = classifier.classify_crops(crops)
    tolerance = 1e-3 if device == "cpu" else 0.03
    np.testing.assert_allclose(read.probabilities[0], PROBABILITIES, atol=tolerance)


@pytest.mark.parametrize(("way", "device"), WAYS)
def test_face_network(portrait, way, device):
    """A fixed picture gives a fixed face."""
    card = CARDS["emoscope-face-s"]
    detector = FaceDetector(BatchedFaceNetwork(make_network(card, way, device)), card)
    (faces,) = detector.detect([portrait])
    np.testing.assert_allclose(faces.boxes, BOXES, atol=0.5 if device == "cpu" else 3)
    np.testing.assert_allclose(faces.scores, SCORES, atol=1e-3 if device == "cpu" else 0.03)


def test_the_whole_core_without_a_network(portrait, monkeypatch, tmp_path):
    """What a visitor gets on a machine that reaches no Hub."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    analyzer = load_analyzer(candidates(Task.EMOTION), candidates(Task.DETECTION), device="cpu")
    (analysis,) = analyzer.analyze([portrait])
    assert analyzer.info.emotion.name == "emoscope-fer-s"
    assert analyzer.info.detector.name == "emoscope-face-s"
    (notice,) = analyzer.info.notices
    assert "HF_HUB_OFFLINE" in notice
    assert notice.endswith("Using emoscope-face-s instead of yunet.")
    best = int(analysis.faces.scores.argmax())
    assert analysis.predictions.top[best] is Emotion.HAPPINESS
    assert analysis.predictions.valence[best] > 0.8
