"""Model cards: facts that hold together, lookups that name what there is, a round trip as JSON."""

import json
import re
from dataclasses import replace

import pytest

from emotion_core.errors import UnknownModelError, WeightsMismatchError
from emotion_core.models.card import ModelCard, Preprocessing, Task, WeightFile
from emotion_core.models.registry import (
    ARCFACE_TEMPLATE,
    CARDS,
    candidates,
    cards_for,
    find_any,
    find_card,
)
from tests.factories import make_emotion_card

COMMIT = "a" * 40


@pytest.mark.parametrize("card", CARDS.values(), ids=list(CARDS))
def test_released_cards_are_complete(card):
    assert card.licence
    assert card.source
    assert CARDS[card.name] is card
    assert card.is_local == (card.repo_id is None)
    if card.repo_id:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", card.repo_id)
        assert card.weights.size_bytes
    assert card.revision is None or re.fullmatch(r"[0-9a-f]{40}", card.revision)
    assert card.architecture != "transformers", "labels and hash would not be known"
    assert (card.preprocessing is None) == (card.task is Task.DETECTION)


@pytest.mark.parametrize("task", Task)
def test_there_is_a_default(task):
    assert candidates(task)
    assert {c.name for c in candidates(task)} <= {c.name for c in cards_for(task)}
    assert all(card.task is task for card in cards_for(task))


def test_the_defaults_are_tried_in_this_order():
    assert [card.name for card in candidates(Task.DETECTION)] == ["yunet", "emoscope-face-s"]
    own = ["emoscope-fer-m", "emoscope-fer-s"]
    assert [card.name for card in candidates(Task.EMOTION)][:2] == own


@pytest.mark.parametrize("task", Task)
def test_own_networks_are_listed_first(task):
    local = [card.is_local for card in cards_for(task)]
    assert local == sorted(local, reverse=True)


@pytest.mark.parametrize("name", ["", "no-such", "YUNET"])
def test_unknown_name_lists_what_there_is(name):
    with pytest.raises(UnknownModelError, match=f"no detection model named '{name}'.*yunet"):
        find_card(name, Task.DETECTION)
    with pytest.raises(UnknownModelError, match=f"no model '{name}'.*yunet"):
        find_any(name)


def test_a_detector_is_no_emotion_network():
    assert find_card("yunet", Task.DETECTION) is find_any("yunet")
    with pytest.raises(UnknownModelError, match="no emotion model named 'yunet'"):
        find_card("yunet", Task.EMOTION)


def test_what_recognises_faces_is_for_nothing_else():
    assert [card.name for card in cards_for(Task.EMBEDDING)] == ["sface"]
    with pytest.raises(UnknownModelError, match="no emotion model named 'sface'"):
        find_card("sface", Task.EMOTION)
    with pytest.raises(UnknownModelError, match="no detection model named 'sface'"):
        find_card("sface", Task.DETECTION)


@pytest.mark.parametrize(
    "card",
    [
        make_emotion_card(),
        make_emotion_card(
            preprocessing=Preprocessing(112, (1.0, 2.0, 3.0), (1.0,) * 3, 0.1, ARCFACE_TEMPLATE),
            torch_weights=WeightFile("tiny.safetensors", "2" * 64, 5),
            temperature=1.5,
            has_va=True,
            metrics={"made-up accuracy": 0.5},
            note="Café.",
        ),
        *CARDS.values(),
    ],
    ids=lambda card: card.name,
)
def test_published_card_comes_back(card):
    back = ModelCard.from_json(card.to_json(), repo_id="owner/name", revision=COMMIT)
    assert back == replace(card, repo_id="owner/name", revision=COMMIT)


def _without(key):
    fields = json.loads(make_emotion_card().to_json())
    del fields[key]
    return json.dumps(fields)


def _with(**changes):
    return json.dumps(json.loads(make_emotion_card().to_json()) | changes)


def _with_input(**changes):
    return _with(preprocessing=json.loads(_with())["preprocessing"] | changes)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="no JSON"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param(_without("weights"), id="no weights"),
        pytest.param(_without("labels"), id="no labels"),
        pytest.param(_with(labels=["happy", "glee"]), id="unknown label"),
        pytest.param(_with(labels=3), id="labels a number"),
        pytest.param(_with(labels=[3]), id="label a number"),
        pytest.param(_with(task="tracking"), id="unknown task"),
        pytest.param(_with(weights={"filename": "x", "sha256": "1"}), id="short hash"),
        pytest.param(_with(weights="x"), id="weights a word"),
        pytest.param(_with(preprocessing=None), id="no preprocessing"),
        pytest.param(_with(temperature=0), id="temperature 0"),
        pytest.param(_with(name=["x"]), id="name a list"),
        pytest.param(_with(weights={"filename": 7, "sha256": "0" * 64}), id="file name a number"),
        pytest.param(_with(has_va="yes"), id="yes a word"),
        pytest.param(_with(metrics={"accuracy": "good"}), id="metrics words"),
        pytest.param(_with_input(size_px=10**6), id="input of a terapixel"),
        pytest.param(_with_input(mean=[float("nan")]), id="mean NaN"),
        pytest.param(_with_input(margin=float("inf")), id="endless margin"),
        pytest.param(_with_input(template=[[0.5, 0.5]]), id="one landmark"),
        pytest.param(_with(surprise=1), id="unknown field"),
    ],
)
def test_unreadable_card_is_refused(text):
    with pytest.raises(WeightsMismatchError, match="owner/name at aaaaaaaaaaaa holds no readable"):
        ModelCard.from_json(text, repo_id="owner/name", revision=COMMIT)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: WeightFile("f", "A" * 64), "64 lower-case hex", id="upper case"),
        pytest.param(lambda: Preprocessing(0, (0.0,), (1.0,)), "size_px must be", id="size 0"),
        pytest.param(lambda: Preprocessing(8, (0.0,), (1.0,), -0.1), "margin not neg", id="margin"),
        pytest.param(lambda: Preprocessing(8, (0.0,) * 2, (1.0,) * 2), "one .grey.", id="two"),
        pytest.param(lambda: Preprocessing(8, (0.0,), (0.0,)), "std positive", id="std 0"),
        pytest.param(lambda: make_emotion_card(labels=()), "needs labels", id="no labels"),
        pytest.param(
            lambda: make_emotion_card(task=Task.EMBEDDING, preprocessing=None),
            "an embedding network needs preprocessing",
            id="no input",
        ),
        pytest.param(lambda: make_emotion_card(temperature=0), "must be positive", id="temp"),
    ],
)
def test_impossible_facts_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
