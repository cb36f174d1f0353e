"""Everything that decides what a training run does; saved with every checkpoint."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from emotion_core.labels import ALL_EMOTIONS, LabelSet
from emotion_core.model_card import FivePoints, Preprocessing

LABELS: LabelSet = ALL_EMOTIONS
"""Order of the outputs of every network trained here."""

GREY_MEAN, GREY_STD = 127.5, 64.0

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


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The hyper-parameters of one run.

    Attributes:
        architecture: A name in ``models.ARCHITECTURES``.
        size_px: Side of the square, grey input.
        epochs: Passes over the training set; the learning rate's course depends on it.
        batch_size: Faces in one step.
        learning_rate: Peak of the one-cycle course.
        warmup: Share of all steps in which the rate climbs.
        weight_decay: Of AdamW, on weight matrices and kernels only.
        ema_decay: Of the averaged weights, per step; those are the ones evaluated and released.
        seed: Of the first weights, the order of the faces and the augmentation.
        bf16: Whether convolutions compute in bfloat16.
        shift: Largest shift, as a fraction of the side.
        zoom: Largest factor of enlargement or reduction.
        rotation_deg: Largest rotation.
        blur_px: Largest deviation of the Gaussian blur, which meets two in five faces.
        gamma: Largest exponent of the brightness curve, or its inverse.
        noise: Largest deviation of the noise, on the 0-255 scale.
        erase: Share of the faces that lose a rectangle.
    """

    architecture: str = "small-face-net"
    size_px: int = 48
    epochs: int = 28
    batch_size: int = 128
    learning_rate: float = 3e-3
    warmup: float = 0.2
    weight_decay: float = 0.05
    ema_decay: float = 0.998
    seed: int = 0
    bf16: bool = True
    shift: float = 0.1
    zoom: float = 1.2
    rotation_deg: float = 18.0
    blur_px: float = 1.1
    gamma: float = 1.6
    noise: float = 8.0
    erase: float = 0.4

    @property
    def preprocessing(self) -> Preprocessing:
        """The network's input; a detected face comes to lie as faces do in training pictures."""
        return Preprocessing(
            size_px=self.size_px, mean=(GREY_MEAN,), std=(GREY_STD,), template=FERPLUS_TEMPLATE
        )

    def to_json(self) -> str:
        """The configuration as JSON text."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Read what ``to_json`` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**fields)
