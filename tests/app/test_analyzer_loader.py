"""Loading networks beside the page."""

import threading

import pytest

from emotion_core.errors import RemoteError, WeightsUnavailableError
from emotion_core.models.card import Task
from streamlit_app import analyzer_loader
from streamlit_app.settings import RemoteServer
from tests.factories import make_fake_analyzer, make_image
from tests.serving.misbehaving_server import MisbehavingServer


def wait_for(loader):
    assert loader.wait(10)
    return loader


def test_progress_is_seen_while_loading(monkeypatch):
    go_on = threading.Event()

    def load(*_, on_progress, **__):
        on_progress("net.onnx", 5, 10)
        go_on.wait(10)
        return make_fake_analyzer()

    monkeypatch.setattr(analyzer_loader, "load_analyzer", load)
    loader = analyzer_loader.AnalyzerLoader("", "", "cpu")
    for _ in range(1000):
        if loader.download:
            break
        loader.wait(0.01)
    assert loader.download == analyzer_loader.Download("net.onnx", 5, 10)
    assert not loader.has_failed
    go_on.set()
    assert wait_for(loader).result().info.notices == ()


def test_failure_is_raised_to_who_waits(monkeypatch):
    def load(*_, **__):
        raise WeightsUnavailableError("not here")

    monkeypatch.setattr(analyzer_loader, "load_analyzer", load)
    loader = wait_for(analyzer_loader.AnalyzerLoader("", "", "cpu"))
    assert loader.has_failed
    with pytest.raises(WeightsUnavailableError, match="not here"):
        loader.result()


def test_choice_comes_before_the_defaults(monkeypatch):
    asked = {}

    def load(emotion, detector, **_):
        asked.update(emotion=[c.name for c in emotion], detector=[c.name for c in detector])
        return make_fake_analyzer()

    monkeypatch.setattr(analyzer_loader, "load_analyzer", load)
    wait_for(analyzer_loader.AnalyzerLoader("emotion-ferplus-8", "", "cpu"))
    assert asked["emotion"][0] == "emotion-ferplus-8"
    assert len(asked["emotion"]) == len(set(asked["emotion"])) >= 2
    assert asked["detector"] == [
        c.name for c in analyzer_loader.candidates(analyzer_loader.Task.DETECTION)
    ]


def test_repository_out_of_reach_leaves_the_defaults_and_says_so(monkeypatch):
    def find(*_):
        raise WeightsUnavailableError("The Hub cannot be reached.")

    monkeypatch.setattr(analyzer_loader, "find_model", find)
    monkeypatch.setattr(analyzer_loader, "load_analyzer", lambda *_, **__: make_fake_analyzer())
    loader = wait_for(analyzer_loader.AnalyzerLoader("team/net@abc", "", "cpu"))
    assert loader.result().info.notices == (
        "The Hub cannot be reached. Going on without team/net@abc.",
    )
    assert loader.unavailable == {Task.EMOTION: "The Hub cannot be reached."}


def test_a_chosen_model_without_its_file_is_told_from_a_default_without(monkeypatch):
    notices = [
        "Using space is short. Using b instead of emotion-ferplus-8.",
        "The Hub cannot be reached. Using d instead of c.",
    ]
    analyzer = make_fake_analyzer(notices=notices)
    monkeypatch.setattr(analyzer_loader, "load_analyzer", lambda *_, **__: analyzer)
    loader = wait_for(analyzer_loader.AnalyzerLoader("emotion-ferplus-8", "", "cpu"))
    assert loader.unavailable == {Task.EMOTION: "Using space is short."}
    assert loader.result().info.notices == tuple(notices)


def test_a_server_does_the_work_where_one_is_set():
    with MisbehavingServer() as server:
        settings = RemoteServer(server.url, "open sesame")
        analyzer = wait_for(analyzer_loader.AnalyzerLoader("tiny", "", "cpu", settings)).result()
        (analysis,) = analyzer.analyze([make_image()])
        analyzer.close()
        tokens = {headers["Authorization"] for _, headers, _ in server.requests}
    assert len(analysis) == 1
    assert tokens == {"Bearer open sesame"}
    assert analyzer.info.origins[0] == f"Analysed by the server at {server.url[7:]}."


def test_a_server_out_of_reach_is_a_failure_that_can_be_tried_again():
    with MisbehavingServer() as server:
        url = server.url
    server = RemoteServer(url)
    loader = wait_for(analyzer_loader.AnalyzerLoader("", "", "cpu", server, timeout_s=0.3))
    assert loader.has_failed
    with pytest.raises(RemoteError, match="nothing listens at this address"):
        loader.result()


def test_a_missing_file_is_named_without_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(analyzer_loader, "load_analyzer", lambda *_, **__: make_fake_analyzer())
    loader = wait_for(analyzer_loader.AnalyzerLoader(f"{tmp_path}//mine.onnx", "", "cpu"))
    assert loader.result().info.notices == (
        "There is no mine.onnx on this machine. Going on without it.",
    )
