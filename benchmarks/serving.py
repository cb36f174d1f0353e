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
    in_process = {kind: measure_in_process(kind, seconds) for kind in SEARCH_PX}
    with running_server("--batch", "1", "--queue", "256") as (url, _):
        single = {kind: measure_server(url, kind, seconds) for kind in SEARCH_PX}
    with running_server("--batch", str(BATCH), "--queue", "256") as (url, _):
        batched = {kind: measure_server(url, kind, seconds) for kind in SEARCH_PX}
    with running_server() as (url, process):
        only = kill_replica(url, process, max(20.0, seconds))
    options = ("--batch", str(BATCH), "--queue", "32", "--replicas", "2")
    with running_server(*options) as (url, process):
        faults = measure_faults(url, process, seconds)
    faults |= {f"the only replica killed: {name}": value for name, value in only.items()}
    bars = {kind: compare(in_process[kind], single[kind], batched[kind]) for kind in SEARCH_PX}
    print_table(
        "in process",
        ["request", *in_process[PHOTO]],
        [[kind, *figures.values()] for kind, figures in in_process.items()],
    )
    rows = [
        [kind, batching, *found[kind].values()]
        for kind in SEARCH_PX
        for batching, found in (("no", single), ("yes", batched))
    ]
    print_table(f"server, {CLIENTS} clients", ["request", "batching", *single[PHOTO]], rows)
    print_table(
        "ratios",
        ["request", *bars[PHOTO]],
        [[kind, *figures.values()] for kind, figures in bars.items()],
    )
    print_table("faults", ["figure", "value"], list(faults.items()))
    figures = {
        "machine": describe_machine(),
        "in_process": in_process,
        "unbatched": single,
        "batched": batched,
        "bars": bars,
        "faults": faults,
    }
    write_json(chosen.json, figures)


def compare(
    in_process: dict[str, float], single: dict[str, float], batched: dict[str, float]
) -> dict[str, float]:
    """The ratios that there are bars for."""
    lone_ms = batched["lone_median_ms"]
    return {
        "server / in process (0.8)": batched["per_s"] / in_process["batched_per_s"],
        "batched / unbatched (2)": batched["per_s"] / single["per_s"],
        f"p99 at {LOAD:.0%} / lone median (5)": batched["open_p99_ms"] / lone_ms,
        f"p99 of {CLIENTS} clients / lone median": batched["p99_ms"] / lone_ms,
    }


def request_data(kind: str) -> bytes:
    """The JPEG file that is sent."""
    return SAMPLE.read_bytes() if kind == FRAME else encode_jpeg(make_scene(3))


def measure_in_process(kind: str, seconds: float) -> dict[str, float]:
    """Pictures a second of the core, from JPEG to analysis, alone and in batches."""
    analyzer = load_analyzer(candidates(Task.EMOTION), candidates(Task.DETECTION), device="auto")
    data = request_data(kind)

    def run(size: int) -> None:
        images = [decode_image(data).pixels for _ in range(size)]
        analyzer.analyze(images, search_px=SEARCH_PX[kind])

    figures = {}
    for name, size in (("single_per_s", 1), ("batched_per_s", BATCH)):
        run(size)
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            run(size)
            done += size
        figures[name] = done / (time.perf_counter() - start)
    return figures


def measure_server(url: str, kind: str, seconds: float) -> dict[str, float]:
    """Latency of a lone client, then throughput and latency under load."""
    drive(url, kind, 1.0, 4)  # warm up
    lone = drive(url, kind, seconds / 2, 1)
    before = batches(url)
    loaded = drive_processes(url, kind, seconds)
    after = batches(url)
    opened = drive_open(url, kind, seconds, LOAD * loaded["per_s"])
    return {
        "per_s": loaded["per_s"],
        "median_ms": loaded["median_ms"],
        "p99_ms": loaded["p99_ms"],
        "errors": loaded["errors"] + opened["errors"],
        "mean_batch": (after[0] - before[0]) / max(1.0, after[1] - before[1]),
        "lone_median_ms": lone["median_ms"],
        "lone_p99_ms": lone["p99_ms"],
        "open_median_ms": opened["median_ms"],
        "open_p99_ms": opened["p99_ms"],
    }


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
