"""The server's pages: both formats over HTTP, described by OpenAPI under ``/docs``."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from emotion_core.errors import EmotionError, ImageDecodeError
from emotion_core.imaging.codec import MAX_BYTES
from emotion_core.serving.ingress import BATCH_HEADER
from emotion_core.serving.schema import analysis_to_wire, info_to_wire
from emotion_core.serving.schema_examples import ANALYZE_DOCS, PREDICT_DOCS
from emotion_core.serving.v1_protocol import (
    MAX_JSON_BYTES,
    PredictFormatError,
    crop_prediction,
    picture_prediction,
    read_instances,
)
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE, AnalyzeOptions

if TYPE_CHECKING:
    from emotion_core.serving.service import EmotionService

MODEL = "emotion"
"""The name under which protocol V1 knows the network."""

MIN_SCORE = 0.1
"""Below it a picture has thousands of places that might be faces; all would be read."""

MAX_SEARCH_PX = 2048
"""One look takes memory by its area, about 50 bytes a pixel: this 0.2 GB, 10,000 would take 5."""

_LOG = logging.getLogger(__name__)


class _InMemory(MultiPartParser):
    spool_max_size = MAX_BYTES  # nothing of a request touches the disk


class _Unacceptable(Exception):  # noqa: N818 - an answer, not a failure
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def make_web_app(service: EmotionService) -> FastAPI:
    """Make the pages around a service."""
    app = FastAPI(
        title="Emoscope",
        summary="Reads emotions, valence and arousal from faces.",
        docs_url="/docs",
        redoc_url=None,
    )
    _add_analyze(app, service)
    _add_protocol_v1(app, service)
    _add_states(app, service)
    for kind, handler in (
        (RequestValidationError, _on_wrong_query),
        (HTTPException, _on_http_error),
        (_Unacceptable, _on_unacceptable),
        (PredictFormatError, _on_wrong_format),
        (ImageDecodeError, _on_bad_picture),
        (EmotionError, _on_failure),
        (Exception, _on_fault),
    ):
        app.add_exception_handler(kind, handler)
    return app


def _add_analyze(app: FastAPI, service: EmotionService) -> None:
    @app.post("/v1/analyze", openapi_extra=ANALYZE_DOCS, response_model=None)
    async def analyze(
        request: Request,
        min_score: Annotated[float, Query(ge=MIN_SCORE, le=1)] = DEFAULT_MIN_SCORE,
        min_face_px: Annotated[float, Query(ge=0, le=100_000)] = DEFAULT_MIN_FACE_PX,
        search_px: Annotated[int | None, Query(ge=16, le=MAX_SEARCH_PX)] = None,
    ) -> JSONResponse:
        """Find the faces of one picture and read their emotions.

        The body is the picture's file (JPEG, PNG, WebP, HEIC, ...), or multipart/form-data with
        one file. Faces that the detector is less sure of than ``min_score``, or whose shorter side
        has fewer than ``min_face_px`` pixels, are left out. With ``search_px`` the picture is
        searched in one quick look with so many pixels on its longest side.
        """
        start = time.perf_counter()
        data = await _picture_of(request)
        answer = await service.analyze(data, AnalyzeOptions(min_score, min_face_px, search_px))
        content = analysis_to_wire(
            answer.analysis,
            server_ms=(time.perf_counter() - start) * 1000,
            warnings=answer.warnings,
        )
        return JSONResponse(content, headers={BATCH_HEADER: str(answer.batch)})


def _add_protocol_v1(app: FastAPI, service: EmotionService) -> None:
    @app.get("/v1/models", response_model=None)
    async def models() -> dict[str, Any]:
        """Names of the models that protocol V1 offers."""
        return {"models": [MODEL]}

    @app.get(f"/v1/models/{MODEL}", response_model=None)
    async def model_status() -> dict[str, Any]:
        """Status of the network, as KServe (``ready``) and TensorFlow Serving give it."""
        status = {"error_code": "OK", "error_message": ""}
        version = {"version": "1", "state": "AVAILABLE", "status": status}
        return {"name": MODEL, "ready": True, "model_version_status": [version]}

    @app.post(f"/v1/models/{MODEL}:predict", openapi_extra=PREDICT_DOCS, response_model=None)
    async def predict(request: Request) -> JSONResponse:
        """Read emotions by the V1 inference protocol of TensorFlow Serving and KServe.

        Each instance is a whole picture in base64, or a face crop as nested lists, H x W x 3
        numbers, RGB, 0-255, any size, read as it is without a search for faces. The answer has one
        prediction per instance: ``emotion``, ``probabilities`` (by name), ``valence`` and
        ``arousal``, for a whole picture those of its largest face (null if there is none) and
        ``faces`` with ``box`` (x1, y1, x2, y2 in pixels), ``score`` and the same of each face.
        """
        data = await request.body()
        if len(data) > MAX_JSON_BYTES:
            raise _Unacceptable(413, f"JSON of more than {MAX_JSON_BYTES >> 20} MB is not read.")
        instances = await service.in_thread(lambda: read_instances(data))
        done = await _predict_all(service, instances)
        batch = max(size for _, size in done)
        content = {"predictions": [prediction for prediction, _ in done]}
        return JSONResponse(content, headers={BATCH_HEADER: str(batch)})


def _add_states(app: FastAPI, service: EmotionService) -> None:
    @app.get("/", response_model=None)
    async def alive() -> dict[str, str]:
        """Whether the server lives, as clients of protocol V1 ask."""
        return {"status": "alive"}

    @app.get("/readyz", response_model=None)
    async def ready() -> dict[str, bool]:
        """Whether a replica with loaded networks answers."""
        return {"ready": True}

    @app.get("/v1/info", response_model=None)
    async def info() -> dict[str, Any]:
        """The networks' cards and the device that is at work."""
        return info_to_wire(service.info)


async def _predict_all(
    service: EmotionService, instances: list[Any]
) -> list[tuple[dict[str, Any], int]]:
    """All at once, so that they share batches; the first that fails ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_predict(service, instance, i))
                for i, instance in enumerate(instances)
            ]
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return [task.result() for task in tasks]


async def _predict(service: EmotionService, instance: Any, i: int) -> tuple[dict[str, Any], int]:
    if not isinstance(instance, bytes):
        read, batch = await service.classify(instance)
        return crop_prediction(read, 0), batch
    try:
        answer = await service.analyze(instance, AnalyzeOptions())
    except ImageDecodeError as error:
        raise ImageDecodeError(f"Instance {i}: {error}") from None
    return picture_prediction(answer.analysis), answer.batch


async def _picture_of(request: Request) -> bytes:
    """The body, or the file in a form."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    try:
        form = await _InMemory(request.headers, request.stream(), max_files=1, max_fields=8).parse()
    except (MultiPartException, KeyError) as error:
        reason = error.message if isinstance(error, MultiPartException) else "no boundary"
        raise _Unacceptable(400, f"The form cannot be read ({reason}).") from None
    files = [value for value in form.values() if isinstance(value, UploadFile)]
    try:
        if not files:
            raise _Unacceptable(400, "The form holds no file; put the picture into one.")
        return await files[0].read()
    finally:
        await form.close()


def _sentence(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)


async def _on_wrong_query(_: Request, error: Exception) -> JSONResponse:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    where = first.get("loc", ("query",))[-1]
    return _sentence(422, f"{where}: {first.get('msg', 'not valid')}.")


async def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    return _sentence(status, f"{detail}; what there is, is listed under /docs.")


async def _on_unacceptable(_: Request, error: Exception) -> JSONResponse:
    return _sentence(error.status if isinstance(error, _Unacceptable) else 400, str(error))


async def _on_bad_picture(_: Request, error: Exception) -> JSONResponse:
    return _sentence(422, str(error))


async def _on_wrong_format(_: Request, error: Exception) -> JSONResponse:
    return _sentence(400, str(error))


async def _on_failure(_: Request, error: Exception) -> JSONResponse:
    return _sentence(500, str(error))


async def _on_fault(_: Request, error: Exception) -> JSONResponse:
    _LOG.error("A request failed.", exc_info=error)
    return _sentence(500, "The server failed at this request; its log says why.")
