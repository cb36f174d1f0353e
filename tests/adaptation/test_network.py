"""The files of an adapted network, made from one that ships."""

import numpy as np
import pytest

from emotion_core.adaptation.adapt import Adaptation
from emotion_core.adaptation.faces import make_labelled_faces
from emotion_core.adaptation.network import load_base
from emotion_core.adaptation.write import write_adapted
from emotion_core.errors import EmotionError, WeightsMismatchError
from emotion_core.models.card import ModelCard
from emotion_core.models.local import read_released_card
from emotion_core.training.emotion.load import load_model
from emotion_core.training.evaluation.metrics import to_metrics
from tests.adaptation.happier import make_happier
from tests.factories import make_faces, make_image


@pytest.fixture(scope="module")
def base():
    return load_base("emoscope-fer-s")


@pytest.fixture(scope="module")
def adapted(base, tmp_path_factory):
    found = make_happier(base)
    path = tmp_path_factory.mktemp("mine") / "my-study.safetensors"
    write_adapted(base, found, path)
    return path, found.head


FACE, IMAGE = make_faces([(4, 4, 60, 60)], landmarks=True), make_image(64, 64)


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
def test_both_files_read_as_the_adapted_layer_does(base, adapted, suffix):
    path, head = adapted
    read = load_model(str(path.with_suffix(suffix)), "cpu").classifier.classify([IMAGE], [FACE])[0]
    features = base.read_features(IMAGE, FACE)
    powers = np.exp(head.to_scaled_logits(features))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(read.probabilities, expected, atol=1e-4)
    va = head.to_va(features)[0]
    np.testing.assert_allclose([read.valence[0], read.arousal[0]], va, atol=1e-4)


def test_its_own_layer_reads_as_the_network_does(base):
    read = load_model("emoscope-fer-s", "cpu").classifier.classify([IMAGE], [FACE])[0]
    powers = np.exp(base.head.to_scaled_logits(base.read_features(IMAGE, FACE)))
    np.testing.assert_allclose(read.probabilities, powers / powers.sum(), atol=1e-4)


def test_the_card_tells_what_it_was_adapted_from(base, adapted):
    card = read_released_card(adapted[0])
    assert card.name == "my-study"
    assert card.temperature == 0.9
    assert card.note == "Adapted from emoscope-fer-s to 7 labels of 5 people or photos."
    assert base.card.weights.sha256 in card.source
    own = card.weights.sha256[:16]  # another one may have the same name, base and number of labels
    told = f"my-study {own} (adapted from emoscope-fer-s {base.card.weights.sha256[:16]}, 7 labels)"
    assert card.title == told
    sent = ModelCard.from_json(card.to_json(), repo_id="", revision="")
    assert (sent.title, sent.adapted) == (told, card.adapted)
    assert card.torch_weights is not None
    assert "whose last layer was adapted" in adapted[0].with_suffix(".md").read_text()


def test_an_adapted_network_can_be_adapted_again(adapted):
    path, head = adapted
    again = load_base(str(path.with_suffix(".onnx")))
    np.testing.assert_allclose(again.head.bias, head.bias)


def test_other_networks_and_lone_files_are_refused(adapted, tmp_path):
    graph = tmp_path / "lone.onnx"
    graph.write_bytes(adapted[0].with_suffix(".onnx").read_bytes())
    with pytest.raises(WeightsMismatchError, match=r"lone.onnx cannot be adapted.*beside"):
        load_base(str(graph))


def test_a_refused_adaptation_writes_nothing(base, tmp_path):
    nothing = make_labelled_faces([], np.empty((0, 192), np.float32)).truth
    figures = to_metrics(np.empty((0, 9), np.float32), np.empty((0, 2), np.float32), nothing)
    refused = Adaptation(
        base.head, "balanced", (), ("No use.",), {}, (0, 0), 0, figures, figures, ()
    )
    with pytest.raises(EmotionError, match="No use"):
        write_adapted(base, refused, tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())
