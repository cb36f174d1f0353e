"""All hyper-parameters of a training of the face detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from emotion_core.errors import EmotionError
from emotion_core.networks.face_net import FaceNetworkConfig
from emotion_core.training.engine.base_config import BaseConfig, check_fields, limited, positive


@dataclass(frozen=True, slots=True)
class DetectorTrainConfig(BaseConfig):
    """The hyper-parameters of one run; saved as JSON beside its checkpoints.

    Attributes:
        size_px: Side of the composed images, a multiple of 32.
        batch_size: Images in one step.
        epochs: Of ``epoch_steps`` each; the learning rate falls to zero at their end. 0 if
            ``minutes`` ends the run.
        minutes: Of training and validation; the schedule follows the clock, so that such a run
            cannot be repeated exactly. 0 if ``epochs`` ends the run.
        epoch_steps: Steps between checkpoints.
        validate_every: Epochs between validations.
        learning_rate: Maximum, after the warm-up.
        warm_up_steps: Steps in which the rate rises.
        weight_decay: Of AdamW, on convolution kernels only.
        clip_norm: Maximum norm of a step's gradient; longer ones are shortened to it.
        ema_decay: Share that the averaged weights keep per step; those are evaluated and released.
        seed: Of the first weights and of the images.
        landmark_weight: Of the landmarks in the loss; scores and boxes have 2 each.
        bf16: Whether layers compute in bfloat16 where that is safe.
        stem: Channels of the network at stride 2.
        body: Channels from stride 4 on.
        deep: Units in each of the stages at strides 8, 16 and 32.
        init: Name of the weights that the run starts from, or empty.
        init_sha256: Of their file, or empty.
        teacher: Name of the teacher, or empty.
        teacher_sha256: Of its file, or empty.
    """

    size_px: int = 320
    batch_size: int = limited(16, 1)
    epochs: int = limited(74, 0)
    minutes: float = limited(0.0, 0)
    epoch_steps: int = limited(250, 1)
    validate_every: int = limited(5, 1)
    learning_rate: float = positive(3e-3)
    warm_up_steps: int = limited(200, 0)
    weight_decay: float = limited(0.02, 0)
    clip_norm: float = positive(10.0)
    ema_decay: float = 0.998
    seed: int = limited(0, 0)
    landmark_weight: float = limited(20.0, 0)
    bf16: bool = True
    stem: int = limited(16, 1)
    body: int = limited(64, 1)
    deep: tuple[int, int, int] = (4, 4, 4)
    init: str = ""
    init_sha256: str = ""
    teacher: str = ""
    teacher_sha256: str = ""

    def __post_init__(self) -> None:
        check_fields(self, _is_three_counts, "three whole numbers from 1")
        if self.size_px < 64 or self.size_px % 32:
            raise EmotionError(f"size_px must be a multiple of 32 from 64, not {self.size_px}.")
        if not 0 <= self.ema_decay < 1:
            raise EmotionError(
                f"ema_decay must be at least 0 and less than 1, not {self.ema_decay}."
            )
        if not self.epochs and not self.minutes:
            raise EmotionError("epochs must be at least 1, or minutes more than 0.")
        if self.epochs and self.minutes:
            raise EmotionError("Either epochs or minutes says when to end; the other must be 0.")

    @property
    def network(self) -> FaceNetworkConfig:
        """Widths of the network."""
        return FaceNetworkConfig(self.stem, self.body, self.deep)

    @property
    def n_steps(self) -> int | None:
        """Steps of the whole run; ``None`` if the clock ends it."""
        return self.epochs * self.epoch_steps or None

    def changed(self, values: dict[str, Any]) -> Self:
        """A copy with other values; setting ``epochs`` alone sets ``minutes`` to 0, and vice versa.

        Raises:
            EmotionError: See ``BaseConfig.changed``.
        """
        values = dict(values)
        for name, other in (("epochs", "minutes"), ("minutes", "epochs")):
            if values.get(name) and other not in values:
                values[other] = type(getattr(self, other))(0)
        return BaseConfig.changed(self, values)


def _is_three_counts(value: Any) -> bool:
    return len(value) == 3 and all(isinstance(n, int) and n > 0 for n in value)
