"""Embeddings: as OpenCV's own face recogniser makes them, and fetched as the card says.

The real network is 37 MB and is not fetched here: a small graph with its inputs stands in for it.
"""

from dataclasses import replace

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from emotion_core.errors import WeightsMismatchError, WeightsUnavailableError
from emotion_core.imaging.codec import decode_image
from emotion_core.models.card import Task
from emotion_core.models.registry import CARDS, candidates
from emotion_core.models.runtime import OnnxNetwork
from emotion_core.recognition import embedding
from emotion_core.recognition.embedding import FaceEmbedder, load_embedder
from emotion_core.tracking.tracker import FaceTracker
from emotion_core.tracking.tracklets import SAME_PERSON, link_tracklets
from emotion_core.types import Faces
from tests.factories import make_detector_card, make_faces, make_image
from tests.tiny_card import make_file

CARD = CARDS["sface"]


def make_recogniser_onnx(batch=1, n_outputs=32):
    """Coarse colours, centred, through a random matrix; inputs named and shaped as SFace's."""
    rng = np.random.default_rng(4)
    cells = 3 * 14 * 14
    weights = {
        "grey": np.array([127.5], np.float32),
        "shape": np.array([0, cells], np.int64),
        "matrix": rng.normal(0, 0.01, (cells, n_outputs)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Sub", ["data", "grey"], ["centred"]),
        helper.make_node(
            "AveragePool", ["centred"], ["coarse"], kernel_shape=[8, 8], strides=[8, 8]
        ),
        helper.make_node("Reshape", ["coarse", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["fc1"]),
    ]
    graph = helper.make_graph(
        nodes,
        "recogniser",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, (batch, 3, 112, 112))],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, (batch, n_outputs))],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "recogniser.onnx"
    file.write_bytes(make_recogniser_onnx())
    return file


@pytest.fixture(scope="module")
def portrait(request):
    path = request.config.rootpath / "streamlit_app" / "assets" / "astronaut.jpg"
    return decode_image(path.read_bytes()).pixels


FACE = Faces(
    np.array([[179, 75, 269, 182]], np.float32),
    np.array([0.9], np.float32),
    np.array([[[203, 117], [246, 116], [226, 138], [208, 156], [244, 155]]], np.float32),
)


def turned(image, face, degrees, scale):
    """The image and its face, turned, scaled and brought to the middle."""
    matrix = cv2.getRotationMatrix2D((224.0, 135.0), degrees, scale)
    matrix[:, 2] += (image.shape[1] / 2 - 224, image.shape[0] / 2 - 135)
    points = face.landmarks[0] @ matrix[:, :2].T + matrix[:, 2]
    low, high = points.min(axis=0) - 20, points.max(axis=0) + 20
    moved = Faces(
        np.concatenate([low, high])[None].astype(np.float32),
        face.scores,
        points[None].astype(np.float32),
    )
    return cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0])), moved


@pytest.mark.parametrize("degrees", [0, 25])
@pytest.mark.parametrize("scale", [0.7, 1.0, 1.8])
def test_faces_go_in_as_into_opencvs_recogniser(portrait, path, degrees, scale):
    """Same alignment, order of colours and range: same direction."""
    image, face = turned(portrait, FACE, degrees, scale)
    reference = cv2.FaceRecognizerSF.create(str(path), "")
    row = np.concatenate([face.boxes[0], face.landmarks[0].ravel(), face.scores])[None]
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    expected = reference.feature(reference.alignCrop(bgr, row.astype(np.float32)))[0]
    expected = expected / np.linalg.norm(expected)
    (found,) = FaceEmbedder(OnnxNetwork(path), CARD).embed(image, face)
    assert float(found @ expected) > 0.995
    (swapped,) = FaceEmbedder(OnnxNetwork(path), CARD).embed(image[:, :, ::-1].copy(), face)
    assert float(swapped @ expected) < 0.98, "or this test would not see swapped colours"


@pytest.mark.parametrize("batch", [1, "n"])
def test_faces_together_and_alone(tmp_path, batch):
    file = tmp_path / "recogniser.onnx"
    file.write_bytes(make_recogniser_onnx(batch))
    embedder = FaceEmbedder(OnnxNetwork(file), CARD)
    image = make_image(300, 200)
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 150, (70, 2))
    faces = make_faces(np.hstack([corners, corners + rng.uniform(20, 50, (70, 1))]), landmarks=True)
    together = embedder.embed(image, faces)
    assert together.shape == (70, 32)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    for i in (0, 31, 32, 69):
        (alone,) = embedder.embed(image, faces[np.array([i])])
        np.testing.assert_allclose(alone, together[i], atol=1e-5)


class Blank:
    device = "cpu"

    def run(self, batch):
        return [np.zeros((len(batch), 8), np.float32)]


def test_nothing_to_see_is_no_reason_to_fail():
    embedder = FaceEmbedder(Blank(), CARD)
    image = np.zeros((1, 1, 3), np.uint8)
    assert embedder.embed(image, Faces.empty()).shape == (0, 0)
    np.testing.assert_array_equal(
        embedder.embed(image, make_faces([(0, 0, 1, 1)])), np.zeros((1, 8))
    )


def test_a_detector_embeds_nothing():
    with pytest.raises(ValueError, match="tiny-faces has no preprocessing"):
        FaceEmbedder(Blank(), make_detector_card())


def test_one_face_is_one_person_however_long_it_was_away(portrait, path):
    """Stand-in network, real alignment: the same face elsewhere, later, is the same person."""
    tracker = FaceTracker(FaceEmbedder(OnnxNetwork(path), CARD), keeps_tracklets=True)
    image, face = turned(portrait, FACE, 8, 1.3)
    for now in (0.0, 0.5):
        first = tracker.update(FACE, now, portrait).track_ids.item()
    for now in (5.0, 10.0, 15.0):
        tracker.update(Faces.empty(), now, portrait)
    for now in (20.0, 20.5):
        again = tracker.update(face, now, image).track_ids.item()
    assert first != again
    assert link_tracklets(tracker.tracklets(), min_frames=2) == {first: first, again: first}


# From the Hub


@pytest.fixture
def published(hub, monkeypatch):
    """The stand-in in a repository on loopback, under a card that differs from SFace's only in what
    tells the file."""
    content = make_recogniser_onnx()
    commit = hub.add(CARD.repo_id, {CARD.weights.filename: content})
    file = replace(make_file(content, CARD.weights.filename), size_bytes=len(content))
    card = replace(CARD, weights=file, revision=commit)
    monkeypatch.setattr(embedding, "candidates", lambda _: [card])
    return hub


def test_the_card_is_the_only_candidate():
    assert candidates(Task.EMBEDDING) == [CARD]


def test_fetched_once_and_run(published, portrait):
    told = []
    embedder = load_embedder(on_progress=lambda *step: told.append(step))
    assert told[-1][0] == CARD.weights.filename
    (row,) = embedder.embed(portrait, FACE)
    requests = len(published.requests)
    (again,) = load_embedder().embed(portrait, FACE)
    np.testing.assert_array_equal(row, again)
    assert len(published.requests) == requests, "the second time it comes from the cache"
    assert float(row @ again) > SAME_PERSON


def test_another_file_is_refused(published):
    published.corrupt = True
    with pytest.raises(WeightsMismatchError, match="is not the file that its card describes"):
        load_embedder()


def test_a_hub_that_lacks_it_is_told(hub):
    with pytest.raises(WeightsUnavailableError, match="face_recognition_sface"):
        load_embedder()
    assert hub.requests
