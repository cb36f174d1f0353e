"""What can be wrong with the choices for a study, found before its videos are analysed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.study.assignment import StudyVideo
    from emotion_core.study.edits import Edits
    from emotion_core.study.settings import StudySettings


def check_study(videos: Sequence[StudyVideo], settings: StudySettings, edits: Edits) -> None:
    """Checks that settings and edits fit the videos of a study.

    Raises:
        EmotionError: There is no video, an edit names one that is not in the study, or no video has
            the stimulus of the baseline.
    """
    if not videos:
        raise EmotionError("A study needs at least one video.")
    files = {video.file for video in videos}
    for number, edit in enumerate(edits.items, 1):
        if edit.video and edit.video not in files:
            raise EmotionError(f"Edit {number} names {edit.video}, which is not in the study.")
    stimulus = None if settings.baseline is None else settings.baseline.stimulus
    if stimulus is not None and stimulus not in {video.stimulus for video in videos}:
        raise EmotionError(f"No video has the stimulus {stimulus}, which is to be the baseline.")
