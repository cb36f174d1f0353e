"""The last layer of an emotion network, which is what adapting changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from emotion_core.checks import check, check_floats

if TYPE_CHECKING:
    from emotion_core.types import FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class EmotionHead:
    """A linear map from a network's D features to its logits, and one to valence and arousal.

    Attributes:
        weight: ``(9, D)`` to the logits, in the order of ``ALL_EMOTIONS``.
        bias: ``(9,)``.
        va_weight: ``(2, D)`` to valence and arousal before the tanh; ``None`` if it has none.
        va_bias: ``(2,)``, or ``None``.
        temperature: Logits are divided by it before the softmax.
    """

    weight: FloatArray
    bias: FloatArray
    va_weight: FloatArray | None = None
    va_bias: FloatArray | None = None
    temperature: float = 1.0

    def __post_init__(self) -> None:
        n, width = self.weight.shape
        check_floats(self.weight, (n, width), "weight")
        check_floats(self.bias, (n,), "bias")
        check((self.va_weight is None) == (self.va_bias is None), "va needs a weight and a bias.")
        if self.va_weight is not None and self.va_bias is not None:
            check_floats(self.va_weight, (2, width), "va_weight")
            check_floats(self.va_bias, (2,), "va_bias")
        check(self.temperature > 0, "temperature must be positive.")

    def to_scaled_logits(self, features: FloatArray) -> FloatArray:
        """Logits divided by the temperature, ``(N, 9)``, of features ``(N, D)``."""
        logits = features @ self.weight.T + self.bias
        return np.asarray(logits / np.float32(self.temperature), np.float32)

    def to_va(self, features: FloatArray) -> FloatArray:
        """Valence and arousal, ``(N, 2)`` in [-1, 1]; a ``ValueError`` without such outputs."""
        return np.tanh(self.to_raw_va(features))

    def to_raw_va(self, features: FloatArray) -> FloatArray:
        """The same before the tanh."""
        if self.va_weight is None or self.va_bias is None:
            raise ValueError("The network has no outputs for valence and arousal.")
        return np.asarray(features @ self.va_weight.T + self.va_bias, np.float32)

    def with_words(self, other: EmotionHead) -> Self:
        """This head with the logits of another one."""
        return replace(self, weight=other.weight, bias=other.bias, temperature=other.temperature)

    def with_va(self, other: EmotionHead, rows: list[int]) -> Self:
        """This head with valence (row 0) or arousal (row 1) of another one."""
        if self.va_weight is None or self.va_bias is None:
            return self
        if other.va_weight is None or other.va_bias is None:
            raise ValueError("The other head has no outputs for valence and arousal.")
        weight, bias = self.va_weight.copy(), self.va_bias.copy()
        weight[rows], bias[rows] = other.va_weight[rows], other.va_bias[rows]
        return replace(self, va_weight=weight, va_bias=bias)
