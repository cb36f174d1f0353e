"""The interface of all analyzers, local or remote: images in, one ``Analysis`` each out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from emotion_core.imaging.codec import load_image
from emotion_core.types import DEFAULT_OPTIONS

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import PIL.Image

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.types import Analysis, AnalyzeOptions, Image


class Analyzer(Protocol):
    """Finds faces and predicts emotions. Thread-safe; local and remote ones look the same."""

    @property
    def info(self) -> AnalyzerInfo:
        """The models in use."""

    def analyze(
        self,
        images: Sequence[Image],
        options: AnalyzeOptions = DEFAULT_OPTIONS,
    ) -> list[Analysis]:
        """Analyses images together.

        Args:
            images: RGB ``(H, W, 3)`` each, 0-255, any sizes.
            options: Which faces count, and how thoroughly to search for them.

        Returns:
            One ``Analysis`` per image, in order; empty for an image without a face.
        """


class ReadsOneImage:
    """Adds ``read`` to an ``Analyzer``: one image from any source."""

    def read(
        self: Analyzer,
        image: str | os.PathLike[str] | bytes | PIL.Image.Image | Image,
        options: AnalyzeOptions = DEFAULT_OPTIONS,
    ) -> Analysis:
        """Analyses one image.

        Args:
            image: A path, the bytes of a file, a Pillow image, or an array, RGB ``uint8``
                ``(H, W, 3)``.
            options: Which faces count, and how thoroughly to search for them.

        Returns:
            Iterate over it for the faces, from left to right; empty if there is none.

        Raises:
            ImageDecodeError: ``image`` cannot be decoded.
            EmotionError: The analysis failed.
        """
        (analysis,) = self.analyze([load_image(image)], options)
        return analysis
