"""Posed material: one shift of the logits, told wherever results are cited."""

import json
import math

import numpy as np
import pytest

from emotion_core.errors import EmotionError
from emotion_core.labels import Emotion
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.card import ModelCard
from emotion_core.models.material import POSED_STRENGTH
from emotion_core.models.registry import find_any
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.serving.schema import info_from_json, info_to_wire
from tests.factories import FakeNetwork, make_emotion_card, make_faces, make_image

SHARES = (0.2, 0.01, 0.02, 0.4, 0.3, 0.05, 0.02)


def test_posed_material_multiplies_probabilities_by_a_power_of_the_shares():
    everyday = make_emotion_card(class_shares=SHARES)
    posed = everyday.for_material("posed")
    image, faces = make_image(), make_faces([(2, 2, 40, 40)])
    before, after = (
        EmotionClassifier(FakeNetwork(), card).classify([image], [faces])[0].probabilities
        for card in (everyday, posed)
    )
    expected = before * np.float32(SHARES) ** -POSED_STRENGTH
    np.testing.assert_allclose(after, expected / expected.sum(), rtol=1e-3)


def test_uncertain_keeps_its_place():
    card = find_any("emoscope-fer-m").for_material("posed")
    shift = dict(zip(card.labels, card.logit_shift, strict=True))
    assert shift[Emotion.UNCERTAIN] == 0
    assert math.isclose(sum(shift.values()), 0, abs_tol=1e-9)
    assert shift[Emotion.CONTEMPT] > 0 > shift[Emotion.NEUTRAL]


def test_everyday_material_shifts_nothing():
    assert set(make_emotion_card(class_shares=SHARES).logit_shift) == {0}


def test_a_network_whose_shares_are_unknown_is_refused():
    with pytest.raises(EmotionError, match="tiny can only be used as it was trained"):
        make_emotion_card().for_material("posed")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"material": "strange"}, "no material 'strange'"),
        ({"class_shares": (0.5, 0.5)}, "a share per label"),
        ({"class_shares": (0.0,) * 7}, "above 0"),
    ],
)
def test_wrong_facts_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_emotion_card(**changes)


def test_results_cite_the_material():
    analyzer = load_analyzer("emoscope-fer-s", "emoscope-face-s", device="cpu", material="posed")
    card = analyzer.info.emotion
    assert card.version.endswith("(posed material)")
    assert analyzer.analyze([make_image()])[0].model == "emoscope-fer-s (posed material)"
    sent = json.dumps(info_to_wire(analyzer.info)).encode()
    assert info_from_json(sent).emotion.logit_shift == card.logit_shift


def test_cards_of_before_have_no_shares():
    fields = make_emotion_card().to_fields()
    del fields["class_shares"], fields["material"]
    card = ModelCard.from_json(json.dumps(fields), repo_id="a/b", revision="c")
    assert (card.class_shares, card.material) == ((), "everyday")
