"""The interface of all analyzers, local or remote: images in, one ``Analysis`` each out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from emotion_core.detection.boxes import rescale
from emotion_core.errors import EmotionError, ImageDecodeError
from emotion_core.imaging.codec import load_image
from emotion_core.types import DEFAULT_OPTIONS

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    import PIL.Image

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.types import Analysis, AnalyzeOptions, Image, Region


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


def analyze_part(
    analyze: Callable[[Sequence[Image], AnalyzeOptions], list[Analysis]],
    images: Sequence[Image],
    options: AnalyzeOptions,
) -> list[Analysis]:
    """Analyses the region and the faces that options ask for.

    Args:
        analyze: Analyses whole images, and all faces in them.
        images: As for ``Analyzer.analyze``.
        options: With a region, or only for the largest face.

    Returns:
        One per image, in its pixels.

    Raises:
        ImageDecodeError: The region lies outside of an image.
    """
    found = analyze(
        [_crop(image, options.region) for image in images],
        replace(options, region=None, largest_only=False),
    )
    x, y = options.region[:2] if options.region else (0, 0)
    return [
        options.select(
            replace(analysis, size_wh=image.shape[1::-1], faces=rescale(analysis.faces, 1, (x, y)))
        )
        for image, analysis in zip(images, found, strict=True)
    ]


def to_region(text: str) -> Region:
    """Reads a region from ``x,y,width,height``.

    Raises:
        EmotionError: The text is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4 or not all(part.isdecimal() for part in parts) or "0" in parts[2:]:
        raise EmotionError(f"A region is x,y,width,height in pixels, as 0,0,640,720, not {text!r}.")
    x, y, width, height = map(int, parts)
    return x, y, width, height


def _crop(image: Image, region: Region | None) -> Image:
    if region is None:
        return image
    x, y, width, height = region
    view = image[y : y + height, x : x + width]
    if not view.size:
        raise ImageDecodeError(
            f"The region {x},{y},{width},{height} lies outside of the image of "
            f"{image.shape[1]} x {image.shape[0]} pixels."
        )
    return view


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
