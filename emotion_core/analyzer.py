"""What every analyzer does, here or on a server: images in, one ``Analysis`` each out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from emotion_core.imaging.codec import load_image
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import PIL.Image

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.types import Analysis, Image


class Analyzer(Protocol):
    """Reads faces and emotions. Thread-safe; local and remote ones look the same."""

    @property
    def info(self) -> AnalyzerInfo:
        """What is at work."""

    def analyze(
        self,
        images: Sequence[Image],
        *,
        min_score: float = DEFAULT_MIN_SCORE,
        min_face_px: float = DEFAULT_MIN_FACE_PX,
        search_px: int | None = None,
    ) -> list[Analysis]:
        """Analyse images together.

        Args:
            images: RGB ``(H, W, 3)`` each, 0-255, any sizes.
            min_score: Faces that the detector is less sure of, 0-1, are left out.
            min_face_px: Faces whose shorter side is less, in pixels of the image, are left out.
            search_px: Longest side, in pixels, at which images are searched in one look: quick,
                for pictures of a video. ``None`` for the thorough search that a photo is worth.

        Returns:
            One ``Analysis`` per image, in order; an image without a face has an empty one.
        """


class ReadsOneImage:
    """Adds ``read`` to an ``Analyzer``: one image, from wherever it is."""

    def read(
        self: Analyzer, image: str | os.PathLike[str] | bytes | PIL.Image.Image | Image
    ) -> Analysis:
        """Analyse one image as thoroughly as a photo deserves.

        Args:
            image: A path, the bytes of a file, a Pillow image, or an array, RGB ``uint8``
                ``(H, W, 3)``.

        Returns:
            Iterate over it for the faces, from left to right; empty if there is none.

        Raises:
            ImageDecodeError: It cannot be read as an image.
            EmotionError: The analysis failed.
        """
        (analysis,) = self.analyze([load_image(image)])
        return analysis
