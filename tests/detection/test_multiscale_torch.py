"""Looks that torch takes: the same faces as ONNX Runtime's, whatever is asked for at once."""

import numpy as np
import pytest
import torch

from emotion_core.detection.candidates import to_faces
from emotion_core.detection.multiscale import MultiScaleFaceModel, MultiScaleRunner
from emotion_core.detection.multiscale_torch import TorchMultiScaleRunner, fold_normalisation
from emotion_core.imaging.codec import decode_image
from emotion_core.models.download import WEIGHTS_DIR
from emotion_core.models.runtime import OnnxNetwork
from emotion_core.networks.face_net import FaceNetwork, load_face_network
from tests.factories import make_image


@pytest.fixture(scope="module")
def astronaut(request):
    path = request.config.rootpath / "streamlit_app" / "assets" / "astronaut.jpg"
    return decode_image(path.read_bytes()).pixels


@pytest.fixture(scope="module")
def module():
    return load_face_network(WEIGHTS_DIR / "emoscope-face-s.safetensors")


@pytest.fixture(scope="module")
def on_arrays():
    return MultiScaleRunner(OnnxNetwork(WEIGHTS_DIR / "emoscope-face-s.onnx"))


def test_one_look_agrees_with_the_looks_on_arrays(astronaut, module, on_arrays):
    """Sizes that are multiples of 32 and others, some of them equal, more than one pass of each."""
    images = [astronaut, astronaut[:200, 100:350], astronaut[20:220, 110:360]] * 3
    expected = to_faces(on_arrays.run(images, (None,), 0.3), len(images))
    found = to_faces(TorchMultiScaleRunner(module, "cpu").run(images, (None,), 0.3), len(images))
    assert min(map(len, expected)) > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.02)
        np.testing.assert_allclose(one.landmarks, other.landmarks, atol=0.02)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


@pytest.mark.parametrize("quick", [False, True])
def test_faces_agree_with_those_of_looks_on_arrays(astronaut, module, on_arrays, quick):
    """Shrunk by other code, so that boxes differ a little."""
    images = [astronaut, astronaut[:200, 100:350]]
    expected = MultiScaleFaceModel(on_arrays).find(images, 0.6, quick=quick)
    found = MultiScaleFaceModel(TorchMultiScaleRunner(module, "cpu")).find(images, 0.6, quick=quick)
    assert [len(faces) for faces in found] == [len(faces) for faces in expected]
    assert len(found[0]) > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1)
        np.testing.assert_allclose(one.landmarks, other.landmarks, atol=1)
        np.testing.assert_allclose(one.scores, other.scores, atol=0.02)


class Seen(torch.nn.Module):
    """Writes down what it is shown; a face in the middle half of each image, if it is bright."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def forward(self, images):
        n, _, height, width = images.shape
        self.shapes.append((n, height, width))
        bright = images[:, :, 0, 0].mean(dim=1, keepdim=True) / 255
        box = torch.tensor([width, height, 3 * width, 3 * height]) / 4
        return bright, box.expand(n, 1, 4), torch.zeros(n, 1, 10)


def test_all_looks_at_images_of_one_size_go_together():
    seen = Seen()
    dark, bright, small = make_image(384, 256), make_image(384, 256), make_image(100, 64)
    dark[:], bright[:], small[:] = 0, 255, 255
    candidates = TorchMultiScaleRunner(seen, "cpu").run(
        [dark, small, bright, dark], (None, 192), 0.5
    )
    found = to_faces(candidates, 4)
    assert seen.shapes == [(4 - 1, 256, 384), (4 - 1, 128, 192), (1, 64, 128)]
    assert [len(faces) for faces in found] == [0, 1, 2, 0]
    np.testing.assert_allclose(found[2].boxes, [[96, 64, 288, 192]] * 2, atol=1e-3)
    np.testing.assert_allclose(found[1].boxes, [[32, 16, 96, 48]], atol=1e-3)


@pytest.mark.parametrize("sizes_px", [(), (200,)])
def test_images_without_a_look_show_nothing(sizes_px):
    seen = Seen()
    runner = TorchMultiScaleRunner(seen, "cpu")
    assert len(runner.run([make_image(64, 64)], sizes_px, 0.0)) == 0
    assert len(runner.run([], (None,), 0.5)) == 0
    assert seen.shapes == []


def test_folding_changes_nothing_but_the_number_of_layers():
    torch.manual_seed(0)
    network = FaceNetwork()
    for norm in [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]:
        torch.nn.init.uniform_(norm.running_mean, -1, 1)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    network.eval()
    images = torch.rand(2, 3, 64, 64) * 255
    folded = fold_normalisation(network)
    with torch.inference_mode():
        torch.testing.assert_close(folded(images), network(images), rtol=1e-3, atol=1e-3)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())


@torch.inference_mode()
def test_half_precision_sees_the_same(astronaut, module):
    """What a GPU computes; positions and sizes are decoded in single precision again."""
    pixels = torch.from_numpy(astronaut[:192, 128:320]).permute(2, 0, 1)[None]
    half = fold_normalisation(module).half().to(memory_format=torch.channels_last)
    scores, boxes, points = module(pixels.float())
    found = half(pixels.half())
    assert all(part.dtype is torch.float32 for part in found)
    likely = scores[0] > 0.3
    assert likely.sum() > 3
    assert torch.allclose(found[0], scores, atol=0.005)
    assert torch.allclose(found[1][0, likely], boxes[0, likely], atol=0.2)
    assert torch.allclose(found[2][0, likely], points[0, likely], atol=0.2)
