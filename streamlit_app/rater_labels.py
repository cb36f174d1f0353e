"""What a visitor, or several raters one after the other, say of faces."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from emotion_core.adaptation.agreement import to_agreement_of

if TYPE_CHECKING:
    from typing import Self

    from emotion_core.adaptation.agreement import RaterAgreement
    from emotion_core.training.datasets.photo_labels import FaceKey, PhotoLabel

UNRATED = (math.nan, math.nan)
"""Valence and arousal that nobody rated."""


@dataclass(slots=True)
class RaterLabels:
    """Labels in the order in which they were given.

    Attributes:
        given: Labels by face and rater.
        passed: Faces that a rater labelled or skipped, the last one last, each with the rater and
            the label that it had before.
    """

    given: dict[tuple[FaceKey, str], PhotoLabel] = field(default_factory=dict)
    passed: list[tuple[FaceKey, str, PhotoLabel | None]] = field(default_factory=list)

    def fork(self) -> Self:
        """The same for another window."""
        return replace(self, given=dict(self.given), passed=list(self.passed))

    def put(self, label: PhotoLabel) -> None:
        """Adds a label; the same rater's earlier label of the face is replaced."""
        self.skip(label.face, label.rater)
        self.given[label.face, label.rater] = label
        self.note_change()

    def skip(self, face: FaceKey, rater: str) -> None:
        """Leaves a face for later."""
        self.passed.append((face, rater, self.given.get((face, rater))))

    def undo(self) -> None:
        """Takes the last label or skip back, if there is one."""
        if not self.passed:
            return
        face, rater, before = self.passed.pop()
        if before is None:
            self.given.pop((face, rater), None)
        else:
            self.given[face, rater] = before
        self.note_change()

    def is_waiting(self, face: FaceKey, rater: str) -> bool:
        """Whether a rater has neither labelled nor skipped a face."""
        passed = any(one == face and who == rater for one, who, _ in self.passed)
        return not passed and (face, rater) not in self.given

    def agreement(self) -> RaterAgreement | None:
        """How far raters agree; ``None`` if no face was labelled by two."""
        found = to_agreement_of(list(self.given.values()))
        return found if found.n_shared else None

    def note_change(self) -> None:
        """Drops what was made from earlier labels."""
