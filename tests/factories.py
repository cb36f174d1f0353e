"""Small values for tests: faces, predictions, images, fakes and tiny networks."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import onnx
import PIL.Image
import pillow_heif
from onnx import TensorProto, helper, numpy_helper

from emotion_core.actions import ACTIONS
from emotion_core.detection.turned_view import turn
from emotion_core.labels import Emotion, to_label_set
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.models.card import AnalyzerInfo, ModelCard, Preprocessing, Task, WeightFile
from emotion_core.photos.tables import PhotoRecord
from emotion_core.quality import FACE_FLAGS, FaceQuality, split_flags
from emotion_core.recognition.classifier import FaceReadings, expected_va
from emotion_core.types import DEFAULT_OPTIONS, Analysis, Faces, Predictions, VaSource

SEVEN = to_label_set(["angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised"])


def make_image(width=64, height=48, seed=0):
    """Noise: no two places are alike."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


def make_smooth_image(width=64, height=48):
    """Gradients: survives lossy compression and resizing."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), np.full(x.shape, 90.0)]
    return np.dstack(planes).astype(np.uint8)


def encode(image, file_format="PNG", **options):
    """An image (array or Pillow's) as a file."""
    pil_image = PIL.Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    pil_image.save(buffer, file_format, **options)
    return buffer.getvalue()


def make_gps_exif(orientation=1):
    """What a phone writes: the maker and the place."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SECRETMAKER"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 24.0), 3: "E", 4: (2.0, 21.0, 3.0)})
    return exif


def make_heic(image):
    buffer = io.BytesIO()
    pillow_heif.from_pillow(PIL.Image.fromarray(image)).save(buffer, quality=95)
    return buffer.getvalue()


def difference(a, b):
    """Mean difference per channel; infinite where the sizes differ."""
    return float(np.abs(a.astype(int) - b).mean()) if a.shape == b.shape else float("inf")


def make_faces(boxes=(), *, landmarks=False):
    """Faces in given boxes, scores falling from 0.95."""
    array = np.asarray(boxes, np.float32).reshape(-1, 4)
    points = None
    if landmarks:
        places = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
        sides = (array[:, 2:] - array[:, :2])[:, None]
        points = (array[:, None, :2] + places * sides).astype(np.float32)
    return Faces(array, np.linspace(0.95, 0.7, len(array), dtype=np.float32), points)


def make_predictions(n=1, labels=SEVEN, *, top=None, seed=0, has_actions=False):
    """Random predictions; with ``top`` each face shows that emotion with probability 0.8."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(len(labels)), n).astype(np.float32)
    if top is not None:
        probabilities = np.full((n, len(labels)), 0.2 / (len(labels) - 1), np.float32)
        probabilities[:, labels.index(top)] = 0.8
    va = expected_va(probabilities, labels)
    actions = rng.random((n, len(ACTIONS)), np.float32) if has_actions else None
    source = VaSource.EXPECTATION
    return Predictions(labels, probabilities, va[:, 0], va[:, 1], source, actions)


def make_analysis(boxes=(), size_wh=(64, 48), *, top=Emotion.HAPPINESS, labels=SEVEN):
    """An image with a face in each box."""
    faces = make_faces(boxes)
    read = make_predictions(len(faces), labels, top=top)
    return Analysis(size_wh, faces, read, "tiny", 0.0125)


def make_quality(flags=("",)):
    """The quality of faces with these flags, as tables have them; those without are good."""
    n = len(flags)
    marked = np.array([split_flags(words) for words in flags]).reshape(n, len(FACE_FLAGS))
    good = np.where(marked.any(axis=1), 0.3, 0.9).astype(np.float32)
    pose_deg = np.tile(np.float32([4, -6, 1]), (n, 1))
    return FaceQuality(pose_deg, np.full(n, 0.4, np.float32), good / 2, good, marked)


def make_record(source="photo.jpg", boxes=((4, 4, 20, 24),), **options):
    """A photo that was analysed."""
    return PhotoRecord(source, make_analysis(boxes, **options))


def make_emotion_card(**changes):
    """Card of a network that takes 8 x 8 grey crops."""
    card = ModelCard(
        name="tiny",
        task=Task.EMOTION,
        architecture="onnx",
        weights=WeightFile("tiny.onnx", "0" * 64),
        licence="MIT",
        source="made by the tests",
        labels=SEVEN,
        preprocessing=Preprocessing(size_px=8, mean=(0.0,), std=(255.0,)),
    )
    return replace(card, **changes)


def make_detector_card(**changes):
    """Card of a face detector."""
    card = ModelCard(
        name="tiny-faces",
        task=Task.DETECTION,
        architecture="opencv-yunet",
        weights=WeightFile("tiny-faces.onnx", "1" * 64),
        licence="MIT",
        source="made by the tests",
    )
    return replace(card, **changes)


class FakeDetector:
    """Finds as many faces as the red of the first pixel says, side by side; or fails."""

    def __init__(self, error=None):
        self._error = error
        self.calls = []
        self.least_sides = []
        self.search_sides = []
        self.are_hidden = []

    def detect(self, images, options=DEFAULT_OPTIONS):
        self.calls.append(options.min_score)
        self.search_sides.append(options.search_px)
        self.are_hidden.append(options.for_redaction)
        self.least_sides.append(options.min_face_px)
        if self._error:
            raise self._error
        return [self._find(image) for image in images]

    def _find(self, image):
        n, (height, width) = int(image[0, 0, 0]), image.shape[:2]
        edges = np.linspace(0, width, n + 1)
        return make_faces([(a, 0, b, height) for a, b in pairwise(edges)])


class LyingDetector(FakeDetector):
    """Finds one face that lies on its right side: thoroughly, or when told the angle."""

    def __init__(self):
        super().__init__()
        self.rolls = []

    def detect(self, images, options=DEFAULT_OPTIONS):
        self.rolls.append(options.rolls_deg)
        return super().detect(images, options)

    def _find(self, image):
        if self.search_sides[-1] is not None and 90 not in self.rolls[-1]:
            return Faces.empty()
        return turn(image, 90).to_image(make_faces([(10, 10, 30, 30)], landmarks=True))


class FakeClassifier:
    """Reads from the brightness of each face.

    Args:
        shift: Added to the brightness, so that another one reads otherwise.
    """

    device = "cpu"

    def __init__(self, shift=0.0):
        self._shift = shift

    def read(self, images, faces):
        pairs = zip(images, faces, strict=True)
        return [FaceReadings(self._read(*pair), None) for pair in pairs]

    def _read(self, image, faces):
        means = [
            image[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1].mean()
            for x1, y1, x2, y2 in faces.boxes
        ]
        phase = (np.asarray(means, np.float32)[:, None] + self._shift) / 40 + np.arange(len(SEVEN))
        powers = np.exp(np.sin(phase))
        probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        va = expected_va(probabilities, SEVEN)
        return Predictions(SEVEN, probabilities, va[:, 0], va[:, 1], VaSource.EXPECTATION)


class FakeNetwork:
    """Logits (and valence, arousal) linear in the input; remembers the size of each pass."""

    device = "cpu"

    def __init__(self, outputs=(7,), inputs=64, gain=4.0):
        rng = np.random.default_rng(1)
        self._maps = [rng.normal(0, gain, (inputs, n)).astype(np.float32) for n in outputs]
        self.passes = []

    def run(self, batch):
        self.passes.append(len(batch))
        return [batch.reshape(len(batch), -1) @ linear for linear in self._maps]


def make_fake_analyzer(detector=None, notices=()):
    """The real ``LocalAnalyzer`` around fakes."""
    info = AnalyzerInfo(make_emotion_card(), make_detector_card(), "cpu", notices=tuple(notices))
    return LocalAnalyzer(detector or FakeDetector(), FakeClassifier(), info)


def make_counting_photo(n_faces, width=64, height=48, seed=0):
    """A PNG in which ``FakeDetector`` finds so many faces."""
    image = make_image(width, height, seed)
    image[0, 0, 0] = n_faces
    return encode(image)


def make_classifier_onnx(kind, labels=7):
    """Conv, Reshape, Gemm on 1 x 8 x 8 images.

    Args:
        kind: ``"fixed"``: one image a pass; ``"mixing"``: the same, and with several their
            results depend on each other; ``"dynamic"``: any number of images.
        labels: Number of outputs.
    """
    rng = np.random.default_rng(2)
    batch = "batch" if kind == "dynamic" else 1
    weights = {
        "kernel": rng.normal(0, 1, (2, 1, 3, 3)).astype(np.float32),
        "matrix": rng.normal(0, 0.2, (72, labels)).astype(np.float32),
        "shape": np.array([0 if kind == "dynamic" else 1, 72], np.int64),
        "first": np.array([0], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["data", "kernel"], ["maps"]),
        helper.make_node("Reshape", ["maps", "shape"], ["flat"]),
    ]
    if kind == "mixing":
        nodes.append(helper.make_node("ReduceMean", ["flat", "first"], ["mean"], keepdims=1))
        nodes.append(helper.make_node("Add", ["flat", "mean"], ["sum"]))
    last = nodes[-1].output[0]
    nodes.append(helper.make_node("Gemm", [last, "matrix"], ["label"]))
    return _serialise(nodes, weights, {"data": (batch, 1, 8, 8)}, {"label": (batch, labels)})


def make_face_onnx():
    """A face network: a red pixel anywhere is a face at the left, a green one at the right.

    Scores are the largest red and green of the image; boxes and landmarks stand still.
    """
    weights = {
        "axes": np.array([2, 3], np.int64),
        "starts": np.array([0], np.int64),
        "ends": np.array([2], np.int64),
        "channel": np.array([1], np.int64),
        "last": np.array([2], np.int64),
        "scale": np.array(1 / 255, np.float32),
        "zero": np.array(0, np.float32),
        "box": np.array([[4, 6, 20, 26], [40, 8, 60, 30]], np.float32),
        "points": np.tile(np.arange(10, dtype=np.float32), (2, 1)),
    }
    nodes = [
        helper.make_node("Slice", ["data", "starts", "ends", "channel"], ["two"]),
        helper.make_node("ReduceMax", ["two", "axes"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "scale"], ["scores"]),
        helper.make_node("Unsqueeze", ["scores", "last"], ["column"]),
        helper.make_node("Mul", ["column", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "box"], ["boxes"]),
        helper.make_node("Add", ["nothing", "points"], ["landmarks"]),
    ]
    outputs = {"scores": ("b", 2), "boxes": ("b", 2, 4), "landmarks": ("b", 2, 10)}
    return _serialise(nodes, weights, {"data": ("b", 3, "h", "w")}, outputs)


def _serialise(nodes, weights, inputs, outputs):
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()
