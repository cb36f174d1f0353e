"""Every architecture builds, takes a training step and reads back; ImageNet weights or a word."""

import hashlib
import logging
import socket
from dataclasses import replace

import pytest
import torch
from torchvision.models import ResNet18_Weights, resnet18

from emotion_core.errors import (
    UnknownModelError,
    WeightsMismatchError,
    WeightsUnavailableError,
)
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.networks.architectures import ARCHITECTURES
from emotion_core.networks.backbones import Attention, imagenet_weights, make_features
from emotion_core.networks.emotion_net import make_network
from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.emotion.losses import to_loss
from emotion_core.training.emotion.mixup import Batch
from emotion_core.training.emotion.trainer import EmotionTrainer
from emotion_core.training.engine.checkpoint import CheckpointPolicy, load_checkpoint
from emotion_core.training.engine.distributed import DistributedContext
from emotion_core.training.engine.optim import make_optimiser, start_network
from emotion_core.training.engine.release import save_network
from tests.training.synthetic import make_faces

QUICK = {"small-face-net", "tiny-face-net", "resnet18", "efficientnet-b0", "mobilenet-v3"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in ARCHITECTURES],
)
def test_every_architecture_builds_and_takes_a_training_step(name):
    torch.manual_seed(0)
    config = TrainConfig(architecture=name, size_px=32, pretrained="none", learning_rate=1e-3)
    network, pretrained = start_network(config, DistributedContext(), is_fresh=True)
    assert pretrained == ""
    channels = len(config.preprocessing.mean)
    faces = torch.randn(2, channels, 32, 32)
    outputs = network(faces)
    assert [tuple(output.shape) for output in outputs] == [(2, 9), (2, 2)]
    assert outputs[1].abs().max() <= 1
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimiser = make_optimiser(network, config)
    va = torch.tensor([[0.5, 0.1], [-0.5, 0.3]])
    truth = Batch(faces, torch.eye(9)[:2], va, torch.zeros(2, 0))
    to_loss(dict(zip(network.output_names, outputs, strict=True)), truth, config).backward()
    optimiser.step()
    after = list(network.parameters())
    changed = sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert changed > 0.9 * len(before)
    assert all(parameter.isfinite().all() for parameter in after)


def test_a_run_starts_from_the_tensors_that_fit(tmp_path):
    """The other network has the same layers, one input less, and another number of emotions."""
    other = make_network("tiny-face-net", 7, has_va=True)
    metadata = {
        "architecture": "tiny-face-net",
        "labels": ",".join(ALL_EMOTIONS[:7]),
        "has_va": "True",
    }
    save_network(other, tmp_path / "other.safetensors", metadata)
    config = TrainConfig(architecture="tiny-face-net", init=str(tmp_path / "other.safetensors"))
    network, source = start_network(config, DistributedContext(), is_fresh=True)
    ours, theirs = network.state_dict(), other.state_dict()
    assert source == f"other.safetensors, {len(ours) - 2} of {len(ours)} tensors"
    for name in ours.keys() - {"head.1.weight", "head.1.bias"}:
        assert torch.equal(ours[name], theirs[name]), name
    assert start_network(config, DistributedContext(), is_fresh=False)[1] == ""
    colour = replace(config, architecture="resnet18", pretrained="none", has_va=False)
    with pytest.raises(WeightsMismatchError, match="no tensor that fits resnet18"):
        start_network(colour, DistributedContext(), is_fresh=True)


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        ({}, {"logits": 7}),
        ({"has_va": True}, {"logits": 7, "va": 2}),
        ({"has_actions": True}, {"logits": 7, "actions": 51, "pose": 3}),
        ({"has_va": True, "has_actions": True}, {"logits": 7, "va": 2, "actions": 51, "pose": 3}),
    ],
)
def test_outputs_follow_the_heads(heads, expected):
    network = make_network("tiny-face-net", 7, **heads).eval()
    outputs = dict(zip(network.output_names, network(torch.zeros(3, 1, 48, 48)), strict=True))
    assert {name: output.shape[1] for name, output in outputs.items()} == expected


def test_convnext_keeps_the_norm_after_pooling():
    features, width = make_features("convnext-tiny")
    maps = features.eval()(torch.randn(2, 3, 64, 64))
    assert maps.shape == (2, width, 1, 1)
    torch.testing.assert_close(maps.mean(1), torch.zeros(2, 1, 1), atol=1e-4, rtol=0)


def test_attention_sits_in_every_residual_block_and_starts_the_same_for_every_seed():
    torch.manual_seed(3)
    network = make_network("resnet50-cbam", 9)
    found = [module for module in network.modules() if isinstance(module, Attention)]
    assert len(found) == 3 + 4 + 6 + 3
    torch.manual_seed(3)
    again = make_network("resnet50-cbam", 9)
    assert torch.equal(network.head[1].weight, again.head[1].weight)


def test_attention_weighs_channels_then_places():
    attention = Attention(16)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
    maps = torch.randn(2, 16, 5, 5)
    torch.testing.assert_close(attention(maps), maps / 4)  # two sigmoids of 0


def test_exposure_and_contrast_do_not_count_for_our_own():
    network = make_network("tiny-face-net", 9).eval()
    faces = torch.randn(3, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(faces)[0], network(2 * faces + 1)[0], atol=0.02, rtol=0.05)


def test_image_of_one_colour_gives_finite_logits():
    network = make_network("tiny-face-net", 9).eval()
    assert network(torch.full((1, 1, 48, 48), 7.0))[0].isfinite().all()


def test_unknown_architecture_is_named():
    with pytest.raises(UnknownModelError, match="no architecture 'vgg'; there are: small-face-net"):
        make_network("vgg", 9)


CONFIG = TrainConfig(architecture="resnet18", size_px=16, epochs=2, batch_size=4, bf16=False)


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty cache and a network in which no name resolves."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def refuse(*_, **__):
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def imagenet(offline, monkeypatch):
    """ImageNet weights in torch's cache; random ones, under a name that is true to their hash."""
    torch.manual_seed(7)
    state = resnet18().state_dict()
    offline.mkdir(parents=True)
    torch.save(state, offline / "new.pth")
    sha256 = hashlib.sha256((offline / "new.pth").read_bytes()).hexdigest()
    path = (offline / "new.pth").rename(offline / f"resnet18-{sha256[:8]}.pth")
    weights = ResNet18_Weights.DEFAULT
    changed = replace(weights.value, url=f"https://example.invalid/{path.name}")
    monkeypatch.setattr(weights, "_value_", changed)
    return state


def test_imagenet_weights_fill_the_layers(imagenet):
    network, source = start_network(CONFIG, DistributedContext(), is_fresh=True)
    assert torch.equal(network.features.conv1.weight, imagenet["conv1.weight"])
    assert torch.equal(network.features.layer4[1].bn2.bias, imagenet["layer4.1.bn2.bias"])
    assert source == "torchvision ResNet18_Weights.IMAGENET1K_V1"


@pytest.mark.slow
@pytest.mark.usefixtures("imagenet")
def test_imagenet_weights_are_loaded_for_a_fresh_start_only(tmp_path):
    rule = CheckpointPolicy(tmp_path / "run")
    faces = make_faces(8, channels=3)
    first = EmotionTrainer(CONFIG, rule)
    next(first.iter_epochs(faces, faces))
    for path in (tmp_path / "torch").rglob("*.pth"):
        path.unlink()
    resumed = EmotionTrainer(CONFIG, rule)
    assert resumed.pretrained == first.pretrained == load_checkpoint(rule.last)["pretrained"]


@pytest.mark.usefixtures("offline")
def test_imagenet_weights_out_of_reach_are_an_error_where_they_were_asked_for():
    config = replace(CONFIG, pretrained="imagenet")
    with pytest.raises(
        WeightsUnavailableError, match=r"are not available from .* --pretrained none"
    ):
        start_network(config, DistributedContext(), is_fresh=True)


@pytest.mark.usefixtures("offline")
def test_imagenet_weights_out_of_reach_are_a_remark_otherwise(caplog, capsys):
    torch.manual_seed(CONFIG.seed)
    expected, _ = start_network(
        replace(CONFIG, pretrained="none"), DistributedContext(), is_fresh=True
    )
    torch.manual_seed(CONFIG.seed)
    with caplog.at_level(logging.WARNING):
        network, source = start_network(CONFIG, DistributedContext(), is_fresh=True)
    assert source == ""
    assert "Training starts from random weights." in caplog.text
    assert torch.equal(network.features.conv1.weight, expected.features.conv1.weight)
    assert capsys.readouterr().out == ""  # kept for results
    assert socket.getdefaulttimeout() is None


def test_our_own_networks_know_no_imagenet_weights():
    config = TrainConfig(architecture="tiny-face-net", pretrained="imagenet")
    assert start_network(config, DistributedContext(), is_fresh=True)[1] == ""
    assert imagenet_weights("tiny-face-net") == ""
