"""The server's HTTP API in both formats, described by OpenAPI under ``/docs``."""

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

from emotion_core import __version__
from emotion_core.errors import EmotionError, ImageDecodeError
from emotion_core.imaging.codec import MAX_BYTES
from emotion_core.serving.ingress import BATCH_HEADER
from emotion_core.serving.schema import analysis_to_wire, info_to_wire
from emotion_core.serving.schema_examples import ANALYZE_DOCS, PREDICT_DOCS
from emotion_core.serving.v1_protocol import (
    MAX_JSON_BYTES,
    PredictFormatError,
    face_prediction,
    image_prediction,
    read_instances,
)
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE, AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from emotion_core.serving.service import EmotionService

MODEL = "emotion"
"""The model's name in protocol V1."""

MIN_SCORE = 0.1
"""Below it an image has thousands of face candidates, and all of them would be classified."""

MAX_SEARCH_PX = 2048
"""A search takes about 50 bytes per pixel: 0.2 GB at this size, 5 GB at 10,000 pixels."""

MAX_ROLLS = 4
"""Maximum number of angles of turned faces in a request; each costs one more search."""

_Angle = Annotated[float, Query(ge=0, lt=360)]

_LOG = logging.getLogger(__name__)


class _InMemory(MultiPartParser):
    spool_max_size = MAX_BYTES  # nothing of a request touches the disk


def make_web_app(service: EmotionService) -> FastAPI:
    """Makes the ASGI application of a service."""
    app = FastAPI(
        title="Emoscope",
        summary="Reads emotions, valence and arousal from faces.",
        version=__version__,
        docs_url="/docs",
        redoc_url=None,
        exception_handlers={
            RequestValidationError: _on_wrong_query,
            HTTPException: _on_http_error,
            PredictFormatError: _handler(400),
            ImageDecodeError: _handler(422),
            EmotionError: _handler(500),
            Exception: _on_fault,
        },
    )
    _add_analyze(app, service)
    _add_protocol_v1(app, service)
    _add_states(app, service)
    return app


def _add_analyze(app: FastAPI, service: EmotionService) -> None:
    @app.post("/v1/analyze", openapi_extra=ANALYZE_DOCS, response_model=None)
    async def analyze(  # noqa: PLR0913 - one for each parameter of the query
        request: Request,
        min_score: Annotated[float, Query(ge=MIN_SCORE, le=1)] = DEFAULT_MIN_SCORE,
        min_face_px: Annotated[float, Query(ge=0, le=100_000)] = DEFAULT_MIN_FACE_PX,
        search_px: Annotated[int | None, Query(ge=16, le=MAX_SEARCH_PX)] = None,
        rolls_deg: Annotated[tuple[_Angle, ...], Query(max_length=MAX_ROLLS)] = (),
        actions: Annotated[bool, Query()] = False,
        for_redaction: Annotated[bool, Query()] = False,
    ) -> JSONResponse:
        """Finds the faces in one image and recognises their emotions.

        The body is an image file (JPEG, PNG, WebP, HEIC, ...), or multipart/form-data with one
        file. Faces with a detection score below ``min_score``, or whose shorter side has fewer
        than ``min_face_px`` pixels, are left out. With ``search_px`` the image is searched only
        once, downscaled to that many pixels on its longer side, which is fast. Each ``rolls_deg``
        is a clockwise angle of turned faces to search for besides upright ones. With ``actions``
        the answer has action features, if the model has them. With ``for_redaction`` a second
        detector searches, too, if there is one: what only it sees is marked in ``is_hidden_only``.
        """
        start = time.perf_counter()
        data = await _read_image(request)
        options = AnalyzeOptions(
            min_score,
            min_face_px,
            search_px,
            rolls_deg=rolls_deg,
            actions=actions,
            for_redaction=for_redaction,
        )
        found = await service.analyze(data, options)
        server_ms = (time.perf_counter() - start) * 1000
        content = analysis_to_wire(found.analysis, server_ms=server_ms, warnings=found.warnings)
        return JSONResponse(content, headers={BATCH_HEADER: str(found.batch)})


def _add_protocol_v1(app: FastAPI, service: EmotionService) -> None:
    @app.get("/v1/models", response_model=None)
    async def models() -> dict[str, Any]:
        """Names of the models in protocol V1."""
        return {"models": [MODEL]}

    @app.get(f"/v1/models/{MODEL}", response_model=None)
    async def model_status() -> dict[str, Any]:
        """Status of the model, as in KServe (``ready``) and TensorFlow Serving."""
        status = {"error_code": "OK", "error_message": ""}
        version = {"version": "1", "state": "AVAILABLE", "status": status}
        return {"name": MODEL, "ready": True, "model_version_status": [version]}

    @app.post(f"/v1/models/{MODEL}:predict", openapi_extra=PREDICT_DOCS, response_model=None)
    async def predict(request: Request) -> JSONResponse:
        """Recognises emotions by the V1 inference protocol of TensorFlow Serving and KServe.

        Each instance is an image in base64, or a face crop as nested lists: H x W x 3 numbers,
        RGB, 0-255, any size, classified without a search for faces. The response has one
        prediction per instance: ``emotion``, ``probabilities`` (by name), ``valence`` and
        ``arousal``. For an image they are those of its largest face (null if there is none), and
        ``faces`` has ``box`` (x1, y1, x2, y2 in pixels), ``score`` and the same of each face.
        """
        data = await request.body()
        if len(data) > MAX_JSON_BYTES:
            raise HTTPException(413, f"JSON of more than {MAX_JSON_BYTES >> 20} MB is not read.")
        instances = await service.in_thread(lambda: read_instances(data))
        predictions, batches = zip(*await _predict_all(service, instances), strict=True)
        headers = {BATCH_HEADER: str(max(batches))}
        return JSONResponse({"predictions": predictions}, headers=headers)


def _add_states(app: FastAPI, service: EmotionService) -> None:
    @app.get("/", response_model=None)
    async def alive() -> dict[str, str]:
        """Whether the server is running, as clients of protocol V1 ask."""
        return {"status": "alive"}

    @app.get("/readyz", response_model=None)
    async def ready() -> dict[str, bool]:
        """Whether a replica with loaded models responds."""
        return {"ready": True}

    @app.get("/v1/info", response_model=None)
    async def info() -> dict[str, Any]:
        """The model cards, and the device in use."""
        return info_to_wire(service.info)


async def _predict_all(
    service: EmotionService, instances: list[Any]
) -> list[tuple[dict[str, Any], int]]:
    """Runs all instances at once, so that they share batches; a failure cancels the others."""
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
        predictions, batch = await service.classify(instance)
        return face_prediction(predictions, 0), batch
    try:
        found = await service.analyze(instance, AnalyzeOptions())
    except ImageDecodeError as error:
        raise ImageDecodeError(f"Instance {i}: {error}") from None
    return image_prediction(found.analysis), found.batch


async def _read_image(request: Request) -> bytes:
    """The body of a request, or the file in its form."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    try:
        form = await _InMemory(request.headers, request.stream(), max_files=1, max_fields=8).parse()
    except (MultiPartException, KeyError) as error:
        reason = error.message if isinstance(error, MultiPartException) else "no boundary"
        raise HTTPException(400, f"The form cannot be read ({reason}).") from None
    files = [value for value in form.values() if isinstance(value, UploadFile)]
    try:
        if not files:
            raise HTTPException(400, "The form holds no file; send the image as one.")
        return await files[0].read()
    finally:
        await form.close()


def _error_response(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)


def _handler(status: int) -> Callable[[Request, Exception], Coroutine[Any, Any, JSONResponse]]:
    """Makes an exception handler that responds with the error's message."""

    async def handle(_: Request, error: Exception) -> JSONResponse:
        return _error_response(status, str(error))

    return handle


async def _on_wrong_query(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    return _error_response(422, f"{first['loc'][:2][-1]}: {first['msg']}.")


async def _on_http_error(_: Request, error: HTTPException) -> JSONResponse:
    is_unknown = error.status_code in (404, 405)
    hint = "; what there is, is listed under /docs." if is_unknown else ""
    return _error_response(error.status_code, f"{error.detail}{hint}")


async def _on_fault(_: Request, error: Exception) -> JSONResponse:
    _LOG.error("A request failed.", exc_info=error)
    return _error_response(500, "The server failed to handle this request; see its log.")
