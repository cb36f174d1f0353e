"""The server as a Ray Serve application: replicas of the core behind bounded lines.

A Serve config file names ``build``: ``import_path: emotion_core.serving.deployment:build``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ray import serve
from ray.serve.config import AutoscalingConfig, BackpressureConfig, RequestRouterConfig

from emotion_core.errors import EmotionError
from emotion_core.local_analyzer import LocalAnalyzer, load_analyzer
from emotion_core.models.card import Task
from emotion_core.models.hub import resolve_models
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.serving.api import make_web_app
from emotion_core.serving.ingress import Ingress, settings_from
from emotion_core.serving.replica_dispatch import RETRY_AFTER_S, answer_whole
from emotion_core.serving.service import EmotionService

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ray.serve import Application
    from starlette.types import ASGIApp, Scope

    from emotion_core.serving.replica_dispatch import Answered


_LEAST_IN_HAND = 16
_ROUTER_BACKOFF_S = 0.02
"""A proxy asks replicas with full hands again so soon; Ray's own half a second leaves them idle."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the server is laid out.

    Attributes:
        model: Emotion network: a name of the catalog, or ``owner/name@commit`` on the Hub; empty
            for the project's choice.
        detector: Face detector by name; empty for the project's choice.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        gpus: Share of a GPU that a replica takes; 0 on the CPU.
        min_replicas: Copies of the core that are always there.
        max_replicas: Copies at most; more than ``min_replicas`` lets their number follow the load.
        batch: Pictures analysed together at most.
        batch_wait_ms: The first picture of a batch waits so long for others.
        at_once: Batches that one replica analyses at the same time; the second one takes the cores
            that the first leaves idle.
        queue: Requests that wait, at each proxy, for a replica to take them; more get 503.
    """

    model: str = ""
    detector: str = ""
    device: str = "auto"
    gpus: float = 0.0
    min_replicas: int = 1
    max_replicas: int = 1
    batch: int = 8
    batch_wait_ms: float = 2.0
    at_once: int = 2
    queue: int = 64

    def __post_init__(self) -> None:
        least = min(self.min_replicas, self.batch, self.at_once, self.queue)
        if least < 1 or self.max_replicas < self.min_replicas or self.batch_wait_ms < 0:
            raise EmotionError(
                "Replicas, batch, at_once and queue must be at least 1, and the most replicas "
                "not fewer than the least."
            )


class EmotionServer:
    """One replica: the core, loaded once, behind the pages and a second gate."""

    def __init__(self, settings: ServerSettings) -> None:
        analyzer = load_analyzer(
            resolve_models(settings.model, Task.EMOTION),
            resolve_models(settings.detector, Task.DETECTION),
            device="cpu" if settings.device == "auto" and not settings.gpus else settings.device,
        )
        self._service = EmotionService(
            analyzer,
            _classifier_of(analyzer).classify_crops,
            batch=settings.batch,
            wait_s=settings.batch_wait_ms / 1000,
            at_once=settings.at_once,
        )
        self._service.warm_up()
        self._pages = make_web_app(self._service)

    async def answer(self, scope: Scope, body: bytes) -> Answered:
        """Called by the proxy for a request that its gate let in."""
        return await answer_whole(self._pages, scope, body)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Called by Ray Serve; for requests of proxies that were started without a gate."""
        return Ingress(self._pages, settings_from(os.environ))


def make_application(settings: ServerSettings) -> Application:
    """Lay out the application; nothing is started."""
    scaling: dict[str, Any] = {"num_replicas": settings.min_replicas}
    # What is at work, as much that gathers meanwhile, and no wait for the proxy.
    in_hand = max(_LEAST_IN_HAND, settings.batch * settings.at_once * 2)
    if settings.max_replicas > settings.min_replicas:
        scaling = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=settings.min_replicas,
                max_replicas=settings.max_replicas,
                target_ongoing_requests=max(1, in_hand // 2),
            )
        }
    deploy: Any = serve.deployment(
        name="EmotionServer",
        max_ongoing_requests=in_hand,
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
    """Lay out the application of a Serve config file.

    Args:
        arguments: Its ``args``: fields of ``ServerSettings``.

    Raises:
        EmotionError: There is no such field.
    """
    known = {field.name for field in fields(ServerSettings)}
    if unknown := set(arguments) - known:
        raise EmotionError(
            f"args has no field {min(unknown)!r}; there are: {', '.join(sorted(known))}."
        )
    return make_application(ServerSettings(**arguments))


def _classifier_of(analyzer: LocalAnalyzer) -> EmotionClassifier:
    if not isinstance(analyzer.classifier, EmotionClassifier):
        raise TypeError("A server needs a classifier that reads crops.")
    return analyzer.classifier
