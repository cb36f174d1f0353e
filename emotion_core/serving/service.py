"""What one replica does: decodes, gathers batches, asks the core. Knows neither HTTP nor Ray."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_core.imaging.codec import decode_image
from emotion_core.serving.micro_batching import Batcher
from emotion_core.serving.v1_protocol import fit_crop
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable, Sequence

    from emotion_core.imaging.codec import DecodedImage
    from emotion_core.local_analyzer import LocalAnalyzer
    from emotion_core.types import Analysis, Image, Predictions

DECODERS = 2
"""Pictures decoded at the same time."""

DECODED_BYTES = 600_000_000
"""Decoded pictures held before further ones are decoded: two of the largest allowed."""


@dataclass(frozen=True, eq=False, slots=True)
class AnalyzeResponse:
    """What became of one picture.

    Attributes:
        analysis: What was found.
        warnings: What is odd about the picture, one sentence each.
        batch: How many pictures were analysed together with it, itself included.
    """

    analysis: Analysis
    warnings: tuple[str, ...]
    batch: int


_CROPS = "crops"


class EmotionService:
    """A core for many concurrent callers in one event loop.

    Args:
        analyzer: The core; its classifier also reads face crops.
        classify_crops: ``EmotionClassifier.classify_crops`` of the same network.
        batch: Pictures or crops analysed together at most; 1 switches gathering off.
        wait_s: Seconds that the first of a batch waits for others.
        at_once: Batches analysed at the same time.
    """

    def __init__(
        self,
        analyzer: LocalAnalyzer,
        classify_crops: Callable[[Image], Predictions],
        *,
        batch: int = 8,
        wait_s: float = 0.002,
        at_once: int = 1,
    ) -> None:
        self.info = analyzer.info
        self._analyzer = analyzer
        self._classify_crops = classify_crops
        self._decoders = ThreadPoolExecutor(DECODERS, "serving-decode")
        self._workers = ThreadPoolExecutor(at_once, "serving-analyze")
        self._batcher: Batcher[Image, Any] = Batcher(
            self._run, self._workers, at_once=at_once, size=batch, wait_s=wait_s
        )
        self._held = 0
        self._slots = asyncio.Semaphore(DECODERS)
        self._freed = asyncio.Condition()

    async def analyze(self, data: bytes, options: AnalyzeOptions) -> AnalyzeResponse:
        """Decode and analyse a picture.

        Args:
            data: The whole file.
            options: How it is analysed.

        Raises:
            ImageDecodeError: It is not a picture that can be read.
        """
        async with self._decoded(data) as picture:
            analysis, batch = await self._batcher.submit(options, picture.pixels)
        return AnalyzeResponse(analysis, picture.warnings, batch)

    async def classify(self, crop: Image) -> tuple[Predictions, int]:
        """Read the emotion of a face that is cut out already.

        Args:
            crop: RGB ``(H, W, 3)``, any size.

        Returns:
            One row, and how many crops were read together with it.
        """
        preprocessing = self.info.emotion.preprocessing
        if preprocessing is None:
            raise ValueError(f"{self.info.emotion.name} has no preprocessing.")
        fitted = await self.in_thread(lambda: fit_crop(crop, preprocessing))
        row: Predictions
        row, batch = await self._batcher.submit(_CROPS, fitted)
        return row, batch

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Do what would hold up the event loop in a thread of the decoders."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)

    def warm_up(self) -> None:
        """Analyse a grey picture, so that the first visitor does not wait for it."""
        self._analyzer.analyze([np.full((240, 320, 3), 128, np.uint8)])

    @asynccontextmanager
    async def _decoded(self, data: bytes) -> AsyncIterator[DecodedImage]:
        """Decode; while many pixels are held already, wait first."""
        async with self._slots:
            async with self._freed:
                await self._freed.wait_for(lambda: self._held < DECODED_BYTES)
            picture: DecodedImage = await self.in_thread(lambda: decode_image(data))
            self._held += picture.pixels.nbytes
        try:
            yield picture
        finally:
            self._held -= picture.pixels.nbytes
            async with self._freed:
                self._freed.notify_all()

    def _run(self, key: Hashable, images: Sequence[Image]) -> list[Any]:
        if isinstance(key, AnalyzeOptions):
            return self._analyzer.analyze(images, key)
        read = self._classify_crops(np.stack(images))
        return [read[i : i + 1] for i in range(len(images))]
