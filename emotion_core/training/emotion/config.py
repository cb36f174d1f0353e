"""All hyper-parameters of a training; saved with every checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from emotion_core.errors import EmotionError
from emotion_core.models.card import FivePoints, Preprocessing
from emotion_core.models.registry import FERPLUS_TEMPLATE
from emotion_core.networks.architectures import find_architecture
from emotion_core.training.engine.base_config import BaseConfig, check_fields, limited, positive

Balance = Literal["none", "sampler", "loss"]
Pretrained = Literal["auto", "imagenet", "none"]


@dataclass(frozen=True, slots=True)
class TrainConfig(BaseConfig):
    """The hyper-parameters of one run.

    Attributes:
        architecture: A name in ``architectures.ARCHITECTURES``.
        size_px: Side of the square input.
        has_va: Whether the network also has outputs for valence and arousal.
        pretrained: Whether torchvision's networks start from ImageNet weights: ``"auto"`` if
            available, ``"imagenet"`` or fail, ``"none"``.
        init: A released network, .safetensors, whose tensors of the same names and shapes the run
            starts from; or empty.
        heads_only: Whether only the heads learn, on the features of ``init`` as they are: a second
            stage, in which their balance is learned from other shares of the data sets. Source:
            B. Kang et al., "Decoupling Representation and Classifier", ICLR 2020.
        epochs: Passes over the training set; the schedule of the learning rate depends on it.
        epoch_faces: Faces that are shown in one epoch, drawn anew for each; 0 shows all. With large
            sets, a run is validated and saved more often by fewer faces in more epochs.
        patience: Epochs without a better validation result after which training ends; 0 never.
        batch_size: Faces in one step, over all processes.
        learning_rate: Peak of the one-cycle schedule.
        warmup: Share of all steps in which the rate climbs.
        weight_decay: Of AdamW, on weight matrices and kernels only.
        clip_norm: Maximum norm of a step's gradient; longer ones are shortened to it.
        ema_decay: Of the averaged weights, per step; those are evaluated and released.
        balance: Handling of rare classes: ``"sampler"`` shows them more often, ``"loss"`` weighs
            them more, see ``class_balance.py``.
        effective_beta: The beta of the class-balanced loss.
        target_power: Power to which the shares of every target are raised before they sum to 1
            again: above 1, first choices count more against second ones.
        label_smoothing: Share of every target that is spread evenly over all classes.
        mixup: Alpha of the Beta distribution of mixup; 0 is off.
        cutmix: Alpha of the Beta distribution of CutMix; 0 is off.
        teacher: Names of teacher networks, with commas between, or empty.
        teacher_sha256: Of their files, or empty.
        teacher_share: Weight of the teachers' mean probabilities in the targets.
        teacher_va: Whether faces without ratings of valence and arousal learn the teachers'.
        va_weight: Of the concordance loss of valence and arousal beside the cross-entropy.
        va_square_weight: Of their mean squared difference.
        landmarker: Name of the file of the landmarker that teaches action features and the pose of
            the head, or empty for a network without these outputs.
        landmarker_sha256: Of that file, or empty.
        action_weight: Of the loss of action features beside the cross-entropy.
        pose_weight: Of the loss of the pose.
        va_words: Whether faces without ratings of valence and arousal learn the coordinates of the
            emotion words; else they learn none.
        seed: Of the first weights, the order of the faces and the augmentation.
        bf16: Whether layers compute in bfloat16 where that is safe.
        shift: Maximum shift, as a fraction of the side.
        zoom: Maximum factor of enlargement or reduction.
        rotation_deg: Maximum rotation.
        blur_px: Maximum deviation of the Gaussian blur in an image of 48 px, which two in five
            faces get; it grows with the side.
        gamma: Maximum exponent of the brightness curve, or its inverse.
        noise: Maximum deviation of the noise, on the 0-255 scale.
        erase: Share of the faces that lose a rectangle.
        coarse: Share of the faces that are shrunk, to a side of at least ``coarse_px``, and
            enlarged again.
        coarse_px: Minimum side of those.
        saturation: Maximum change of the saturation of colour, as a fraction.
        channel_gain: Maximum factor on each colour channel, or its inverse.
        grey_share: Share of the colour faces that are turned grey.
        template: Where the five landmarks lie in the training images, as fractions of the side
            (measured by ``data template``); detected faces are brought there.
    """

    architecture: str = "small-face-net"
    size_px: int = limited(48, 16, 1024)
    has_va: bool = True
    pretrained: Pretrained = "auto"
    init: str = ""
    heads_only: bool = False
    epochs: int = limited(28, 1)
    epoch_faces: int = limited(0, 0)
    patience: int = limited(0, 0)
    batch_size: int = limited(128, 1)
    learning_rate: float = positive(3e-3)
    warmup: float = limited(0.2, 0, 1)
    weight_decay: float = limited(0.05, 0)
    clip_norm: float = positive(5.0)
    ema_decay: float = limited(0.998, 0, 1)
    balance: Balance = "none"
    effective_beta: float = limited(0.999, 0, 1)
    target_power: float = positive(1.0)
    label_smoothing: float = limited(0.0, 0, 1)
    mixup: float = limited(0.0, 0)
    cutmix: float = limited(0.0, 0)
    teacher: str = ""
    teacher_sha256: str = ""
    teacher_share: float = limited(0.5, 0, 1)
    teacher_va: bool = False
    va_weight: float = limited(0.5, 0)
    va_square_weight: float = limited(0.0, 0)
    va_words: bool = True
    landmarker: str = ""
    landmarker_sha256: str = ""
    action_weight: float = limited(10.0, 0)
    pose_weight: float = limited(0.2, 0)
    seed: int = limited(0, 0)
    bf16: bool = True
    shift: float = limited(0.1, 0, 1)
    zoom: float = limited(1.2, 1)
    rotation_deg: float = limited(18.0, 0)
    blur_px: float = limited(1.1, 0)
    gamma: float = limited(1.6, 1)
    noise: float = limited(8.0, 0)
    erase: float = limited(0.4, 0, 1)
    coarse: float = limited(0.0, 0, 1)
    coarse_px: int = limited(16, 4)
    saturation: float = limited(0.4, 0, 1)
    channel_gain: float = limited(1.1, 1)
    grey_share: float = limited(0.2, 0, 1)
    template: FivePoints = FERPLUS_TEMPLATE

    def __post_init__(self) -> None:
        find_architecture(self.architecture)
        check_fields(self, _is_five_points, "five pairs of numbers")
        _check_choice("balance", self.balance, get_args(Balance))
        _check_choice("pretrained", self.pretrained, get_args(Pretrained))
        if not 0 < self.warmup < 1:
            raise EmotionError(f"warmup must lie between 0 and 1, not be {self.warmup}.")
        if self.heads_only and not self.init:
            raise EmotionError("heads_only needs features to learn from: give a network by --init.")
        if self.effective_beta == 1:
            raise EmotionError("effective_beta must be less than 1.")

    @property
    def has_actions(self) -> bool:
        """Whether the network has outputs for action features and the pose of the head."""
        return bool(self.landmarker)

    @property
    def preprocessing(self) -> Preprocessing:
        """The network's input; detected faces are aligned like the training images."""
        architecture = find_architecture(self.architecture)
        return Preprocessing(
            size_px=self.size_px,
            mean=architecture.mean,
            std=architecture.std,
            template=self.template,
        )


def _is_five_points(value: Any) -> bool:
    return len(value) == 5 and all(
        isinstance(point, tuple)
        and len(point) == 2
        and all(isinstance(number, (int, float)) for number in point)
        for point in value
    )


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise EmotionError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
