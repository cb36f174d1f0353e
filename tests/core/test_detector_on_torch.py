"""The detector's batches where torch runs the network: bytes travel, the device makes floats."""

import numpy as np

from emotion_core.detector import BatchedFaceNetwork
from emotion_core.face_network import load_face_network
from emotion_core.images import decode_image
from emotion_core.runtime import TorchNetwork
from emotion_core.weights import WEIGHTS_DIR
from tests.factories import make_image


class OnGraphicsCard:
    """A torch network that says that it runs there."""

    device = "cuda"

    def __init__(self, network):
        self.run = network.run


def test_bytes_on_the_way_to_a_graphics_card_give_the_same_faces(request):
    path = request.config.rootpath / "streamlit_app" / "assets" / "astronaut.jpg"
    astronaut = decode_image(path.read_bytes()).pixels
    module = load_face_network(WEIGHTS_DIR / "emoscope-face-s.safetensors")
    plain, far = TorchNetwork(module, "cpu"), OnGraphicsCard(TorchNetwork(module, "cpu"))
    images = [astronaut, astronaut[:300, :400]]
    expected = BatchedFaceNetwork(plain).find(images, 0.3)
    found = BatchedFaceNetwork(far).find(images, 0.3)
    assert [len(faces) for faces in found] == [len(faces) for faces in expected]
    assert len(found[0]) > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.01)


def test_torch_network_takes_bytes():
    module = load_face_network(WEIGHTS_DIR / "emoscope-face-s.safetensors")
    batch = make_image(64, 64)[None].transpose(0, 3, 1, 2)
    network = TorchNetwork(module, "cpu")
    for one, other in zip(
        network.run(batch), network.run(np.ascontiguousarray(batch, np.float32)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)
