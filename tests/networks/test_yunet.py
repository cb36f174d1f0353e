"""YuNet in torch: the graph's weights, all of them, and what OpenCV makes of them."""

import zipfile

import cv2
import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from emotion_core.detection.candidates import sort_and_cap, threshold_candidates, to_faces
from emotion_core.detection.multiscale import MultiScaleFaceModel, MultiScaleRunner
from emotion_core.detection.opencv import OpenCvFaceModel
from emotion_core.errors import WeightsMismatchError
from emotion_core.imaging.codec import decode_image
from emotion_core.models.runtime import TorchNetwork
from emotion_core.networks.yunet import HEADS, YUNETS, YuNet, load_yunet
from tests.factories import make_face_onnx

FILES = ["yunet_n_320_320", "yunet_n_640_640", "yunet_n_dynamic", "yunet_s_dynamic"]


def make_random(config):
    torch.manual_seed(0)
    return YuNet(config).eval()


class GraphWriter:
    """Writes a network as an ONNX graph, as far as ``load_yunet`` reads it; names mean nothing."""

    def __init__(self):
        self.nodes, self.weights, self.made = [], [], {}

    def graph(self, network):
        above = None
        for level in (2, 1, 0):
            lateral = network.laterals[level]
            for head in HEADS:
                name = "image"
                for layer in network.layers_to(head, level):
                    if layer is lateral[0][0] and layer not in self.made and above:
                        name = self.joined(above, name)
                    name = self.output_of(layer, name)
                self.add("Reshape", [name, "shape"], f"{head}_{(8, 16, 32)[level]}")
            above = self.made[lateral[1]]
        return helper.make_graph(self.nodes, "faces", [], [], self.weights)

    def output_of(self, layer, source):
        if layer not in self.made:
            kind = {nn.Conv2d: "Conv", nn.ReLU: "Relu", nn.MaxPool2d: "MaxPool"}[type(layer)]
            self.made[layer] = self.add(kind, [source, *map(self.weight, layer.parameters())])
        return self.made[layer]

    def joined(self, above, name):
        size = self.weight(torch.tensor([1.0, 1.0, 2.0, 2.0]))
        return self.add("Add", [self.add("Resize", [above, "", size]), name])

    def add(self, kind, inputs, output=None):
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output]))
        return output

    def weight(self, value):
        value = value.detach()
        name = f"w{len(self.weights)}"
        turned = value.flip(1) if value.shape[1:2] == (3,) else value  # red, green, blue there
        self.weights.append(numpy_helper.from_array(turned.numpy().copy(), name))
        return name


def make_graph(network):
    return GraphWriter().graph(network)


def write(graph, folder):
    path = folder / "yunet.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


@pytest.mark.parametrize("config", YUNETS, ids=lambda config: config.name)
def test_every_weight_arrives(config, tmp_path):
    network = make_random(config)
    loaded = load_yunet(write(make_graph(network), tmp_path))
    assert not loaded.training
    state = loaded.state_dict()
    assert state.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        assert torch.equal(state[name], value), name


def drop_bias(graph):
    graph.initializer.remove(next(t for t in graph.initializer if t.name == "w1"))


def change_shape(graph):
    tensor = next(t for t in graph.initializer if t.name == "w1")
    tensor.CopyFrom(numpy_helper.from_array(np.zeros(17, np.float32), "w1"))


def add_weights(graph):
    graph.initializer.append(numpy_helper.from_array(np.zeros(16, np.float32), "more"))


def drop_relu(graph):
    node = next(n for n in graph.node if n.op_type == "Relu")
    node.op_type = "HardSwish"


def rename_output(graph):
    node = next(n for n in graph.node if n.output[0] == "kps_16")
    node.output[0] = "landmarks_16"


def swap_levels(graph):
    """The second level's boxes come from the first level."""
    nodes = {n.output[0]: n for n in graph.node}
    nodes["bbox_16"].input[0] = nodes["bbox_8"].input[0]


def make_constant(graph):
    """An output comes from nowhere."""
    node = next(n for n in graph.node if n.output[0] == "cls_8")
    node.op_type = "Constant"
    node.ClearField("input")


def make_circle(graph):
    node = graph.node[0]
    node.input[0] = node.output[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_bias, r"no bias"),
        (change_shape, r"w1 \(17,\) instead of \(16,\)"),
        (add_weights, r"1 weights too many"),
        (drop_relu, r"other layers before cls_8"),
        (rename_output, r"other layers before kps_16"),
        (swap_levels, r"other layers before bbox_16"),
        (make_constant, r"other layers before cls_8"),
        (make_circle, r"other layers before cls_8"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_another_graph_is_refused(change, message, tmp_path):
    graph = make_graph(make_random(YUNETS[0]))
    change(graph)
    with pytest.raises(WeightsMismatchError, match=rf"^yunet\.onnx holds neither .*{message}"):
        load_yunet(write(graph, tmp_path))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (make_face_onnx(), "holds neither YuNet-n .* nor YuNet-s .*"),
        (b"nothing", "is not an ONNX file"),
        (b"", "holds neither"),
    ],
    ids=["another network", "no graph", "empty"],
)
def test_another_file_is_refused(data, message, tmp_path):
    path = tmp_path / "file.onnx"
    path.write_bytes(data)
    with pytest.raises(WeightsMismatchError, match=rf"^file\.onnx {message}"):
        load_yunet(path)


@pytest.mark.parametrize("size_wh", [(32, 32), (96, 64), (64, 160)], ids=str)
def test_outputs(size_wh):
    images = torch.rand(2, 3, size_wh[1], size_wh[0]) * 255
    with torch.no_grad():
        scores, boxes, landmarks = make_random(YUNETS[1])(images)
    n_cells = size_wh[0] * size_wh[1] * 21 // 1024
    assert scores.shape == (2, n_cells)
    assert boxes.shape == (2, n_cells, 4)
    assert landmarks.shape == (2, n_cells, 10)
    assert ((scores > 0) & (scores < 1)).all()
    assert (boxes[..., 2:] > boxes[..., :2]).all()


# The published files


@pytest.mark.parametrize("name", FILES)
def test_published_files(shared, name):
    network = load_yunet(shared / "weights" / "yunet" / f"{name}.onnx")
    weights = sum(parameter.numel() for parameter in network.parameters())
    assert weights == {"n": 73_840, "s": 53_104}[name[6]]


@pytest.fixture(scope="module")
def photos(shared):
    folder = shared / "samples" / "photos"
    names = ("multi_face.jpg", "solvay1927.jpg", "astronaut.png")
    photos = [decode_image((folder / name).read_bytes()).pixels for name in names]
    with zipfile.ZipFile(shared / "data" / "faces" / "masks_dev.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".jpg"))[:60:15]
        return photos + [decode_image(archive.read(name)).pixels for name in names]


def check_same(ours, theirs):
    """Equal but for rounding: sums in another order.

    Measured on these images: 0.00025 pixels and 0.0000006 of score at most. What is allowed is
    still far less than anybody sees; any mistake of meaning (channels, the half place of an
    offset, padding, the mean of two scores) is larger by far.
    """
    assert len(ours) == len(theirs)
    order, other = (np.lexsort((f.boxes[:, 1], f.boxes[:, 0])) for f in (ours, theirs))
    np.testing.assert_allclose(ours.boxes[order], theirs.boxes[other], atol=5e-3)
    np.testing.assert_allclose(ours.landmarks[order], theirs.landmarks[other], atol=5e-3)
    np.testing.assert_allclose(ours.scores[order], theirs.scores[other], atol=1e-5)


def find_like_opencv(network, image, min_score):
    """The same padding, threshold and suppression, which takes whole pixels of boxes."""
    bottom, right = (-side % 32 for side in image.shape[:2])
    padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT)
    scores, boxes, points = network.run(np.float32(padded.transpose(2, 0, 1)[None]))
    (faces,) = to_faces(sort_and_cap(threshold_candidates(scores, boxes, points, min_score)), 1)
    whole = np.trunc(np.hstack([faces.boxes[:, :2], faces.boxes[:, 2:] - faces.boxes[:, :2]]))
    kept = cv2.dnn.NMSBoxes(whole.astype(int).tolist(), faces.scores.tolist(), min_score, 0.3)
    return faces[np.array(kept, np.int64)]


@pytest.mark.parametrize("name", ["yunet_n_dynamic", "yunet_s_dynamic"])
@pytest.mark.parametrize(
    ("width", "least"),
    [
        pytest.param(640, 40, marks=pytest.mark.slow, id="640"),
        pytest.param(333, 15, id="333"),
        pytest.param(128, 4, id="128"),
        pytest.param(None, 40, marks=pytest.mark.slow, id="own"),
    ],
)
def test_agrees_with_opencv(shared, photos, name, width, least):
    """Boxes, landmarks and scores of real faces, at sizes that are multiples of 32 and others."""
    path = shared / "weights" / "yunet" / f"{name}.onnx"
    if width:
        photos = [cv2.resize(p, (width, width * p.shape[0] // p.shape[1])) for p in photos]
    network = TorchNetwork(load_yunet(path), "cpu")
    theirs = OpenCvFaceModel(path).find(photos, 0.6)
    assert sum(map(len, theirs)) >= least
    for photo, reference in zip(photos, theirs, strict=True):
        check_same(find_like_opencv(network, photo, 0.6), reference)


def test_a_batch_agrees_with_opencv(yunet_path, photos):
    """Two images of one padded size in one pass."""
    pair = [
        cv2.resize(photo, size)
        for photo, size in zip(photos, [(330, 250), (352, 241)], strict=False)
    ]
    network = TorchNetwork(load_yunet(yunet_path), "cpu")
    shapes = []

    class Counted:
        device = "cpu"

        def run(self, batch):
            shapes.append(batch.shape)
            return network.run(batch)

    ours = MultiScaleFaceModel(MultiScaleRunner(Counted()), is_yunet=True).find(pair, 0.6)
    theirs = OpenCvFaceModel(yunet_path).find(pair, 0.6)
    assert shapes == [(2, 3, 256, 352)]
    assert all(len(faces) for faces in theirs)
    for mine, reference in zip(ours, theirs, strict=True):
        check_same(mine, reference)
