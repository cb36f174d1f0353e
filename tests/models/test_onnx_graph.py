"""Graphs of batch one: freed where results stay the same, left alone where they would not."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from emotion_core.errors import WeightsMismatchError
from emotion_core.models.onnx_graph import make_batch_dynamic
from emotion_core.models.runtime import OnnxNetwork
from tests.factories import make_classifier_onnx, make_face_onnx


def run(graph, batch):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, {"data": batch})[0]


def make_batch(n=5):
    return np.random.default_rng(0).normal(0, 1, (n, 1, 8, 8)).astype(np.float32)


def test_fixed_graph_is_freed():
    original = make_classifier_onnx("fixed")
    freed = make_batch_dynamic(original)
    assert freed.any_batch
    batch = make_batch()
    expected = np.concatenate([run(original, one[None]) for one in batch])
    np.testing.assert_allclose(run(freed.graph, batch), expected, atol=1e-5)


@pytest.mark.parametrize("make", [lambda: make_classifier_onnx("dynamic"), make_face_onnx])
def test_dynamic_graph_is_left_alone(make):
    original = make()
    assert make_batch_dynamic(original).graph is original
    assert make_batch_dynamic(original).any_batch


def test_graph_whose_inputs_would_mix_is_left_alone():
    original = make_classifier_onnx("mixing")
    found = make_batch_dynamic(original)
    assert not found.any_batch
    assert found.graph is original


@pytest.mark.parametrize("kind", ["fixed", "mixing", "dynamic"])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_network_gives_what_single_passes_give(kind, n, tmp_path):
    data = make_classifier_onnx(kind)
    (tmp_path / "tiny.onnx").write_bytes(data)
    (found,) = OnnxNetwork(tmp_path / "tiny.onnx").run(make_batch(n))
    expected = np.concatenate([run(data, one[None]) for one in make_batch(n)])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def change(kind, edit):
    model = onnx.load_from_string(make_classifier_onnx(kind))
    edit(model.graph)
    return model.SerializeToString()


def test_output_without_a_shape_does_not_hinder():
    data = change("fixed", lambda graph: graph.output[0].type.tensor_type.ClearField("shape"))
    assert make_batch_dynamic(data).any_batch


def test_graph_of_another_fixed_batch_is_left_alone():
    def edit(graph):
        graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4

    assert not make_batch_dynamic(change("fixed", edit)).any_batch


def test_graph_of_any_size_is_left_alone():
    """There is nothing to try the change with."""
    data, same = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, "h", "w"))
        for name in ("data", "same")
    )
    node = helper.make_node("Relu", ["data"], ["same"])
    graph = helper.make_graph([node], "tiny", [data], [same])
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    assert not make_batch_dynamic(model.SerializeToString()).any_batch


def test_weights_listed_among_the_inputs_are_no_inputs():
    """As older exporters write them."""

    def edit(graph):
        value = helper.make_tensor_value_info("matrix", TensorProto.FLOAT, (72, 7))
        graph.input.insert(0, value)

    assert make_batch_dynamic(change("fixed", edit)).any_batch


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>not found</html>", id="html"),
        pytest.param(make_classifier_onnx("fixed")[:-40], id="truncated"),
        pytest.param(change("fixed", lambda graph: graph.ClearField("input")), id="no input"),
        pytest.param(
            change("fixed", lambda g: g.input[0].type.tensor_type.ClearField("shape")),
            id="no shape",
        ),
    ],
)
def test_what_is_no_graph_is_refused(data, tmp_path):
    with pytest.raises(WeightsMismatchError, match="The file is not an ONNX graph"):
        make_batch_dynamic(data)
    (tmp_path / "tiny.onnx").write_bytes(data)
    with pytest.raises(WeightsMismatchError, match="The file is not an ONNX graph"):
        OnnxNetwork(tmp_path / "tiny.onnx")


@pytest.mark.parametrize("kind", ["fixed", "dynamic"])
def test_graph_that_cannot_run_is_refused(kind, tmp_path):
    def edit(graph):
        graph.node[0].op_type = "NoSuchOperator"

    (tmp_path / "tiny.onnx").write_bytes(change(kind, edit))
    with pytest.raises(WeightsMismatchError, match=r"tiny\.onnx cannot be run"):
        OnnxNetwork(tmp_path / "tiny.onnx")
