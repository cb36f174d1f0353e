"""An adaptation of a network that was not learned from labels."""

from dataclasses import replace

import numpy as np

from emotion_core.adaptation.adapt import Adaptation
from emotion_core.adaptation.faces import make_labelled_faces
from emotion_core.labels import ALL_EMOTIONS, Emotion
from emotion_core.training.evaluation.metrics import to_metrics


def make_happier(base):
    """Happier by a logit of 3, and of another temperature and valence."""
    bias = base.head.bias.copy()
    bias[ALL_EMOTIONS.index(Emotion.HAPPINESS)] += 3
    head = replace(base.head, bias=bias, temperature=0.9, va_bias=base.head.va_bias + 0.5)
    width = base.head.weight.shape[1]
    nothing = make_labelled_faces([], np.empty((0, width), np.float32)).truth
    none = to_metrics(np.empty((0, 9), np.float32), np.empty((0, 2), np.float32), nothing)
    return Adaptation(head, "balanced", ("emotions",), (), {"anger": 7}, (3, 0), 5, none, none, ())
