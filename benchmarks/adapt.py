"""Adapting to labels: of half of the people, measured on the other half.

Of a folder of labelled photos the people (or photos) are divided at random, again and again. From
one half some labels of each emotion are drawn, and a network is adapted to them; figures are of the
other half. Next to them stand what nested cross-validation says beforehand, whether its interval
holds the held-out figure, how often adapting is refused, and the same with labels that a wrong
rater gave: the drawn ones, shuffled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from emotion_core.adaptation.adapt import adapt
from emotion_core.adaptation.faces import make_labelled_faces, read_labelled_faces
from emotion_core.adaptation.fit import find_learned, fit_va, fit_words
from emotion_core.adaptation.network import load_base
from emotion_core.detection.turned import TurnedFaceDetector
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.local_analyzer import fetch_first, make_detector
from emotion_core.models.card import Task
from emotion_core.models.hub import resolve_models
from emotion_core.training.datasets.photo_labels import keep_half, read_photo_labels
from emotion_core.training.evaluation.metrics import to_agreement

if TYPE_CHECKING:
    from emotion_core.adaptation.adapt import Adaptation
    from emotion_core.adaptation.faces import LabelledFaces
    from emotion_core.adaptation.head import EmotionHead
    from emotion_core.adaptation.network import BaseNetwork
    from emotion_core.training.datasets.photo_labels import PhotoLabel

PER_EMOTION = (5, 25, 100)
_MIN_FACES = 10
"""Faces of an emotion in the other half from which on its recall counts in the mean."""


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("photos", type=Path, help="a folder with labels.csv, or such a file")
    parser.add_argument("--model", default="emoscope-fer-m")
    parser.add_argument("--detector", default="emoscope-face-s")
    parser.add_argument("--half", choices=["a", "b"], help="only one of the halves of --halves")
    parser.add_argument("--halves", default="image", help="column that decides on the halves")
    parser.add_argument("--most", type=int, help="photos of each emotion, chosen at random")
    parser.add_argument("--rounds", type=int, default=10, help="divisions of the people")
    chosen = parser.parse_args()
    labels = read_photo_labels(chosen.photos)
    if chosen.half:
        labels = keep_half(labels, chosen.half, chosen.halves)
    if chosen.most:
        labels = keep_most(labels, chosen.most)
    base = load_base(chosen.model)
    found = fetch_first(resolve_models(chosen.detector, Task.DETECTION), "cpu")
    detector = TurnedFaceDetector(make_detector(found.card, found.file.path, "cpu"))
    folder = chosen.photos if chosen.photos.is_dir() else chosen.photos.parent
    faces = read_labelled_faces(base, detector, folder, labels)
    rows = [measure(base, faces, n, 3 if chosen.quick else chosen.rounds) for n in PER_EMOTION]
    print_table(
        f"{chosen.model}, {len(faces)} faces of {len(set(faces.units))} people or photos",
        list(rows[0]),
        [list(row.values()) for row in rows],
    )
    write_json(chosen.json, {"machine": describe_machine(), "model": chosen.model, "rows": rows})


def keep_most(labels: list[PhotoLabel], n: int) -> list[PhotoLabel]:
    """At most N labels of each emotion, at random, always the same."""
    order = np.random.default_rng(0).permutation(len(labels))
    kept: list[PhotoLabel] = []
    counts: dict[object, int] = {}
    for i in order.tolist():
        emotion = labels[i].emotion
        counts[emotion] = counts.get(emotion, 0) + 1
        if counts[emotion] <= n:
            kept.append(labels[i])
    return kept


@dataclass(frozen=True, slots=True)
class _Round:
    labels: int
    before: float
    after: float
    accuracy_before: float
    accuracy_after: float
    va: tuple[float, float, float, float]
    gain: float
    is_inside: bool
    is_refused: bool
    is_wrong_refused: bool


def measure(base: BaseNetwork, faces: LabelledFaces, n: int, rounds: int) -> dict[str, Any]:
    """Means over several divisions of the people, with N labels of each emotion at most."""
    found = [_measure_once(base.head, faces, n, seed) for seed in range(rounds)]

    def mean(name: str) -> float:
        return float(np.mean([getattr(one, name) for one in found]))

    va = np.mean([one.va for one in found], axis=0).tolist()
    return {
        "an emotion": n,
        "labels": mean("labels"),
        "recall": mean("before"),
        "adapted recall": mean("after"),
        "accuracy": mean("accuracy_before"),
        "adapted accuracy": mean("accuracy_after"),
        "valence": va[0],
        "adapted valence": va[1],
        "arousal": va[2],
        "adapted arousal": va[3],
        "gain by CV": mean("gain"),
        "held out": mean("after") - mean("before"),
        "in interval": mean("is_inside"),
        "refused": mean("is_refused"),
        "wrong refused": mean("is_wrong_refused"),
    }


def _measure_once(base: EmotionHead, faces: LabelledFaces, n: int, seed: int) -> _Round:
    rng = np.random.default_rng(seed)
    people = sorted(set(faces.units))
    first = {
        p for p, is_first in zip(people, rng.random(len(people)) < 0.5, strict=True) if is_first
    }
    is_first = np.array([unit in first for unit in faces.units])
    truth = faces.truth.majority
    learned = [k for k in range(len(ALL_EMOTIONS)) if (truth[~is_first] == k).sum() >= _MIN_FACES]
    half = [rng.permutation(np.flatnonzero(is_first & (truth == k)))[:n] for k in learned]
    labelled = _take(faces, np.concatenate(half))
    held_out = _take(faces, np.flatnonzero(~is_first & np.isin(truth, learned)))
    evidence = labelled.evidence
    head = fit_words(base, evidence, "balanced", find_learned(evidence.truth))
    before, after = _score(base, held_out), _score(head, held_out)
    va = _score_va(base, labelled, held_out)
    adaptation = adapt(base, labelled)
    gain, inside = _cross_validated(adaptation, after[0] - before[0])
    shuffled = [
        replace(label, emotion=other.emotion)
        for label, other in zip(
            labelled.labels,
            [labelled.labels[i] for i in rng.permutation(len(labelled))],
            strict=True,
        )
    ]
    wrong = adapt(base, make_labelled_faces(shuffled, labelled.features))
    return _Round(
        len(labelled),
        before[0],
        after[0],
        before[1],
        after[1],
        va,
        gain,
        inside,
        "emotions" not in adaptation.used,
        "emotions" not in wrong.used,
    )


def _cross_validated(adaptation: Adaptation, held_out: float) -> tuple[float, bool]:
    """The gain of mean recall by cross-validation; whether its interval holds the held-out one."""
    one = next(d for d in adaptation.differences if d.name == "mean_recall")
    low, high = one.interval or (0.0, 0.0)
    return one.difference, low <= held_out <= high


def _score(head: EmotionHead, faces: LabelledFaces) -> tuple[float, float]:
    """Mean recall and accuracy, between eight emotions."""
    read = head.to_scaled_logits(faces.features)[:, :-1].argmax(axis=1)
    truth = faces.truth.majority
    recalls = [float((read[truth == k] == k).mean()) for k in np.unique(truth)]
    return float(np.mean(recalls)), float((read == truth).mean())


def _score_va(
    base: EmotionHead, labelled: LabelledFaces, held_out: LabelledFaces
) -> tuple[float, float, float, float]:
    """CCC of valence and of arousal before and after; NaN without ratings."""
    figures: list[float] = []
    for column in (0, 1):
        rated = ~np.isnan(held_out.truth.va[:, column])
        if not rated.any() or np.isnan(labelled.truth.va[:, column]).sum() > len(labelled) - 20:
            figures += [float("nan"), float("nan")]
            continue
        for head in (base, fit_va(base, labelled.evidence, column)):
            read = head.to_va(held_out.features)[rated, column]
            agreement = to_agreement(read, held_out.truth.va[rated, column], "va")
            figures.append(float(agreement["va_ccc"] or np.nan))
    return figures[0], figures[1], figures[2], figures[3]


def _take(faces: LabelledFaces, rows: Any) -> LabelledFaces:
    return make_labelled_faces([faces.labels[i] for i in rows], faces.features[rows])


if __name__ == "__main__":
    main()
