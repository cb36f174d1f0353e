"""Small faces in large pictures: what was shrunk is looked at again, larger, where it pays.

The first look sees a large picture shrunk. Where it saw something like a small face, there may be
more, too small for it: that part is cut out at twice the scale and looked at again, and so on, up
to the picture's own pixels. Parts without a hint cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emotion_core.detection.boxes import (
    MAX_CANDIDATES,
    NmsThresholds,
    centres,
    concat,
    nms_faces,
    rescale,
    sides,
    sort_by_score,
)
from emotion_core.imaging.resize import scale_image
from emotion_core.types import Faces

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.types import FloatArray, Image

Find = Callable[[Sequence["Image"], float], list[Faces]]
"""Pictures and a least score to the faces of each, in its pixels: ``FaceModel.find``."""

HINT_SCORE = 0.3
"""What scores this much is not yet a face, but reason to look closer."""

_SMALL_PX = 32  # of a look: shorter sides of faces beside which there may be faces it cannot see
_EASY_PX = 20  # of a look: faces of this size are seen; more scale is of no use
_WORTH = 1.5  # a look that is less finer than this finds next to nothing new
_SAME_FACE = NmsThresholds(
    0.25, 0.5
)  # two looks place boxes differently, more than two places of one
_TILE_PX = 640
_TILE_OVERLAP_PX = 128  # a tile answers for faces up to this size; the coarser look saw larger ones


class SearchLimits(NamedTuple):
    """What the caller asks for.

    Attributes:
        score: Least confidence, 0-1.
        face_px: Least shorter side of a face, in pixels of the picture; above 0.
    """

    score: float
    face_px: float


class ScalePass(NamedTuple):
    """What was seen at one scale.

    Attributes:
        scale: Pixels that the network saw per pixel of the picture.
        faces: Everything of at least ``HINT_SCORE``, in pixels of the picture.
    """

    scale: float
    faces: Faces


def next_scale(scale: float, face_px: float) -> float | None:
    """The scale of the next look, or ``None`` if it would not be worth it.

    Args:
        scale: Of the last one.
        face_px: See ``SearchLimits``.
    """
    finer = min(2 * scale, 1.0, _EASY_PX / face_px)
    return finer if finer > _WORTH * scale else None


def refine_in_tiles(
    find: Find, image: Image, faces: Faces, look: ScalePass, wanted: SearchLimits
) -> Faces:
    """Add the faces that are too small for the first look.

    Args:
        find: Finds faces in tiles.
        image: RGB, in full size.
        faces: Known so far, in pixels of ``image``.
        look: The first look at it.
        wanted: What counts.

    Returns:
        Faces in pixels of ``image``, none twice.
    """
    while True:
        scale, hints = next_scale(look.scale, wanted.face_px), _hints(look, wanted)
        if scale is None or not len(hints):
            return faces
        # Parts of a large face look like faces: what was seen well enough comes first.
        settled = sides(faces).min(axis=1, initial=np.inf) * look.scale >= _SMALL_PX
        look = ScalePass(scale, _find_in_tiles(find, image, scale, centres(hints)))
        fresh = look.faces[look.faces.scores >= wanted.score]
        rest = sort_by_score(concat(faces[~settled], fresh))
        rest = rest[np.arange(min(len(rest), MAX_CANDIDATES))]  # each tile may have so many
        faces = nms_faces(concat(sort_by_score(faces[settled]), rest), _SAME_FACE)


def _hints(look: ScalePass, wanted: SearchLimits) -> Faces:
    """What looks like a face that is small for this look, and not too small for the caller."""
    size = sides(look.faces)
    small = size.min(axis=1, initial=np.inf) * look.scale < _SMALL_PX
    return look.faces[small & (size.max(axis=1, initial=0) >= wanted.face_px)]


class _TileAxis:
    """Tiles along one side of a picture: equal, overlapping, each with a stretch of its own."""

    def __init__(self, length_px: int) -> None:
        step = _TILE_PX - _TILE_OVERLAP_PX
        count = max(1, -(-(length_px - _TILE_OVERLAP_PX) // step))
        self.tile_px = min(_TILE_PX, length_px)
        self.starts = np.linspace(0, length_px - self.tile_px, count).round().astype(np.int64)
        self._borders = (self.starts[1:] + self.starts[:-1] + self.tile_px) / 2

    def owners(self, positions: FloatArray) -> npt.NDArray[np.int64]:
        """Number of the tile to which each position belongs."""
        return np.searchsorted(self._borders, positions)


def _find_in_tiles(find: Find, image: Image, scale: float, places: FloatArray) -> Faces:
    """Look at the tiles in which given places lie.

    Args:
        find: Sees one tile after another or all at once.
        image: RGB, in full size; never enlarged or shrunk as a whole.
        scale: At which tiles are cut out, at most 1.
        places: ``(N, 2)`` x, y in pixels of ``image``.

    Returns:
        Everything of at least ``HINT_SCORE``, in pixels of ``image``, each from the one tile to
        which its centre belongs: none is cut in two there, and none comes from two.
    """
    axes = [_TileAxis(max(1, round(side * scale))) for side in image.shape[1::-1]]

    def owners(points: FloatArray) -> npt.NDArray[np.int64]:
        return np.stack([axes[i].owners(points[:, i] * scale) for i in (0, 1)], axis=1)

    tiles = np.unique(owners(places), axis=0)
    corners, views = [], []
    for tile in tiles:
        low = [round(axis.starts[i] / scale) for axis, i in zip(axes, tile, strict=True)]
        high = [
            round((axis.starts[i] + axis.tile_px) / scale)
            for axis, i in zip(axes, tile, strict=True)
        ]
        corners.append((low[0], low[1]))
        views.append(scale_image(image[low[1] : high[1], low[0] : high[0]], scale))
    found = []
    for tile, corner, faces in zip(tiles, corners, find(views, HINT_SCORE), strict=True):
        here = rescale(
            faces[sides(faces).max(axis=1, initial=0) <= _TILE_OVERLAP_PX], scale, corner
        )
        found.append(here[(owners(centres(here)) == tile).all(axis=1)])
    return concat(*found)
