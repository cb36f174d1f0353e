"""Metrics of the ingress, as a page for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

_LATENCY_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)


class IngressMetrics:
    """Metrics of one ingress.

    Attributes:
        in_flight: Requests that are being read, are queued or are being analysed.
    """

    headers = {"content-type": CONTENT_TYPE_LATEST}  # noqa: RUF012 - read only

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "emoscope_requests",
            "Requests answered, by status; 499: the client disconnected.",
            ["status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            "emoscope_request_seconds",
            "Time from a request's first line to its response; only status 200.",
            buckets=_LATENCY_S,
            registry=self._registry,
        )
        self._batch = Histogram(
            "emoscope_batch_size",
            "Images that were analysed together, including the request's own.",
            buckets=_BATCHES,
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "emoscope_requests_in_hand",
            "Requests that are being read, are queued or are being analysed.",
            registry=self._registry,
        )

    def count(self, status: int, seconds: float, batch: int) -> None:
        """Counts a response.

        Args:
            status: HTTP status code.
            seconds: Time since the request.
            batch: Number of images analysed together; 0 if nothing was analysed.
        """
        self._requests.labels(str(status)).inc()
        if status == 200:
            self._latency.observe(seconds)
        if batch:
            self._batch.observe(batch)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
