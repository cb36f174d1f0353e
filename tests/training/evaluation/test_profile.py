"""Counting parameters and multiply-adds, and timing."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from emotion_core.networks.emotion_net import load_network
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.training.evaluation.profile import (
    BATCH,
    count_module,
    count_onnx,
    measure_emotion_speed,
)
from tests.factories import FakeNetwork, make_classifier_onnx, make_emotion_card
from tests.paths import WEIGHTS

RELEASED = WEIGHTS / "emoscope-fer-s.onnx"


def write_graph(path, nodes, weights, shape):
    """A graph from "data" to "out", whose shape is not told."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(size, np.float32), name) for name, size in weights],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


@pytest.mark.parametrize("kind", ["fixed", "dynamic"])
def test_convolution_and_matrix_product_are_counted(tmp_path, kind):
    path = tmp_path / "tiny.onnx"
    path.write_bytes(make_classifier_onnx(kind))
    size = count_onnx(path, (1, 1, 8, 8))
    assert size.multiply_adds == 2 * 6 * 6 * 9 + 72 * 7
    assert size.parameters == 2 * 9 + 72 * 7
    assert size.file_bytes == path.stat().st_size


@pytest.mark.parametrize(
    ("node", "weight", "shape", "expected"),
    [
        pytest.param(
            helper.make_node("Conv", ["data", "w"], ["out"], group=4, strides=[2, 2]),
            (4, 1, 3, 3),
            (1, 4, 9, 9),
            4 * 4 * 4 * 9,
            id="a filter for each channel",
        ),
        pytest.param(
            helper.make_node("ConvTranspose", ["data", "w"], ["out"]),
            (3, 5, 2, 2),
            (1, 3, 4, 4),
            3 * 16 * 5 * 4,
            id="transposed convolution",
        ),
        pytest.param(
            helper.make_node("MatMul", ["data", "w"], ["out"]),
            (6, 2),
            (1, 5, 4, 6),
            20 * 2 * 6,
            id="matrix product",
        ),
        pytest.param(
            helper.make_node("Relu", ["data"], ["out"]), (1,), (1, 1, 4, 4), 0, id="nothing"
        ),
    ],
)
def test_each_kind_of_layer_is_counted(tmp_path, node, weight, shape, expected):
    free = ["n", *shape[1:]]
    path = write_graph(tmp_path / "one.onnx", [node], [("w", weight)], free)
    assert count_onnx(path, shape).multiply_adds == expected


def test_shapes_that_cannot_be_told_give_no_count(tmp_path):
    nodes = [
        helper.make_node("NonZero", ["data"], ["places"]),
        helper.make_node("Cast", ["places"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["w", "floats"], ["out"]),
    ]
    path = write_graph(tmp_path / "odd.onnx", nodes, [("w", (2, 4))], (1, 1, 4, 4))
    assert count_onnx(path, (1, 1, 4, 4)).multiply_adds is None


def test_a_torch_module_is_counted(tmp_path):
    file = tmp_path / "net.safetensors"
    file.write_bytes(b"12345")
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2)
    )
    size = count_module(module.eval(), (1, 3, 8, 8), file)
    assert size.multiply_adds == 4 * 36 * 27 + 4 * 36 * 2
    assert size.parameters == 4 * 27 + 2 * 4 + 4 * 36 * 2 + 2
    assert size.file_bytes == 5


def test_both_ways_agree_on_the_released_network():
    weights = RELEASED.with_suffix(".safetensors")
    module = count_module(load_network(weights), (1, 1, 48, 48), weights)
    graph = count_onnx(RELEASED, (1, 1, 48, 48))
    assert graph.multiply_adds == module.multiply_adds
    assert graph.parameters == pytest.approx(module.parameters, rel=0.01)


@pytest.mark.parametrize("n", [1, 40], ids=["fewer than a batch", "more than a batch"])
def test_speed_is_measured_alone_and_in_batches(n):
    network = FakeNetwork()
    classifier = EmotionClassifier(network, make_emotion_card())
    speed = measure_emotion_speed(classifier, network, np.zeros((n, 8, 8, 3), np.uint8))
    assert set(network.passes) == {1, BATCH}
    assert speed.batch_ms > 0
    assert 0 < speed.one_ms < 1000
    assert speed.threads == torch.get_num_threads()
    assert speed.processor.endswith(", torch")


def test_no_face_gives_no_speed():
    network = FakeNetwork()
    classifier = EmotionClassifier(network, make_emotion_card())
    assert measure_emotion_speed(classifier, network, np.zeros((0, 8, 8, 3), np.uint8)) is None
