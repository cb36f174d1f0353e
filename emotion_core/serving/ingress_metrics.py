"""What a gate counts, as a page that Prometheus reads."""

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
    """Counts of one gate.

    Attributes:
        in_hand: Requests that are read, waiting in line or analysed right now.
    """

    headers = {"content-type": CONTENT_TYPE_LATEST}  # noqa: RUF012 - read only

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "emoscope_requests",
            "Requests answered, by status; 499: the client went away.",
            ["status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            "emoscope_request_seconds",
            "From a request's first line to its answer; only answers with status 200.",
            buckets=_LATENCY_S,
            registry=self._registry,
        )
        self._batch = Histogram(
            "emoscope_batch_size",
            "Pictures that were analysed together with a request's own, itself included.",
            buckets=_BATCHES,
            registry=self._registry,
        )
        self.in_hand = Gauge(
            "emoscope_requests_in_hand",
            "Requests that are read, waiting in line or analysed now.",
            registry=self._registry,
        )

    def count(self, status: int, seconds: float, batch: int) -> None:
        """Count an answer.

        Args:
            status: Of HTTP.
            seconds: What it took.
            batch: Pictures analysed together with it; 0 if there was nothing to analyse.
        """
        self._requests.labels(str(status)).inc()
        if status == 200:
            self._latency.observe(seconds)
        if batch:
            self._batch.observe(batch)

    def page(self) -> bytes:
        """All counts in Prometheus' text format."""
        return generate_latest(self._registry)
