"""Tables of frames as videos give them: by hand, and people whose emotions wander."""

import numpy as np

from emotion_core.labels import ALL_EMOTIONS, Emotion
from emotion_core.types import Analysis, Faces, Predictions, VaSource
from emotion_core.video.frame_table import FrameTableBuilder

THREE = (Emotion.NEUTRAL, Emotion.HAPPINESS, Emotion.SADNESS)


def make_seen(tracks, probabilities, va, *, labels=THREE, scores=0.9, boxes=None):
    """An analysed frame with one face per track."""
    n = len(tracks)
    if boxes is None:
        boxes = [(100 * i, 20, 100 * i + 60, 90) for i in range(n)]
    faces = Faces(
        np.asarray(boxes, np.float32).reshape(n, 4),
        np.broadcast_to(np.float32(scores), n).copy(),
        None,
        np.asarray(tracks, np.int64),
    )
    va = np.asarray(va, np.float32).reshape(n, 2)
    read = Predictions(
        tuple(labels),
        np.asarray(probabilities, np.float32).reshape(n, len(labels)),
        va[:, 0].copy(),
        va[:, 1].copy(),
        VaSource.HEAD,
    )
    return Analysis((640, 480), faces, read, "tiny", 0.01)


def make_one(track, top, va=(0.0, 0.0), *, sureness=0.8, **options):
    """An analysed frame with one face that shows an emotion."""
    row = np.full(len(THREE), (1 - sureness) / (len(THREE) - 1))
    row[THREE.index(top)] = sureness
    return make_seen([track], row, va, **options)


def make_none():
    """An analysed frame without a face."""
    return make_seen([], [], [])


def make_table(frames):
    """A table of ``(frame, time_s, analysis)``."""
    log = FrameTableBuilder()
    for frame in frames:
        log.add(*frame)
    return log.table()


def walk(n_people=2, seconds=20.0, fps=10.0, *, gaps=True, first_track=1, seed=0):
    """A table of people whose emotions wander, each gone for a while, for a while all of them."""
    rng = np.random.default_rng(seed)
    labels = ALL_EMOTIONS[:8]
    n = round(seconds * fps)
    state = rng.normal(0, 1.5, (n_people, len(labels)))
    pull = np.exp(-1 / fps / 2)
    log = FrameTableBuilder()
    for i in range(n):
        state = pull * state + np.sqrt(1 - pull**2) * rng.normal(0, 2, state.shape)
        powers = np.exp(state)
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        va = np.tanh(state[:, :2] / 3)
        here = [k for k in range(n_people) if not (gaps and _is_gone(i / n, k))]
        tracks = [first_track + k for k in here]
        frame = make_seen(tracks, probabilities[here], va[here], labels=labels)
        log.add(i, i / fps, frame)
    return log.table()


def _is_gone(place, person):
    start = 0.15 + 0.07 * person
    return start < place < start + 0.1 or 0.8 < place < 0.85
