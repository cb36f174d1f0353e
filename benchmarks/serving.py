"""The server against the core in process: throughput, latency, batching, faults.

Two kinds of request: ``photo``, a photo of 1280 by 960 pixels with three faces, searched as the
Photos page does, and ``frame``, the sample portrait searched as a webcam's frame is. Both are JPEG
files when the clock starts. ``CLIENTS`` clients ask as fast as answers come for the throughput; for
latency under load requests come at random times at ``LOAD`` of that rate, and one that had to wait
for a free client has waited.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import urllib3

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from benchmarks.photos import make_scene
from benchmarks.serving_process import ROOT, family_of, memory_mb, running_server
from emotion_core.analyzer import load_analyzer
from emotion_core.catalog import candidates
from emotion_core.errors import EmotionError
from emotion_core.images import decode_image, encode_jpeg
from emotion_core.model_card import Task
from emotion_core.serving.client import RemoteAnalyzer

SAMPLE = ROOT / "streamlit_app" / "assets" / "astronaut.jpg"
CLIENTS, PROCESSES = 32, 2
ROUNDS = 6
LOAD = 0.5
BATCH = 8
PHOTO, FRAME = "photo", "frame"
SEARCH_PX = {PHOTO: None, FRAME: 320}


def main() -> None:
    """Measure, print and write."""
    if sys.argv[1:2] == ["--clients"]:
        kind, url, length, clients = sys.argv[2:]
        print(json.dumps(drive(url, kind, float(length), int(clients))))
        return
    chosen = make_parser(__doc__ or "").parse_args()
    seconds = 5.0 if chosen.quick else 20.0
    with (
        running_server("--batch", "1", "--queue", "256") as (single, _),
        running_server("--batch", str(BATCH), "--queue", "256") as (batched, _),
    ):
        found = {kind: compare(kind, single, batched, seconds) for kind in SEARCH_PX}
    with running_server() as (url, process):
        only = kill_replica(url, process, max(20.0, seconds))
    options = ("--batch", str(BATCH), "--queue", "32", "--replicas", "2")
    with running_server(*options) as (url, process):
        faults = measure_faults(url, process, seconds)
    faults |= {f"the only replica killed: {name}": value for name, value in only.items()}
    print_table(
        f"medians of {ROUNDS} rounds; {CLIENTS} clients",
        ["figure", *SEARCH_PX],
        [[name, *(found[kind][name] for kind in SEARCH_PX)] for name in found[PHOTO]],
    )
    print_table("faults", ["figure", "value"], list(faults.items()))
    write_json(chosen.json, {"machine": describe_machine(), "rounds": found, "faults": faults})


def compare(kind: str, single_url: str, batched_url: str, seconds: float) -> dict[str, float]:
    """Medians over rounds of what was measured, and of the ratios that there are bars for.

    A machine that others share is faster now and slower then. Each round measures all sides one
    after the other, so that a ratio is one of figures of about the same time.
    """
    core = Core(kind)
    for url in (single_url, batched_url):
        drive(url, kind, 1.0, 4)
    before = batches(batched_url)
    rounds = [measure_round(core, single_url, batched_url, seconds / 4) for _ in range(ROUNDS)]
    after = batches(batched_url)
    figures = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    return figures | {
        "errors": sum(one["errors"] for one in rounds),
        "mean batch, all loads": (after[0] - before[0]) / max(1.0, after[1] - before[1]),
    }


def measure_round(
    core: Core, single_url: str, batched_url: str, seconds: float
) -> dict[str, float]:
    """Each side for so many seconds; the one with random arrivals for twice as many."""
    kind = core.kind
    alone, together = core.per_s(1, seconds), core.per_s(BATCH, seconds)
    single = drive_processes(single_url, kind, seconds)
    batched = drive_processes(batched_url, kind, seconds)
    lone = drive(batched_url, kind, seconds, 1)
    opened = drive_open(batched_url, kind, 2 * seconds, LOAD * batched["per_s"])
    return {
        "in process, one by one: pictures/s": alone,
        "in process, batches: pictures/s": together,
        "server without batching: pictures/s": single["per_s"],
        "server: pictures/s": batched["per_s"],
        "server: median, ms": batched["median_ms"],
        "server: p99, ms": batched["p99_ms"],
        "server, lone client: median, ms": lone["median_ms"],
        "server, lone client: p99, ms": lone["p99_ms"],
        f"server at {LOAD:.0%}: median, ms": opened["median_ms"],
        f"server at {LOAD:.0%}: p99, ms": opened["p99_ms"],
        "server / in process (bar 0.8)": batched["per_s"] / together,
        "batched / unbatched (bar 2)": batched["per_s"] / single["per_s"],
        f"p99 at {LOAD:.0%} / lone median (bar 5)": opened["p99_ms"] / lone["median_ms"],
        f"p99 of {CLIENTS} clients / lone median": batched["p99_ms"] / lone["median_ms"],
        "errors": single["errors"] + batched["errors"] + opened["errors"],
    }


def request_data(kind: str) -> bytes:
    """The JPEG file that is sent."""
    return SAMPLE.read_bytes() if kind == FRAME else encode_jpeg(make_scene(3))


class Core:
    """The core in this process, fed with one kind of request."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._analyzer = load_analyzer(
            candidates(Task.EMOTION), candidates(Task.DETECTION), device="auto"
        )
        self._data = request_data(kind)
        self._run(BATCH)

    def per_s(self, size: int, seconds: float) -> float:
        """Pictures a second, from JPEG to analysis, so many at a time."""
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self._run(size)
            done += size
        return done / (time.perf_counter() - start)

    def _run(self, size: int) -> None:
        images = [decode_image(self._data).pixels for _ in range(size)]
        self._analyzer.analyze(images, search_px=SEARCH_PX[self.kind])


class Asker:
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
        """Send one; it should have been sent at this time (``time.monotonic``)."""
        try:
            self._analyzer.analyze_jpeg(self._data, search_px=self._search_px)
        except EmotionError as error:
            self.errors.append(str(error))
        else:
            self.latencies.append(time.monotonic() - due_s)

    def finish(self) -> dict[str, Any]:
        """What was measured; hangs up."""
        self._analyzer.close()
        return summarise(self.latencies, len(self.errors), time.monotonic() - self._start_s)


def drive(url: str, kind: str, seconds: float, clients: int) -> dict[str, Any]:
    """Ask with so many threads for so long; what was measured, and every latency."""
    asker, end_s = Asker(url, kind), time.monotonic() + seconds

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
    """Ask at random times at a mean rate (a Poisson process), whatever answers come back."""
    asker, chance = Asker(url, kind), random.Random(0)
    start_s = due_s = time.monotonic()
    with ThreadPoolExecutor(2 * CLIENTS) as pool:
        while due_s < start_s + seconds:
            due_s += chance.expovariate(per_s)
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
    command = [sys.executable, "-m", "benchmarks.serving", "--clients", kind, url, str(seconds)]
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


def batches(url: str) -> tuple[float, float]:
    """Sum over requests of the size of the batch that each was in, and their number."""
    page = urllib3.request("GET", f"{url}/metrics").data.decode()
    sums = [re.search(rf"emoscope_batch_size_{name} (\S+)", page) for name in ("sum", "count")]
    total, count = (float(found[1]) if found else 0.0 for found in sums)
    return total, count


def measure_faults(url: str, process: subprocess.Popen[str], seconds: float) -> dict[str, float]:
    """Ten times too many requests, then a killed replica under load."""
    drive(url, FRAME, 1.0, 2)
    before_mb = memory_mb(process.pid)
    statuses, slowest = flood(url, 10 * 32)
    recovered = lone_s(url)
    figures = {
        "overload: answered": float(statuses.count(200)),
        "overload: shed with 503": float(statuses.count(503)),
        "overload: anything else": float(sum(s not in (200, 503) for s in statuses)),
        "overload: slowest answer, s": slowest,
        "overload: first lone request afterwards, s": recovered,
        "memory of all processes before, MB": before_mb,
        "memory after, MB": memory_mb(process.pid),
    }
    killed = kill_replica(url, process, seconds)
    return figures | {
        f"one of two replicas killed: {name}": value for name, value in killed.items()
    }


def kill_replica(url: str, process: subprocess.Popen[str], seconds: float) -> dict[str, float]:
    """Kill a replica under the load of eight clients; what they saw of it."""
    drive(url, FRAME, 1.0, 2)
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(drive, url, FRAME, seconds, 8)
        time.sleep(seconds / 4)
        victim = next(pid for pid, name in family_of(process.pid) if "ray::ServeReplica" in name)
        os.kill(victim, signal.SIGKILL)
        result = load.result()
    return {
        "answered": float(len(result["latencies"])),
        "errors that clients saw": float(result["errors"]),
        "longest answer, s": max(result["latencies"]),
    }


def flood(url: str, requests: int) -> tuple[list[int], float]:
    """Send requests all at once, without trying again; statuses, and the slowest one's seconds."""
    data = request_data(FRAME)
    pool = urllib3.PoolManager(maxsize=requests, retries=False)

    def ask(_: int) -> tuple[int, float]:
        start = time.monotonic()
        answer = pool.request("POST", f"{url}/v1/analyze?search_px=320", body=data)
        return answer.status, time.monotonic() - start

    with ThreadPoolExecutor(requests) as threads:
        done = list(threads.map(ask, range(requests)))
    return [status for status, _ in done], max(seconds for _, seconds in done)


def lone_s(url: str) -> float:
    """Seconds until a lone request is answered with 200."""
    start = time.monotonic()
    drive(url, FRAME, 0.01, 1)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
