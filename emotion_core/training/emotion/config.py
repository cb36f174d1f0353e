"""Everything that decides what a training run does; saved with every checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from emotion_core.errors import EmotionError
from emotion_core.models.card import FivePoints, Preprocessing
from emotion_core.networks.architectures import find_architecture
from emotion_core.training.engine.base_config import (
    BaseConfig,
    check_positive,
    check_range,
    check_types,
)

FERPLUS_TEMPLATE: FivePoints = (
    (0.328, 0.396),
    (0.683, 0.395),
    (0.508, 0.591),
    (0.348, 0.738),
    (0.651, 0.741),
)
"""Where eyes, nose tip and mouth corners lie in FER2013's pictures, as fractions of their side.

Source: medians over the 4,364 of 5,000 random FER+ training pictures in which YuNet finds a face
with a score above 0.8; pictures enlarged to 160 px with a replicated border of 80 px.
"""

Balance = Literal["none", "sampler", "loss"]
Pretrained = Literal["auto", "imagenet", "none"]

# What a value may be: at least the first, at most the second. Fields that are not here are free.
_SIZE_PX = (16, 1024)
_AT_LEAST_ONE = ("epochs", "batch_size", "zoom", "gamma", "channel_gain")
_POSITIVE = ("learning_rate", "clip_norm")
_NOT_NEGATIVE = (
    *("weight_decay", "va_weight", "mixup", "cutmix", "patience", "seed"),
    *("rotation_deg", "blur_px", "noise"),
)
_SHARES = (
    *("warmup", "ema_decay", "teacher_share", "label_smoothing", "effective_beta"),
    *("shift", "erase", "saturation", "grey_share"),
)


@dataclass(frozen=True, slots=True)
class TrainConfig(BaseConfig):
    """The hyper-parameters of one run.

    Attributes:
        architecture: A name in ``architectures.ARCHITECTURES``.
        size_px: Side of the square input.
        has_va: Whether valence and arousal are outputs, too.
        pretrained: Whether networks of torchvision start from ImageNet weights: ``"auto"`` if they
            are to be had, ``"imagenet"`` or not at all, ``"none"``.
        epochs: Passes over the training set; the learning rate's course depends on it.
        patience: Epochs without a better validation result after which training ends; 0 never.
        batch_size: Faces in one step, over all processes.
        learning_rate: Peak of the one-cycle course.
        warmup: Share of all steps in which the rate climbs.
        weight_decay: Of AdamW, on weight matrices and kernels only.
        clip_norm: Largest norm of a step's gradient; a longer one is shortened to it.
        ema_decay: Of the averaged weights, per step; those are the ones evaluated and released.
        balance: What is done about rare classes: ``"sampler"`` shows them more often, ``"loss"``
            weighs them more, see ``class_balance.py``.
        effective_beta: The beta of the class-balanced loss.
        label_smoothing: Share of every target that is spread evenly over all classes.
        mixup: Alpha of the Beta distribution of mixup; 0 is off.
        cutmix: Alpha of the Beta distribution of CutMix; 0 is off.
        teacher: Name of a teacher network, or empty.
        teacher_sha256: Of the teacher's file, or empty.
        teacher_share: Weight of a teacher's probabilities in the targets, where there is a teacher.
        va_weight: Of the concordance loss of valence and arousal beside the cross-entropy.
        seed: Of the first weights, the order of the faces and the augmentation.
        bf16: Whether layers compute in bfloat16 where that is safe.
        shift: Largest shift, as a fraction of the side.
        zoom: Largest factor of enlargement or reduction.
        rotation_deg: Largest rotation.
        blur_px: Largest deviation of the Gaussian blur of a picture of 48 px, which meets two in
            five faces; it grows with the side.
        gamma: Largest exponent of the brightness curve, or its inverse.
        noise: Largest deviation of the noise, on the 0-255 scale.
        erase: Share of the faces that lose a rectangle.
        saturation: Largest change of the saturation of colour, as a fraction.
        channel_gain: Largest factor on each colour channel, or its inverse.
        grey_share: Share of the colour faces that are turned grey.
        template: Where the five landmarks lie in the training pictures, as fractions of the side
            (``data template`` measures it); detected faces are brought there.
    """

    architecture: str = "small-face-net"
    size_px: int = 48
    has_va: bool = True
    pretrained: Pretrained = "auto"
    epochs: int = 28
    patience: int = 0
    batch_size: int = 128
    learning_rate: float = 3e-3
    warmup: float = 0.2
    weight_decay: float = 0.05
    clip_norm: float = 5.0
    ema_decay: float = 0.998
    balance: Balance = "none"
    effective_beta: float = 0.999
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    teacher: str = ""
    teacher_sha256: str = ""
    teacher_share: float = 0.5
    va_weight: float = 0.5
    seed: int = 0
    bf16: bool = True
    shift: float = 0.1
    zoom: float = 1.2
    rotation_deg: float = 18.0
    blur_px: float = 1.1
    gamma: float = 1.6
    noise: float = 8.0
    erase: float = 0.4
    saturation: float = 0.4
    channel_gain: float = 1.1
    grey_share: float = 0.2
    template: FivePoints = FERPLUS_TEMPLATE

    def __post_init__(self) -> None:
        find_architecture(self.architecture)
        check_types(self, _is_five_points, "five pairs of numbers")
        _check_choice("balance", self.balance, get_args(Balance))
        _check_choice("pretrained", self.pretrained, get_args(Pretrained))
        check_range(self, _AT_LEAST_ONE, 1)
        check_range(self, _NOT_NEGATIVE, 0)
        check_range(self, _SHARES, 0, 1)
        check_range(self, ("size_px",), *_SIZE_PX)
        check_positive(self, _POSITIVE)
        if not 0 < self.warmup < 1:
            raise EmotionError(f"warmup must lie between 0 and 1, not be {self.warmup}.")
        if self.effective_beta == 1:
            raise EmotionError("effective_beta must be less than 1.")

    @property
    def preprocessing(self) -> Preprocessing:
        """The network's input; a detected face comes to lie as faces do in training pictures."""
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
