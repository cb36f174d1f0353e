"""Studies made by hand: each participant a table of frames whose valence is known."""

import numpy as np

from emotion_core.labels import Emotion
from emotion_core.study.assignment import StudyVideo
from emotion_core.study.tables import Study, StudyRecord
from emotion_core.video.tables import mark_brief
from tests.video.frame_tables import THREE, make_none, make_seen, make_table


def make_frames(valence, *, fps=10.0, track=1, others=(), offset=0.0):
    """A table of one person with a valence per frame (NaN: not seen), and steady other tracks.

    Happiness is the more probable the higher the valence; arousal is half of it.
    """
    rows = []
    for i, value in enumerate(valence):
        tracks, probabilities, va = list(others), [(0.8, 0.1, 0.1)] * len(others), []
        va += [(0.0, 0.0)] * len(others)
        if not np.isnan(value):
            happiness = np.clip(0.4 + 0.5 * value, 0.02, 0.96)
            tracks.append(track)
            probabilities.append((0.98 - happiness, happiness, 0.02))
            va.append((value, value / 2))
        seen = make_seen(tracks, probabilities, va) if tracks else make_none()
        rows.append((i, offset + i / fps, seen))
    frames = mark_brief(make_table(rows))
    frames.attrs["end_s"] = offset + len(rows) / fps
    return frames


def make_record(participant, stimulus, valence, condition="", **options):
    """A video that was analysed."""
    name = "_".join(filter(None, (participant, stimulus, condition)))
    video = StudyVideo(f"{name}.mp4", participant, stimulus, condition)
    return StudyRecord(video, "0" * 64, make_frames(valence, **options))


def make_failed(participant, stimulus, condition=""):
    """A video that could not be analysed."""
    video = StudyVideo(f"{participant}_{stimulus}.mp4", participant, stimulus, condition)
    return StudyRecord(video, "", None, error="The file is empty.")


def make_study(n_people=4, *, seconds=4, settings=None, **options):
    """People who see ``calm`` (valence about 0) and ``joy`` (up to about 0.8), each a bit off."""
    times = np.arange(round(seconds * 10)) / 10
    records = []
    for k in range(n_people):
        own = 0.04 * (k - (n_people - 1) / 2)
        for stimulus, top in (("calm", 0.0), ("joy", 0.8)):
            records.append(make_record(f"P{k + 1}", stimulus, top * times / seconds + own))
    more = {} if settings is None else {"settings": settings}
    return Study(tuple(records), **more, **options)


HAPPY = str(Emotion.HAPPINESS)
LABELS = [str(label) for label in THREE]
