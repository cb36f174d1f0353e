"""The face network: grids, decoding, loss, and the files that ship."""

import json
import math

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open

from emotion_core.networks.face_net import (
    DecodedFaceNetwork,
    FaceNetwork,
    FaceNetworkConfig,
    decode_boxes,
    decode_landmarks,
    grid_centres,
)
from emotion_core.training.detector.loss import Targets, assign, detector_loss
from tests.paths import WEIGHTS

SHIPPED = WEIGHTS / "emoscope-face-s"
TINY = FaceNetworkConfig(stem=8, body=8, deep=(1, 1, 1))


def make_targets(boxes, landmarks=None, ignored=()):
    marks = torch.full((1, len(boxes), 10), math.nan) if landmarks is None else landmarks
    return Targets(
        torch.tensor(boxes, dtype=torch.float32).reshape(1, -1, 4),
        marks,
        torch.ones(1, len(boxes), dtype=torch.bool),
        torch.tensor(ignored, dtype=torch.float32).reshape(1, -1, 4),
    )


def make_raw(places, boxes):
    """Outputs whose every place decodes to the nearest of the boxes, with a sure score inside."""
    raw = torch.zeros(1, len(places), 15)
    raw[..., 0] = -12
    truth = torch.tensor(boxes, dtype=torch.float32)
    centre, size = (truth[:, :2] + truth[:, 2:]) / 2, truth[:, 2:] - truth[:, :2]
    nearest = torch.cdist(places[:, :2], centre).argmin(dim=1)
    raw[0, :, 1:3] = (centre[nearest] - places[:, :2]) / places[:, 2:]
    raw[0, :, 3:5] = (size[nearest] / places[:, 2:]).log()
    return raw


@pytest.mark.parametrize("size_wh", [(32, 32), (96, 64), (64, 160)])
def test_outputs_belong_to_places(size_wh):
    images = torch.zeros(2, 3, size_wh[1], size_wh[0])
    raw = FaceNetwork(TINY).eval()(images)
    places = grid_centres(size_wh)
    assert raw.shape == (2, size_wh[0] * size_wh[1] * 21 // 1024, 15)
    assert raw.shape[1] == len(places)
    assert places[0].tolist() == [4, 4, 8]
    assert places[1].tolist() == [12, 4, 8]
    assert places[-1].tolist() == [size_wh[0] - 16, size_wh[1] - 16, 32]


def test_decoding_in_strides():
    places = torch.tensor([[16.0, 48.0, 32.0]])
    raw = torch.zeros(1, 15)
    raw[0, 1:5] = torch.tensor([0.5, -0.25, math.log(2), math.log(3)])
    raw[0, 5:7] = torch.tensor([1.0, -1.0])
    assert decode_boxes(raw, places).tolist()[0] == pytest.approx([0, -8, 64, 88], abs=1e-4)
    assert decode_landmarks(raw, places).tolist()[0][:4] == pytest.approx([48, 16, 16, 48])


def test_paper_sized():
    assert sum(p.numel() for p in FaceNetwork().parameters()) == 79_487


def test_perfect_boxes_cost_nothing():
    places, box = grid_centres((128, 128)), [[30.0, 40.0, 60.0, 76.0]]
    raw = make_raw(places, box)
    losses = detector_loss(raw, places, make_targets(box), 20.0)
    assert float(losses.box) == pytest.approx(0, abs=1e-4)
    assert float(losses.landmarks) == 0  # not known, so not asked for


def test_a_face_is_given_to_places_at_its_centre_on_its_grid():
    places, boxes = grid_centres((320, 320)), [[20.0, 20, 34, 34], [100.0, 80, 300, 280]]
    raw = make_raw(places, boxes)
    face = assign(raw, decode_boxes(raw, places), places, make_targets(boxes))[0]
    assert set(places[face == 0][:, 2].tolist()) == {8.0}
    assert set(places[face == 1][:, 2].tolist()) == {32.0}
    assert (places[face == 1][:, :2] - torch.tensor([200.0, 180.0])).abs().max() <= 48


def test_doubtful_places_are_not_punished():
    places, box = grid_centres((128, 128)), [[10.0, 10, 40, 40]]
    raw = make_raw(places, box)
    calm = detector_loss(raw, places, make_targets(box), 20.0)
    raw[0, (places[:, 0] > 64) & (places[:, 1] > 64), 0] = 3.0  # sure of what is not annotated
    strict = detector_loss(raw, places, make_targets(box), 20.0)
    lenient = detector_loss(raw, places, make_targets(box, ignored=[[64.0, 64, 128, 128]]), 20.0)
    assert float(lenient.score) == pytest.approx(float(calm.score), abs=1e-3)
    assert float(strict.score) > 2 * float(calm.score)


def test_landmarks_count_for_as_much_as_is_set():
    places, box = grid_centres((128, 128)), [[30.0, 40.0, 60.0, 76.0]]
    targets = make_targets(box)._replace(landmarks=torch.full((1, 1, 10), 50.0))
    raw = make_raw(places, box)
    light, heavy = (detector_loss(raw, places, targets, weight) for weight in (20.0, 100.0))
    assert float(light.landmarks) == float(heavy.landmarks) > 0
    added = float(heavy.total - light.total)
    assert added == pytest.approx(80 * float(light.landmarks), rel=1e-4)


def test_a_batch_without_faces_has_a_finite_loss():
    places = grid_centres((64, 64))
    targets = make_targets([[0.0, 0, 0, 0]])._replace(is_face=torch.zeros(1, 1, dtype=torch.bool))
    losses = detector_loss(torch.zeros(1, len(places), 15), places, targets, 20.0)
    assert all(math.isfinite(float(loss)) for loss in losses)
    assert float(losses.box) == 0


@pytest.mark.skipif(not SHIPPED.with_suffix(".onnx").exists(), reason="not in this checkout")
def test_shipped_files_hold_the_same_network():
    assert SHIPPED.with_suffix(".onnx").stat().st_size < 1_000_000
    with safe_open(SHIPPED.with_suffix(".safetensors"), "pt") as file:
        fields = json.loads(file.metadata()["config"])
        network = FaceNetwork(FaceNetworkConfig(**dict(fields, deep=tuple(fields["deep"])))).eval()
        network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    images = torch.rand(2, 3, 64, 96) * 255
    session = onnxruntime.InferenceSession(str(SHIPPED.with_suffix(".onnx")))
    with torch.no_grad():
        wanted = DecodedFaceNetwork(network)(images)
    for got, want in zip(session.run(None, {"images": images.numpy()}), wanted, strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-3, atol=1e-2)
