"""Tracklets: unbroken stretches of tracks, linked to people once a whole video is known.

All links of a video are chosen at once, so that their total is most likely: each end of a tracklet
is assigned to the start of a later one, or to none. Source: C. Huang, B. Wu and R. Nevatia, "Robust
Object Tracking by Hierarchical Association of Detection Responses", ECCV 2008, section 3 (tracklets
joined by one assignment, with costs from place, appearance and time).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from emotion_core.tracking.appearance import (
    HEAD,
    ColorDescriptor,
    appearance_cost,
    descriptor_distances,
)
from emotion_core.tracking.kalman import SIZE_CHANGE, SIZE_NOISE, Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    FloatTable = npt.NDArray[np.float64]

NEW_FACES = 0.02
"""Faces expected to appear in a frame, per area of one face: limits how far a face may be from its
predicted position. By position alone, 0.7 of its size at 25 frames a second, 1.0 at 3."""

SAME_APPEARANCE = 0.05
"""Mean difference of the colours of two heads below which they look the same. Of 200 portraits at
one place, found with a jitter of 3%, 99% are below that when compared with themselves, and less
than 1% of pairs of two people."""

CUT_COST, REFLOW_COST = 3.2, 1.2
"""Costs of a pair of which one is from before a shot boundary, where positions say nothing: only a
face with ``SAME_APPEARANCE`` is the same person; and where most of the faces are known, so that
others will be as well, one with up to 0.07."""

LINK_COST = 2.0
"""Cost of a link within a shot: a face that appears is more likely that of somebody new."""

BRIEF_COST = 1.0
"""Added for each end of a link that was seen too briefly to be a person: a false alarm loses to the
tracklets before and after it."""

STAY_SHARE, STAY_S, STAY_SPREAD = 0.5, 20.0, 0.5
"""Share of people who come into view again where they were, as those who looked away do; the time
constant with which it declines; and how far from there per axis, in face sizes."""

MAX_APPEARANCE_GAP_S, MAX_SIZE_GAP_S = 1.0, 4.0
"""Seconds after which colours and sizes of faces are assumed to change no further."""

SAME_PERSON = 0.363
"""Minimum cosine of two embeddings of one person.

Source: opencv/opencv_zoo, models/face_recognition_sface/sface.py, for SFace.
"""

EMBEDDING_WEIGHT = 20.0
"""Evidence per cosine. Embeddings of one person lie around 0.6, of two around 0.1."""

MAX_LINKED = 2000
"""Maximum number of tracklets that are linked, those seen in most frames: their pairs take 32 MB,
and the assignment a few seconds."""


@dataclass(eq=False, slots=True)
class Sighting:
    """Position and appearance of a face at one end of a tracklet.

    Attributes:
        time_s: When the face was seen.
        centre: ``(2,)`` pixels.
        size: Square root of the box's area, pixels.
        shot: Number of shot boundaries before.
        descriptor: ``(L,)`` colours; ``None`` if the face was never fully visible.
    """

    time_s: float
    centre: Point
    size: float
    shot: int
    descriptor: ColorDescriptor | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Tracklet:
    """A stretch of frames in which a person was tracked without a long gap.

    Attributes:
        track: Its track id.
        n_frames: Number of frames with the face.
        first: The face when it appeared.
        last: The face before it was lost.
        embedding: ``(D,)`` sum of its embeddings; ``None`` without any.
    """

    track: int
    n_frames: int
    first: Sighting
    last: Sighting
    embedding: FloatTable | None = None


def link_tracklets(tracklets: Sequence[Tracklet], *, min_frames: int) -> dict[int, int]:
    """Links the tracklets of a video that are of one person.

    Args:
        tracklets: All of the video; their ids differ.
        min_frames: Number of frames from which a tracklet counts as a person by itself.

    Returns:
        For each track id that of the person's first tracklet. Tracklets of one person never
        overlap in time.
    """
    by_frames = sorted(tracklets, key=lambda t: (-t.n_frames, t.track))[:MAX_LINKED]
    linked = sorted(by_frames, key=lambda t: t.first.time_s)
    people = {t.track: t.track for t in tracklets}
    if linked:
        is_brief = np.array([t.n_frames < min_frames for t in linked])
        cost = link_costs(linked) + BRIEF_COST * (is_brief[:, None] + is_brief.astype(float))
        for i, j in sorted(best_pairs(cost), key=lambda pair: pair[1]):
            people[linked[j].track] = people[linked[i].track]
    return people


def link_costs(tracklets: Sequence[Tracklet]) -> FloatTable:
    """Evidence against each tracklet being continued by each other.

    Args:
        tracklets: T of them.

    Returns:
        ``(T, T)`` logarithm of the likelihood ratio, somebody new to the same person; infinite
        where the second does not begin after the end of the first.
    """
    ends, starts = [t.last for t in tracklets], [t.first for t in tracklets]
    gaps_s = _column(starts, "time_s") - _column(ends, "time_s")[:, None]
    later_s = np.maximum(gaps_s, 0.0)
    is_cut = _column(starts, "shot") != _column(ends, "shot")[:, None]
    before, after = _descriptors(ends), _descriptors(starts)
    apart = descriptor_distances(before, after)
    within = appearance_cost(apart, np.minimum(later_s, MAX_APPEARANCE_GAP_S))
    within = np.nan_to_num(within) + _place_costs(ends, starts, later_s) + LINK_COST
    heads_apart = descriptor_distances(before[:, HEAD], after[:, HEAD])
    cost = np.where(is_cut, recall_cost(heads_apart), within)
    cosines = _cosines([t.embedding for t in tracklets])
    cost = np.where(np.isnan(cosines), cost, EMBEDDING_WEIGHT * (SAME_PERSON - cosines))
    return np.where(gaps_s > 0, cost, np.inf)


def recall_cost(heads_apart: FloatTable, *, is_cut: bool = True) -> FloatTable:
    """Evidence against the same person by appearance alone; infinite where that is unknown.

    Args:
        heads_apart: ``descriptor_distances`` of the part ``HEAD`` of descriptors.
        is_cut: Whether people may be others than before, or only in other places.
    """
    cost = appearance_cost(heads_apart, np.zeros(1)) + (CUT_COST if is_cut else REFLOW_COST)
    return np.nan_to_num(cost, nan=np.inf, posinf=np.inf)


def best_pairs(cost: FloatTable) -> list[tuple[int, int]]:
    """Pairs of rows and columns with the minimum total cost; only costs below 0 are paired."""
    rows, columns = linear_sum_assignment(np.minimum(cost, 0.0))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j) for i, j in pairs if cost[i, j] < 0]


def _place_costs(ends: list[Sighting], starts: list[Sighting], gaps_s: FloatTable) -> FloatTable:
    """``(T, T)`` by place and size: people stay where they were, or are anywhere."""
    sizes = (_column(ends, "size")[:, None], _column(starts, "size"))
    moved = np.array([s.centre for s in ends])[:, None] - np.array([s.centre for s in starts])
    squared = (moved**2).sum(axis=2) / (sizes[0] * sizes[1])
    variance = STAY_SPREAD**2
    density = np.exp(-squared / (2 * variance)) / (2 * np.pi * variance)
    stays = STAY_SHARE * np.exp(-gaps_s / STAY_S)
    size_variance = 2 * SIZE_NOISE**2 + SIZE_CHANGE**2 * np.minimum(gaps_s, MAX_SIZE_GAP_S)
    grown = np.log(sizes[1] / sizes[0]) ** 2 / (2 * size_variance)
    return np.asarray(grown - np.log(stays * density / NEW_FACES + 1 - stays), np.float64)


def _column(sightings: list[Sighting], name: str) -> FloatTable:
    return np.array([getattr(sighting, name) for sighting in sightings], np.float64)


def _descriptors(sightings: list[Sighting]) -> FloatTable:
    """``(T, L)`` descriptors; NaN where there is none."""
    known = [s.descriptor for s in sightings if s.descriptor is not None]
    unknown = np.full(len(known[0]) if known else 1, np.nan)
    return np.stack([unknown if s.descriptor is None else s.descriptor for s in sightings])


def _cosines(embeddings: list[FloatTable | None]) -> FloatTable:
    """``(T, T)`` cosines of embeddings; NaN where one is missing."""
    known = [e for e in embeddings if e is not None]
    if not known:
        return np.full((len(embeddings), len(embeddings)), np.nan)
    unknown = np.full(len(known[0]), np.nan)
    rows = np.stack([unknown if e is None else e for e in embeddings])
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return np.asarray(rows @ rows.T, np.float64)
