"""Clients that ask a server: one kind of request, from several threads or processes."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.photos import make_scene
from benchmarks.serving_process import ROOT
from emotion_core.errors import EmotionError
from emotion_core.imaging.codec import encode_jpeg
from emotion_core.serving.client import RemoteAnalyzer

SAMPLE = ROOT / "streamlit_app" / "assets" / "astronaut.jpg"
CLIENTS, PROCESSES = 32, 2
PHOTO, FRAME = "photo", "frame"
SEARCH_PX = {PHOTO: None, FRAME: 320}


def request_data(kind: str) -> bytes:
    """The JPEG file that is sent."""
    return SAMPLE.read_bytes() if kind == FRAME else encode_jpeg(make_scene(3))


class LoadClient:
    """Sends one kind of request from several threads and notes how long answers took.

    Attributes:
        latencies: Seconds of those that were answered.
        errors: What was said of the others.
    """

    def __init__(self, url: str, kind: str) -> None:
        self._analyzer = RemoteAnalyzer(url, timeout_s=60)
        self._data, self._search_px = request_data(kind), SEARCH_PX[kind]
        self._start_s = time.monotonic()
        self.latencies: list[float] = []
        self.errors: list[str] = []

    def ask(self, due_s: float) -> None:
        """Sends one request, which was due at this time (``time.monotonic``)."""
        try:
            self._analyzer.analyze_jpeg(self._data, search_px=self._search_px)
        except EmotionError as error:
            self.errors.append(str(error))
        else:
            self.latencies.append(time.monotonic() - due_s)

    def finish(self) -> dict[str, Any]:
        """Closes the connection; returns what was measured."""
        self._analyzer.close()
        return summarise(self.latencies, len(self.errors), time.monotonic() - self._start_s)


def drive(url: str, kind: str, seconds: float, clients: int) -> dict[str, Any]:
    """Sends requests from several threads for ``seconds``; returns all figures and latencies."""
    asker, end_s = LoadClient(url, kind), time.monotonic() + seconds

    def ask() -> None:
        while (now_s := time.monotonic()) < end_s:
            asker.ask(now_s)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return asker.finish()


def drive_open(url: str, kind: str, seconds: float, per_s: float) -> dict[str, Any]:
    """Sends requests at random times at a mean rate (a Poisson process), whatever the answers."""
    asker, rng = LoadClient(url, kind), random.Random(0)
    start_s = due_s = time.monotonic()
    with ThreadPoolExecutor(2 * CLIENTS) as pool:
        while due_s < start_s + seconds:
            due_s += rng.expovariate(per_s)
            time.sleep(max(0.0, due_s - time.monotonic()))
            pool.submit(asker.ask, due_s)
    return asker.finish()


def summarise(latencies: list[float], errors: int, seconds: float) -> dict[str, Any]:
    """Rates and percentiles of some latencies in seconds."""
    ms = np.asarray(latencies or [0.0]) * 1000
    return {
        "per_s": len(latencies) / seconds,
        "median_ms": float(np.median(ms)),
        "p99_ms": float(np.percentile(ms, 99)),
        "errors": errors,
        "latencies": latencies,
        "seconds": seconds,
    }


def drive_processes(url: str, kind: str, seconds: float) -> dict[str, Any]:
    """The same load from several processes, so that no client waits for another's interpreter."""
    command = [sys.executable, "-m", "benchmarks.serving_load", kind, url, str(seconds)]
    parts = [
        subprocess.Popen(
            [*command, str(CLIENTS // PROCESSES)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    found = [json.loads(part.communicate()[0]) for part in parts]
    latencies = [latency for one in found for latency in one["latencies"]]
    mean_s = statistics.mean(one["seconds"] for one in found)
    return summarise(latencies, sum(one["errors"] for one in found), mean_s)


if __name__ == "__main__":
    kind, url, length, clients = sys.argv[1:]
    print(json.dumps(drive(url, kind, float(length), int(clients))))
