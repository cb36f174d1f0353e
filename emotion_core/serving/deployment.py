"""The server as a Ray Serve application: replicas of the analyzer behind bounded queues.

A Serve config file names ``build``: ``import_path: emotion_core.serving.deployment:build``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ray import serve
from ray.serve.config import AutoscalingConfig, BackpressureConfig, RequestRouterConfig

from emotion_core.errors import EmotionError
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.card import Task
from emotion_core.models.hub import resolve_models
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.serving.api import make_web_app
from emotion_core.serving.ingress import Ingress, settings_from
from emotion_core.serving.replica_dispatch import RETRY_AFTER_S, respond_once
from emotion_core.serving.service import EmotionService

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ray.serve import Application
    from starlette.types import ASGIApp, Scope

    from emotion_core.models.material import Material
    from emotion_core.serving.replica_dispatch import CompleteResponse

_MIN_ONGOING = 16
_ROUTER_BACKOFF_S = 0.02
"""Wait before a proxy asks full replicas again; Ray's half a second would leave them idle."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of the server.

    Attributes:
        model: Emotion model: a name in the registry, or ``owner/name@commit`` on the Hub; empty
            for the default.
        detector: Face detector by name; empty for the default.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        material: What is read, see ``ModelCard.logit_shift``.
        gpus: Share of a GPU that a replica takes; 0 on the CPU.
        min_replicas: Minimum number of copies of the analyzer.
        max_replicas: Maximum number of copies; if greater, the number follows the load.
        batch: Maximum number of images analysed together.
        batch_wait_ms: Time for which the first image of a batch waits for others.
        at_once: Batches that a replica analyses at the same time; the second one uses the cores
            that the first leaves idle.
        queue: Requests that wait at each proxy for a replica; more get status 503.
    """

    model: str = ""
    detector: str = ""
    device: str = "auto"
    material: Material = "everyday"
    gpus: float = 0.0
    min_replicas: int = 1
    max_replicas: int = 1
    batch: int = 8
    batch_wait_ms: float = 2.0
    at_once: int = 2
    queue: int = 64

    def __post_init__(self) -> None:
        minimum = min(self.min_replicas, self.batch, self.at_once, self.queue)
        if minimum < 1 or self.max_replicas < self.min_replicas or self.batch_wait_ms < 0:
            raise EmotionError(
                "Replicas, batch, at_once and queue must be at least 1, and max_replicas not less "
                "than min_replicas."
            )


class EmotionServer:
    """One replica: the analyzer, loaded once, behind the API and a second ingress."""

    def __init__(self, settings: ServerSettings) -> None:
        analyzer = load_analyzer(
            resolve_models(settings.model, Task.EMOTION),
            resolve_models(settings.detector, Task.DETECTION),
            device="cpu" if settings.device == "auto" and not settings.gpus else settings.device,
            material=settings.material,
        )
        if not isinstance(analyzer.classifier, EmotionClassifier):
            raise TypeError("A server needs a classifier that reads crops.")
        service = EmotionService(
            analyzer,
            analyzer.classifier.classify_crops,
            batch=settings.batch,
            wait_s=settings.batch_wait_ms / 1000,
            at_once=settings.at_once,
        )
        service.warm_up()
        self._app = make_web_app(service)

    async def answer(self, scope: Scope, body: bytes) -> CompleteResponse:
        """Called by the proxy for a request that its ingress admitted."""
        return await respond_once(self._app, scope, body)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Called by Ray Serve for requests of proxies that were started without an ingress."""
        return Ingress(self._app, settings_from(os.environ))


def make_application(settings: ServerSettings) -> Application:
    """Makes the application without starting anything."""
    scaling: dict[str, Any] = {"num_replicas": settings.min_replicas}
    # Enough for the running batches and for gathering the next ones without waiting for the proxy.
    ongoing = max(_MIN_ONGOING, settings.batch * settings.at_once * 2)
    if settings.max_replicas > settings.min_replicas:
        scaling = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=settings.min_replicas,
                max_replicas=settings.max_replicas,
                target_ongoing_requests=max(1, ongoing // 2),
            )
        }
    deploy: Any = serve.deployment(
        name="EmotionServer",
        max_ongoing_requests=ongoing,
        max_queued_requests=settings.queue,
        request_router_config=RequestRouterConfig.model_validate(
            {"initial_backoff_s": _ROUTER_BACKOFF_S, "max_backoff_s": _ROUTER_BACKOFF_S}
        ),
        backpressure_config=BackpressureConfig(retry_after_s=RETRY_AFTER_S),
        ray_actor_options={"num_cpus": 1, "num_gpus": settings.gpus},
        graceful_shutdown_timeout_s=30,
        graceful_shutdown_wait_loop_s=0.1,
        health_check_period_s=2,
        health_check_timeout_s=30,
        logging_config={"enable_access_log": False},
        **scaling,
    )
    application: Application = deploy(serve.ingress()(EmotionServer)).bind(settings)
    return application


def build(arguments: Mapping[str, Any]) -> Application:
    """Makes the application of a Serve config file.

    Args:
        arguments: The file's ``args``, which are fields of ``ServerSettings``.

    Raises:
        EmotionError: A field does not exist.
    """
    known = {field.name for field in fields(ServerSettings)}
    if unknown := set(arguments) - known:
        raise EmotionError(
            f"args has no field {min(unknown)!r}; there are: {', '.join(sorted(known))}."
        )
    return make_application(ServerSettings(**arguments))
