"""Commands as a user types them, around an analyzer that loads nothing."""

from emotion_core import local_analyzer
from tests.factories import make_fake_analyzer


def note_loads(monkeypatch, detector):
    """Have commands get a fake analyzer with this detector; gives what they ask for."""
    calls = []

    def load(emotion, detectors, *, device, material, on_progress):
        calls.append((emotion, detectors, device, detector, material))
        on_progress("tiny.onnx", 1, 2)
        return make_fake_analyzer(detector, notices=["Going on without far."])

    monkeypatch.setattr(local_analyzer, "load_analyzer", load)
    return calls
