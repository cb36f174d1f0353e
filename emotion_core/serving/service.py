"""The work of one replica: decoding, batching, analysis. Depends on neither HTTP nor Ray."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_core.imaging.codec import decode_image
from emotion_core.serving.micro_batching import Batcher
from emotion_core.serving.v1_protocol import resize_crop
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable, Sequence

    from emotion_core.imaging.codec import DecodedImage
    from emotion_core.local_analyzer import LocalAnalyzer
    from emotion_core.types import Analysis, Image, Predictions

DECODERS = 2
"""Images decoded at the same time."""

DECODED_BYTES = 600_000_000
"""Size of decoded images above which decoding pauses: two of the largest allowed."""

_CROPS = "crops"


@dataclass(frozen=True, eq=False, slots=True)
class AnalyzeResponse:
    """The result for one image.

    Attributes:
        analysis: The analysis.
        warnings: Sentences about problems with the image.
        batch: Number of images that were analysed together.
    """

    analysis: Analysis
    warnings: tuple[str, ...]
    batch: int


class EmotionService:
    """An analyzer for many concurrent callers in one event loop.

    Args:
        analyzer: The analyzer.
        classify_crops: ``EmotionClassifier.classify_crops`` of the same model.
        batch: Maximum number of images or crops analysed together; 1 disables batching.
        wait_s: Seconds that the first item of a batch waits for others.
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
        """Decodes and analyses an image file.

        Raises:
            ImageDecodeError: The file is not a readable image.
        """
        async with self._decode(data) as image:
            analysis, batch = await self._batcher.submit(options, image.pixels)
        return AnalyzeResponse(analysis, image.warnings, batch)

    async def classify(self, crop: Image) -> tuple[Predictions, int]:
        """Classifies a face crop, RGB ``(H, W, 3)``, any size.

        Returns:
            One row of predictions, and the number of crops classified together.
        """
        preprocessing = self.info.emotion.preprocessing
        if preprocessing is None:
            raise ValueError(f"{self.info.emotion.name} has no preprocessing.")
        resized = await self.in_thread(lambda: resize_crop(crop, preprocessing))
        return await self._batcher.submit(_CROPS, resized)

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Runs blocking work in a decoder thread."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)

    def warm_up(self) -> None:
        """Analyses a grey image, so that the first request is not slow."""
        self._analyzer.analyze([np.full((240, 320, 3), 128, np.uint8)])

    @asynccontextmanager
    async def _decode(self, data: bytes) -> AsyncIterator[DecodedImage]:
        """Decodes an image, once few enough decoded pixels are held."""
        async with self._slots:
            async with self._freed:
                await self._freed.wait_for(lambda: self._held < DECODED_BYTES)
            image: DecodedImage = await self.in_thread(lambda: decode_image(data))
            self._held += image.pixels.nbytes
        try:
            yield image
        finally:
            self._held -= image.pixels.nbytes
            async with self._freed:
                self._freed.notify_all()

    def _run(self, key: Hashable, images: Sequence[Image]) -> list[Any]:
        if isinstance(key, AnalyzeOptions):
            return self._analyzer.analyze(images, key)
        predictions = self._classify_crops(np.stack(images))
        return [predictions[i : i + 1] for i in range(len(images))]
