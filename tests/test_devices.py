"""Where tensors lie on a GPU, told without one: torch follows devices but computes nothing.

A tensor of the processor that meets one of the GPU is refused then, as it would be there.
"""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from emotion_core.detection.multiscale_torch import fold_normalisation
from emotion_core.networks.architectures import find_architecture
from emotion_core.networks.emotion_net import make_network
from emotion_core.networks.face_net import DecodedFaceNetwork, FaceNetwork, grid_centres
from emotion_core.networks.yunet import YUNETS, YuNet
from emotion_core.training.detector.loss import Targets, detector_loss
from emotion_core.training.emotion.augment import augment, draw_moves, move_actions
from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.emotion.landmarker import N_OUTPUTS
from emotion_core.training.emotion.losses import to_loss
from emotion_core.training.emotion.mixup import Batch, fill_va, mix, smooth

N_CLASSES = 9


class GpuGenerator(torch.Generator):
    """Says that it is on a GPU, where a real one cannot be made without one."""

    device = torch.device("cuda")


@pytest.fixture
def gpu():
    with FakeTensorMode(shape_env=ShapeEnv()):
        yield torch.device("cuda", 0)


def move(module, device, dtype=torch.float32):
    """``module.to`` puts no pretended tensors into a module that has real ones."""
    for part in module.modules():
        for name, value in part._parameters.items():
            if value is not None:
                there = torch.empty(value.shape, dtype=dtype, device=device)
                part._parameters[name] = torch.nn.Parameter(there)
        for name, value in part._buffers.items():
            if value is not None:
                kind = dtype if value.is_floating_point() else value.dtype
                part._buffers[name] = torch.empty(value.shape, dtype=kind, device=device)
    return module


def test_a_tensor_left_behind_is_refused(gpu):
    """Else the tests below would say nothing."""
    with pytest.raises(RuntimeError, match="same device"):
        torch.zeros(3, device=gpu) + torch.zeros(3)


@pytest.fixture(params=["own", *(config.name for config in YUNETS)])
def face_module(request):
    own = {"own": lambda: DecodedFaceNetwork(FaceNetwork())}
    makers = own | {config.name: lambda config=config: YuNet(config) for config in YUNETS}
    return fold_normalisation(makers[request.param]().eval())


def test_face_networks_stay_on_the_gpu(face_module, gpu):
    pixels = torch.empty((2, 3, 64, 96), dtype=torch.float16, device=gpu)
    outputs = move(face_module, gpu, torch.float16)(pixels)
    assert [output.device for output in outputs] == [gpu] * 3


@pytest.mark.parametrize(
    "name", ["small-face-net", pytest.param("resnet50-cbam", marks=pytest.mark.slow)]
)
def test_emotion_training_stays_on_the_gpu(name, request):
    config = TrainConfig(mixup=0.2, cutmix=1.0, coarse=0.5)
    architecture = find_architecture(name)
    network = make_network(name, N_CLASSES, has_va=True, has_actions=True, imagenet=False)
    gpu = request.getfixturevalue("gpu")  # from here on nothing is real
    network = move(network, gpu)
    faces = torch.empty((4, architecture.channels, config.size_px, config.size_px), device=gpu)
    targets = torch.empty((4, N_CLASSES), device=gpu)
    moves = draw_moves(4, config, GpuGenerator())
    faces = augment(faces, config, GpuGenerator(), moves)
    va = fill_va(torch.empty((4, 2), device=gpu), targets)
    actions = move_actions(torch.empty((4, N_OUTPUTS), device=gpu), moves)
    batch = Batch(faces, smooth(targets, 0.1), va, actions)
    batch = mix(batch, config, np.random.default_rng(0))
    weights = torch.empty(N_CLASSES, device=gpu)
    outputs = dict(zip(network.output_names, network(batch.faces), strict=True))
    loss = to_loss(outputs, batch, config, weights)
    assert loss.device == gpu


def three_places(self, *, as_tuple):
    """Without values nobody knows how many there are."""
    assert as_tuple
    return tuple(torch.zeros(3, dtype=torch.long, device=self.device) for _ in range(self.dim()))


def test_detector_training_stays_on_the_gpu(request, monkeypatch):
    network, places = FaceNetwork(), grid_centres((64, 64))
    gpu = request.getfixturevalue("gpu")
    places = torch.empty(places.shape, device=gpu)
    raw = move(network, gpu)(torch.empty((2, 3, 64, 64), device=gpu))
    boxes, marks = torch.empty((2, 3, 4), device=gpu), torch.empty((2, 3, 10), device=gpu)
    targets = Targets(boxes, marks, torch.empty((2, 3), dtype=torch.bool, device=gpu), boxes)
    monkeypatch.setattr(torch.Tensor, "nonzero", three_places)
    losses = detector_loss(raw.float(), places, targets, 1.0)
    assert [loss.device for loss in losses] == [gpu] * 4
