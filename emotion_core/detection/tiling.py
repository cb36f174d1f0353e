"""Small faces in large images: parts that were shrunk are searched again at a larger scale.

The first pass sees a large image shrunk. Where it saw something like a small face, there may be
more, too small for it: that part is cut out at twice the scale and searched again, and so on, up to
the image's own pixels. Parts without a hint cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emotion_core.detection.boxes import (
    ACROSS_PASSES,
    MAX_CANDIDATES,
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

    from emotion_core.types import AnalyzeOptions, FloatArray, Image

Find = Callable[[Sequence["Image"], float], list[Faces]]
"""Images and a minimum score to the faces of each, in its pixels: ``FaceModel.find``."""

HINT_SCORE = 0.3
"""A candidate with this score is not yet a face, but a reason to look closer."""

_SMALL_PX = 32  # in a pass: there may be invisible faces beside faces with shorter sides below it
_EASY_PX = 20  # in a pass: faces of this size are found; a larger scale is of no use
_MIN_GAIN = 1.5  # a pass at less than this times the last scale finds next to nothing new
_TILE_PX = 640
_TILE_OVERLAP_PX = 128  # the largest face a tile accounts for; the coarser pass saw larger ones


class ScalePass(NamedTuple):
    """Result of searching an image at one scale.

    Attributes:
        scale: Pixels that the network saw per pixel of the image.
        faces: Everything that scores at least ``HINT_SCORE``, in pixels of the image.
    """

    scale: float
    faces: Faces


def next_scale(scale: float, min_face_px: float) -> float | None:
    """The scale of the next pass, or ``None`` if it is not worth it.

    Args:
        scale: Of the last pass.
        min_face_px: Minimum shorter side of a face in pixels of the image; above 0.
    """
    finer = min(2 * scale, 1.0, _EASY_PX / min_face_px)
    return finer if finer > _MIN_GAIN * scale else None


def refine_in_tiles(
    find: Find, image: Image, faces: Faces, last: ScalePass, options: AnalyzeOptions
) -> Faces:
    """Adds the faces that are too small for the first pass.

    Args:
        find: Finds faces in tiles.
        image: RGB, in full size.
        faces: Known so far, in pixels of ``image``.
        last: The first pass.
        options: Which faces count; ``min_face_px`` is above 0.

    Returns:
        Faces in pixels of ``image``, without duplicates.
    """
    while True:
        scale, hints = next_scale(last.scale, options.min_face_px), _hints(last, options)
        if scale is None or not len(hints):
            return faces
        # Parts of a large face look like faces: faces that were large enough to be sure come first.
        is_sure = sides(faces).min(axis=1, initial=np.inf) * last.scale >= _SMALL_PX
        last = ScalePass(scale, _find_in_tiles(find, image, scale, centres(hints)))
        new = last.faces[last.faces.scores >= options.min_score]
        rest = sort_by_score(concat(faces[~is_sure], new))
        rest = rest[np.arange(min(len(rest), MAX_CANDIDATES))]  # the limit of each tile
        faces = nms_faces(concat(sort_by_score(faces[is_sure]), rest), ACROSS_PASSES)


def _hints(last: ScalePass, options: AnalyzeOptions) -> Faces:
    """Candidates that are small for this pass, but large enough for the caller."""
    size = sides(last.faces)
    small = size.min(axis=1, initial=np.inf) * last.scale < _SMALL_PX
    return last.faces[small & (size.max(axis=1, initial=0) >= options.min_face_px)]


class TileAxis:
    """Equal, overlapping tiles along one side of an image, each owning a stretch of it.

    Args:
        length_px: Of the side.
        tile_px: Maximum length of a tile.
        overlap_px: Minimum overlap of neighbours.

    Attributes:
        tile_px: Length of each tile.
        starts: Where they begin.
    """

    def __init__(
        self, length_px: int, tile_px: int = _TILE_PX, overlap_px: int = _TILE_OVERLAP_PX
    ) -> None:
        step = tile_px - overlap_px
        count = max(1, -(-(length_px - overlap_px) // step))
        self.tile_px = min(tile_px, length_px)
        self.starts = np.linspace(0, length_px - self.tile_px, count).round().astype(np.int64)
        self._borders = (self.starts[1:] + self.starts[:-1] + self.tile_px) / 2

    def owners(self, positions: FloatArray) -> npt.NDArray[np.int64]:
        """Index of the tile that owns each position."""
        return np.searchsorted(self._borders, positions)


def _find_in_tiles(find: Find, image: Image, scale: float, points: FloatArray) -> Faces:
    """Searches the tiles that contain given points.

    Args:
        find: Finds faces in tiles.
        image: RGB, in full size; never enlarged or shrunk as a whole.
        scale: At which tiles are cut out, at most 1.
        points: ``(N, 2)`` x, y in pixels of ``image``.

    Returns:
        Everything that scores at least ``HINT_SCORE``, in pixels of ``image``, each from the tile
        that owns its centre: none is cut in two there, and none comes from two.
    """
    axes = [TileAxis(max(1, round(side * scale))) for side in image.shape[1::-1]]

    def owners(points: FloatArray) -> npt.NDArray[np.int64]:
        return np.stack([axes[i].owners(points[:, i] * scale) for i in (0, 1)], axis=1)

    tiles = np.unique(owners(points), axis=0)
    corners, views = [], []
    for tile in tiles:
        starts = [axis.starts[i] for axis, i in zip(axes, tile, strict=True)]
        x, y = (round(start / scale) for start in starts)
        x2, y2 = (
            round((start + axis.tile_px) / scale) for axis, start in zip(axes, starts, strict=True)
        )
        corners.append((x, y))
        views.append(scale_image(image[y:y2, x:x2], scale))
    found = []
    for tile, corner, faces in zip(tiles, corners, find(views, HINT_SCORE), strict=True):
        faces = faces[sides(faces).max(axis=1, initial=0) <= _TILE_OVERLAP_PX]
        faces = rescale(faces, scale, corner)
        found.append(faces[(owners(centres(faces)) == tile).all(axis=1)])
    return concat(*found)
