"""Detectors for tests that find what they are told to, in whatever frames."""

from tests.factories import FakeDetector, make_faces


class SteadyDetector(FakeDetector):
    """Finds the same faces in every frame."""

    def __init__(self, *boxes):
        super().__init__()
        self._boxes = boxes

    def _find(self, _):
        return make_faces(self._boxes)
