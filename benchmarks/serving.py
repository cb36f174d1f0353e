"""The server against the core in process: throughput, latency, batching, faults.

Two kinds of request: ``photo``, a photo of 1280 by 960 pixels with three faces, searched as the
Photos page does, and ``frame``, the sample portrait searched as a webcam's frame is. Both are JPEG
files when the clock starts. ``CLIENTS`` clients ask as fast as answers come for the throughput; for
latency under load requests come at random times at ``LOAD`` of that rate, and one that had to wait
for a free client has waited. Everything is measured in ``ROUNDS``; medians are printed.
"""

from __future__ import annotations

import os
import re
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import urllib3

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from benchmarks.serving_load import (
    CLIENTS,
    FRAME,
    PHOTO,
    SEARCH_PX,
    drive,
    drive_open,
    drive_processes,
    request_data,
)
from benchmarks.serving_process import family_of, memory_mb, running_server
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.card import Task
from emotion_core.models.registry import candidates
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    import subprocess

ROUNDS = 6
LOAD = 0.5
BATCH = 8


def main() -> None:
    """Measures, prints and writes the figures."""
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
    """Medians over the rounds of the figures, and of the ratios that there are bars for.

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
    """Each side for ``seconds``; the one with random arrivals for twice as long."""
    kind = core.kind
    alone, together = core.per_s(1, seconds), core.per_s(BATCH, seconds)
    single = drive_processes(single_url, kind, seconds)
    batched = drive_processes(batched_url, kind, seconds)
    lone = drive(batched_url, kind, seconds, 1)
    opened = drive_open(batched_url, kind, 2 * seconds, LOAD * batched["per_s"])
    return {
        "in process, one by one: images/s": alone,
        "in process, batches: images/s": together,
        "server without batching: images/s": single["per_s"],
        "server: images/s": batched["per_s"],
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
        """Images per second, from JPEG to analysis, in batches of ``size``."""
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self._run(size)
            done += size
        return done / (time.perf_counter() - start)

    def _run(self, size: int) -> None:
        images = [decode_image(self._data).pixels for _ in range(size)]
        self._analyzer.analyze(images, AnalyzeOptions(search_px=SEARCH_PX[self.kind]))


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
    """Kills a replica under the load of eight clients; returns what they noticed."""
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
    """Sends all requests at once, without retries; returns statuses and the longest time in s."""
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
