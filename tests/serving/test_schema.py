import copy
import json
import tracemalloc

import numpy as np
import pytest

from emotion_core.errors import RemoteError
from emotion_core.models.card import AnalyzerInfo, Task
from emotion_core.models.registry import CARDS, cards_for
from emotion_core.serving.schema import (
    analysis_from_json,
    analysis_to_wire,
    info_from_json,
    info_to_wire,
)
from emotion_core.serving.strict_json import parse_json
from emotion_core.serving.v1_protocol import PredictFormatError, read_instances
from emotion_core.types import Analysis, Faces
from tests.factories import make_analysis, make_faces, make_predictions, make_quality

ANALYZED = (Task.EMOTION, Task.DETECTION)
BOXES = [(4.25, 4, 20, 24.5), (30, 5, 50, 40)]


def to_bytes(content):
    return json.dumps(content).encode()


def make_wire(boxes=BOXES):
    return analysis_to_wire(make_analysis(boxes), server_ms=3.14159, warnings=["Odd."])


def make_rich_analysis():
    plain = make_faces(BOXES, landmarks=True)
    tracks, hidden = np.array([7, 2], np.int64), np.array([False, True])
    faces = Faces(plain.boxes, plain.scores, plain.landmarks, tracks, hidden)
    quality = make_quality(["", "cut off, covered"])
    quality.pose_deg[1] = np.nan
    read = make_predictions(2, has_actions=True)
    return Analysis((64, 48), faces, read, "tiny", 0.0125, quality)


@pytest.mark.parametrize(
    "analysis",
    [make_analysis(), make_analysis(BOXES), make_rich_analysis()],
    ids=["no face", "two faces", "landmarks and tracks"],
)
def test_an_analysis_comes_back_as_it_was_to_the_last_bit(analysis):
    back = analysis_from_json(to_bytes(analysis_to_wire(analysis, server_ms=1)))
    assert (back.size_wh, back.model) == (analysis.size_wh, analysis.model)
    assert back.time_s == pytest.approx(analysis.time_s)
    for part, names in (
        ("faces", ("boxes", "scores", "landmarks", "track_ids", "is_hidden_only")),
        ("predictions", ("probabilities", "valence", "arousal", "actions")),
        ("quality", ("pose_deg", "sharpness", "brightness", "quality", "flags")),
    ):
        for name in names:
            before = getattr(getattr(analysis, part), name, None)
            after = getattr(getattr(back, part), name, None)
            if before is None:
                assert after is None
            else:
                assert after.dtype == before.dtype
                np.testing.assert_array_equal(after, before)
    assert back.predictions.labels == analysis.predictions.labels
    assert back.predictions.va_source is analysis.predictions.va_source


def test_an_earlier_server_tells_no_quality():
    wire = make_wire()
    del wire["quality"]
    back = analysis_from_json(to_bytes(wire))
    assert back.quality is None
    assert back.is_usable.all()


def test_unknown_fields_are_ignored():
    assert len(analysis_from_json(to_bytes({**make_wire(), "news": [1]}))) == 2


@pytest.mark.parametrize("name", [c.name for task in ANALYZED for c in cards_for(task)])
def test_every_card_comes_back_as_it_was(name):
    card = CARDS[name]
    emotion = card if card.labels else CARDS["emoscope-fer-s"]
    detector = CARDS["yunet"] if card.labels else card
    info = AnalyzerInfo(emotion, detector, "cuda", ("From here.",), ("Not there.",))
    assert info_from_json(to_bytes(info_to_wire(info))) == info


def change(path, value):
    """A wire form with one value changed; with ``KeyError`` it is left out."""
    content = copy.deepcopy(make_wire())
    *way, last = path.split(".")
    place = content
    for step in way:
        place = place[step]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return to_bytes(content)


HOSTILE = {
    "empty": b"",
    "not JSON": b"<html>Please log in</html>",
    "not UTF-8": b"\xff\xfe",
    "a list": b"[]",
    "a number": b"1",
    "nested deeply": b'{"version":' + b"[" * 100_000,
    "NaN": json.dumps({**make_wire(), "time_s": float("nan")}).encode(),
    "thousands of digits": b'{"version": ' + b"9" * 5000 + b"}",
    "another version": change("version", 2),
    "no version": change("version", KeyError),
    "no faces": change("faces", KeyError),
    "faces are a list": change("faces", []),
    "no boxes": change("faces.boxes", KeyError),
    "boxes are text": change("faces.boxes", "xyxy"),
    "boxes hold text": change("faces.boxes", [["1", "2", "3", "4"]] * 2),
    "ragged boxes": change("faces.boxes", [[1, 2, 3, 4], [1, 2]]),
    "three numbers a box": change("faces.boxes", [[1, 2, 3]] * 2),
    "boxes turned round": change("faces.boxes", [[20, 4, 4, 24]] * 2),
    "a box beyond the image": change("faces.boxes", [[0, 0, 1, 1e30]] * 2),
    "a box that begins before it": change("faces.boxes", [[-1, 0, 1, 1]] * 2),
    "an infinite box": to_bytes(make_wire()).replace(b"4.25", b"1e999"),
    "a number beyond float32": change("faces.boxes", [[0, 0, 1, 1e39]] * 2),
    "a huge whole number": change("faces.boxes", [[0, 0, 1, 10**400]] * 2),
    "one score too few": change("faces.scores", [0.5]),
    "a score above 1": change("faces.scores", [0.5, 1.5]),
    "a number for whether a face is hidden": change("faces.is_hidden_only", [1, 0]),
    "true as a score": change("faces.scores", [True, False]),
    "four landmarks": change("faces.landmarks", [[[0, 0]] * 4] * 2),
    "no landmarks' field": change("faces.landmarks", KeyError),
    "fractions of tracks": change("faces.track_ids", [1.5, 2]),
    "tracks beyond 64 bits": change("faces.track_ids", [1, 2**70]),
    "an unknown emotion": change("predictions.labels", ["boredom"] * 7),
    "an emotion twice": change("predictions.labels", ["fear"] * 7),
    "labels are numbers": change("predictions.labels", [1, 2, 3, 4, 5, 6, 7]),
    "no labels": change("predictions.labels", []),
    "probabilities of one": change("predictions.probabilities", [[1, 0, 0, 0, 0, 0, 0]]),
    "probabilities sum to 2": change("predictions.probabilities", [[2, 0, 0, 0, 0, 0, 0]] * 2),
    "valence beyond 1": change("predictions.valence", [1.5, 0]),
    "no arousal": change("predictions.arousal", KeyError),
    "another source": change("predictions.va_source", "guess"),
    "no pixels": change("size_wh", [0, 48]),
    "half a pixel": change("size_wh", [64.5, 48]),
    "three sides": change("size_wh", [64, 48, 3]),
    "endless sides": change("size_wh", [10**30, 48]),
    "the model is a number": change("model", 5),
    "time is text": change("time_s", "long"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_analysis_is_refused_in_a_sentence(data):
    with pytest.raises(RemoteError, match="response is not valid") as caught:
        analysis_from_json(data)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("read", "make"),
    [
        (read_instances, lambda words: {"instances": [words]}),
        (analysis_from_json, lambda words: json.loads(change("faces.boxes", words))),
    ],
    ids=["crop", "boxes"],
)
def test_a_long_word_among_many_costs_no_more_than_itself(read, make):
    data = to_bytes(make(["x" * 10_000, *["a"] * 1000]))
    tracemalloc.start()
    try:
        with pytest.raises((PredictFormatError, RemoteError)):
            read(data)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 2_000_000  # 40 MB, were it an array of text


def make_info_wire(**changes):
    emotion, detector = CARDS["emoscope-fer-s"], CARDS["yunet"]
    return {**info_to_wire(AnalyzerInfo(emotion, detector, "cpu")), **changes}


def with_card(**changes):
    return make_info_wire(emotion={**make_info_wire()["emotion"], **changes})


@pytest.mark.parametrize(
    "content",
    [
        [],
        make_info_wire(version=0),
        make_info_wire(device="toaster"),
        make_info_wire(origins="here"),
        make_info_wire(notices=[1]),
        make_info_wire(emotion=None),
        make_info_wire(detector=make_info_wire()["emotion"]),
        with_card(name=["x"]),
        with_card(repo_id=7),
        with_card(labels=["boredom"]),
        with_card(metrics={"accuracy": "good"}),
        with_card(weights={"filename": "x", "sha256": "short"}),
        with_card(temperature=-1),
        with_card(surprise=1),
        with_card(preprocessing=None),
    ],
    ids=range(15),
)
def test_what_is_no_description_is_refused_in_a_sentence(content):
    with pytest.raises(RemoteError, match="response is not valid"):
        info_from_json(to_bytes(content))


def test_json_is_read_as_python_reads_it_where_nothing_is_wrong():
    assert parse_json(b'{"a": [1, 2.5, null, true, "x"]}') == {"a": [1, 2.5, None, True, "x"]}
