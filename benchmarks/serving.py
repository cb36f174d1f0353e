"""The server against the core in process: throughput, latency, batching, faults.

Clients are threads of other processes that send pictures which are JPEG files already, as fast as
answers come. Pictures are the sample portrait; ``search_px`` is that of a webcam.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import urllib3

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from emotion_core.analyzer import load_analyzer
from emotion_core.catalog import candidates
from emotion_core.errors import EmotionError
from emotion_core.images import decode_image
from emotion_core.model_card import Task
from emotion_core.serving.client import RemoteAnalyzer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "streamlit_app" / "assets" / "astronaut.jpg"
CLIENTS, PROCESSES = 32, 2
SEARCH_PX = 320
BATCH = 8


def main() -> None:
    """Measure, print and write."""
    if sys.argv[1:2] == ["--clients"]:
        print(json.dumps(drive(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))))
        return
    chosen = make_parser(__doc__ or "").parse_args()
    seconds = 5.0 if chosen.quick else 20.0
    in_process = measure_in_process(seconds)
    with running_server("--batch", "1", "--queue", "256") as (url, _):
        single = measure_server(url, seconds)
    with running_server("--batch", str(BATCH), "--queue", "256") as (url, _):
        batched = measure_server(url, seconds)
    with running_server("--batch", str(BATCH), "--queue", "32", "--replicas", "2") as (
        url,
        process,
    ):
        faults = measure_faults(url, process, seconds)
    bars = {
        "batched server / in process (bar 0.8)": batched["per_s"] / in_process["batched_per_s"],
        "batched / unbatched server (bar 2)": batched["per_s"] / single["per_s"],
        "p99 under load / median of a lone request (bar 5)": batched["p99_ms"]
        / batched["lone_median_ms"],
    }
    print_table("in process", ["figure", "value"], list(in_process.items()))
    names = list(batched)
    rows = [["no", *single.values()], ["yes", *batched.values()]]
    print_table(f"{CLIENTS} clients", ["batching", *names], rows)
    print_table("bars", ["ratio", "value"], list(bars.items()))
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


def measure_in_process(seconds: float) -> dict[str, float]:
    """Pictures a second of the core, from JPEG to analysis, alone and in batches."""
    analyzer = load_analyzer(candidates(Task.EMOTION), candidates(Task.DETECTION), device="auto")
    data = SAMPLE.read_bytes()

    def run(size: int) -> None:
        images = [decode_image(data).pixels for _ in range(size)]
        analyzer.analyze(images, search_px=SEARCH_PX)

    figures = {}
    for name, size in (("single_per_s", 1), ("batched_per_s", BATCH)):
        run(size)
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            run(size)
            done += size
        figures[name] = done / (time.perf_counter() - start)
    return figures


def measure_server(url: str, seconds: float) -> dict[str, float]:
    """Latency of a lone client, then throughput and latency under load."""
    drive(url, 1.0, 1)  # warm up
    lone = drive(url, seconds / 2, 1)
    loaded = drive_processes(url, seconds)
    return {
        "per_s": loaded["per_s"],
        "median_ms": loaded["median_ms"],
        "p99_ms": loaded["p99_ms"],
        "errors": loaded["errors"],
        "lone_median_ms": lone["median_ms"],
        "lone_p99_ms": lone["p99_ms"],
        "mean_batch": mean_batch(url),
    }


def drive(url: str, seconds: float, clients: int) -> dict[str, Any]:
    """Ask with so many threads for so long; what was measured, and every latency."""
    analyzer = RemoteAnalyzer(url, timeout_s=60)
    data, end = SAMPLE.read_bytes(), time.monotonic() + seconds
    latencies: list[float] = []
    errors: list[str] = []

    def ask() -> None:
        while time.monotonic() < end:
            start = time.monotonic()
            try:
                analyzer.analyze_jpeg(data, search_px=SEARCH_PX)
            except EmotionError as error:
                errors.append(str(error))
            else:
                latencies.append(time.monotonic() - start)

    start = time.monotonic()
    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    analyzer.close()
    return summarise(latencies, len(errors), time.monotonic() - start)


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


def drive_processes(url: str, seconds: float) -> dict[str, Any]:
    """The same load from several processes, so that no client waits for another's interpreter."""
    command = [sys.executable, "-m", "benchmarks.serving", "--clients", url, str(seconds)]
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


def mean_batch(url: str) -> float:
    """Mean size of the batch that a request was in."""
    page = urllib3.request("GET", f"{url}/metrics").data.decode()
    sums = [re.search(rf"emoscope_batch_size_{name} (\S+)", page) for name in ("sum", "count")]
    total, count = (float(found[1]) if found else 0.0 for found in sums)
    return total / max(1.0, count)


def measure_faults(url: str, process: subprocess.Popen[str], seconds: float) -> dict[str, float]:
    """Ten times too many requests, then a killed replica under load."""
    drive(url, 1.0, 2)
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
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(drive, url, seconds, 8)
        time.sleep(seconds / 4)
        victim = next(pid for pid, name in family_of(process.pid) if "ray::ServeReplica" in name)
        os.kill(victim, signal.SIGKILL)
        result = load.result()
    figures["killed replica: answered"] = float(len(result["latencies"]))
    figures["killed replica: errors that clients saw"] = float(result["errors"])
    figures["killed replica: longest answer, s"] = max(result["latencies"])
    return figures


def flood(url: str, requests: int) -> tuple[list[int], float]:
    """Send requests all at once, without trying again; statuses, and the slowest one's seconds."""
    data = SAMPLE.read_bytes()
    pool = urllib3.PoolManager(maxsize=requests, retries=False)

    def ask(_: int) -> tuple[int, float]:
        start = time.monotonic()
        answer = pool.request("POST", f"{url}/v1/analyze?search_px={SEARCH_PX}", body=data)
        return answer.status, time.monotonic() - start

    with ThreadPoolExecutor(requests) as threads:
        done = list(threads.map(ask, range(requests)))
    return [status for status, _ in done], max(seconds for _, seconds in done)


def lone_s(url: str) -> float:
    """Seconds until a lone request is answered with 200."""
    start = time.monotonic()
    drive(url, 0.01, 1)
    return time.monotonic() - start


def family_of(pid: int) -> list[tuple[int, str]]:
    """A process and all below it, with their command lines."""
    output = subprocess.run(
        ["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in output.splitlines()[1:]]
    family = {pid}
    for _ in range(4):
        family |= {int(child) for child, parent, _ in rows if int(parent) in family}
    return [(int(child), name) for child, _, name in rows if int(child) in family]


def memory_mb(pid: int) -> float:
    """Proportional share of memory of a process and all below it."""
    total = 0
    for child, _ in family_of(pid):
        try:
            text = Path(f"/proc/{child}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        found = re.search(r"Pss:\s+(\d+)", text)
        total += int(found[1]) if found else 0
    return total / 1024


@contextmanager
def running_server(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server process on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "emotion_core", "serve", "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_ready(process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Read what a server says until it is ready; then go on reading in a thread."""
    if process.stderr is None:
        raise RuntimeError("The server's messages are not to be had.")
    for line in process.stderr:
        if line.startswith("Ready: "):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return
    raise RuntimeError("The server did not start.")


if __name__ == "__main__":
    main()
