"""The adapted model of one visitor: whose it is, and how long."""

from emotion_core.adaptation.adapted_model import AdaptedModel
from streamlit_app.own_model import OwnModel
from tests.factories import FakeClassifier, make_emotion_card, make_fake_analyzer


class FakeLive:
    def __init__(self, analyzer):
        self.analyzer, self.is_retired = analyzer, False

    def retire(self):
        self.is_retired = True


def make_own():
    model = AdaptedModel(
        make_emotion_card(name="mine.onnx"), "tiny", FakeClassifier(), {"a": b"12"}
    )
    return OwnModel(model, "tiny")


def test_its_analyzer_finds_faces_as_the_shared_one_does_and_is_made_once():
    own, shared = make_own(), make_fake_analyzer()
    analyzer = own.to_analyzer(shared)
    assert analyzer.detector is shared.detector
    assert (analyzer.info.emotion.name, shared.info.emotion.name) == ("mine.onnx", "tiny")
    assert own.to_analyzer(shared) is analyzer
    assert OwnModel().to_analyzer(shared) is shared


def test_live_video_with_it_is_analysed_apart_from_that_of_others():
    own, shared = make_own(), make_fake_analyzer()
    analyzer = own.to_analyzer(shared)
    live = own.live_analyzer(analyzer, FakeLive)
    assert live.analyzer is analyzer
    assert own.live_analyzer(analyzer, FakeLive) is live
    assert own.live_analyzer(shared, FakeLive) is None
    assert OwnModel().live_analyzer(shared, FakeLive) is None
    own.clear()
    assert live.is_retired
    assert (own.model, own.name, own.n_bytes) == (None, "", 0)


def test_another_window_has_the_model_and_keeps_it_when_this_one_is_left():
    own = make_own()
    other = own.fork()
    own.clear()
    assert (other.name, other.base_name) == ("mine.onnx", "tiny")
    assert other.n_bytes > 0
