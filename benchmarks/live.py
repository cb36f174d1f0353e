"""Live streams end to end: real WebRTC peers on loopback around the app's own frame processing.

The server is a separate process and runs what the app runs: streamlit-webrtc's track around
``FrameProcessor``. Its clients send a 640 by 480 clip of one face at 30 frames a second, encoded
beforehand, and read each returning frame's number from its pixels. On the machine that runs
both, the clients take cores from the server: about a tenth of a core a stream.

One process is one interpreter, which a handful of streams keep busy. ``--processes`` spreads the
streams over several, each with its clients in a process of their own, as a balancer would spread
visitors over several processes of the app (``deploy/Caddyfile``).
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from benchmarks.live_client import Visitor
from benchmarks.live_clip import make_clip

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from threading import Barrier

    from benchmarks.live_client import Received
    from benchmarks.live_clip import CameraClip

_SETTLE_S = 3.0  # the first seconds, with their connection and first frames, are not counted
_SIZE_EVERY_S = 1.0
_MEET_WITHIN_S = 120.0

_CONTEXT = multiprocessing.get_context("spawn")

_everyone: Barrier


class Share(NamedTuple):
    """What one server process is to do.

    Attributes:
        names: Of its streams.
        seconds: How long they are measured.
        restarts: Starts and stops after it.
        device: Of the networks.
        path: See ``Streams``.
    """

    names: range
    seconds: float
    restarts: int
    device: str
    path: str


class Server:
    """The server process, seen from the client."""

    def __init__(self, device: str, path: str) -> None:
        os.environ["STREAMLIT_LOGGER_LEVEL"] = "error"  # else it says that no app is running
        from benchmarks.live_server import serve  # not above: it imports Streamlit

        self._connection: Connection
        self._connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=serve, args=(theirs, device, path), daemon=True)
        self._process.start()
        self._lock = asyncio.Lock()
        self.networks: str = self._connection.recv()

    async def ask(self, *request: Any) -> Any:
        """Sends a request and waits for the answer, while streams go on."""
        async with self._lock:
            self._connection.send(request)
            return await asyncio.to_thread(self._connection.recv)

    def quit(self) -> None:
        """Ends the process."""
        self._connection.send(("quit",))
        self._process.join(10)


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--streams", type=int, default=1, help="at once (1)")
    parser.add_argument("--processes", type=int, default=1, help="that share the streams (1)")
    parser.add_argument("--seconds", type=float, help="how long (30; with --quick 10)")
    parser.add_argument(
        "--restarts", type=int, help="starts and stops after it (50; 5), of one process only"
    )
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda (cpu)")
    parser.add_argument(
        "--path", choices=("track", "callback"), default="track", help="our track, or the library's"
    )
    chosen = parser.parse_args()
    if not 1 <= chosen.processes <= chosen.streams:
        parser.error("--processes must be at least 1, and at most as many as --streams")
    seconds = chosen.seconds or (10 if chosen.quick else 30)
    n = chosen.processes
    most = 0 if n > 1 else 5 if chosen.quick else 50
    restarts = most if chosen.restarts is None else chosen.restarts
    if n > 1 and restarts:
        parser.error("--restarts looks at one process: leave --processes at 1")
    bounds = [i * chosen.streams // n for i in range(n + 1)]
    shares = [
        Share(range(*pair), seconds, restarts, chosen.device, chosen.path)
        for pair in itertools.pairwise(bounds)
    ]
    together = _CONTEXT.Barrier(n)
    with ProcessPoolExecutor(n, _CONTEXT, _join, (together,)) as pool:
        figures = _summary(list(pool.map(measure, shares)))
    _show(figures, seconds)
    write_json(chosen.json, {"machine": describe_machine(), "seconds": seconds, **figures})


def _join(everyone: Barrier) -> None:
    """Sets up a process of clients, which starts measuring when all others do."""
    global _everyone
    _everyone = everyone


def measure(share: Share) -> dict[str, Any]:
    """All figures of one server process."""
    server = Server(share.device, share.path)
    try:
        return {"networks": server.networks, **asyncio.run(_measure(server, share))}
    finally:
        server.quit()


async def _measure(server: Server, share: Share) -> dict[str, Any]:
    clip = make_clip()
    streams = await measure_streams(server, clip, share.names, share.seconds)
    again = await measure_restarts(server, clip, share.restarts) if share.restarts else {}
    return {**streams, **again}


async def measure_streams(
    server: Server, clip: CameraClip, names: range, seconds: float
) -> dict[str, Any]:
    """Concurrent streams: frames, analyses, delays, memory."""
    visitors = [Visitor(name, clip) for name in names]
    for visitor in visitors:
        await visitor.start(server.ask)
    first_s = [await visitor.first_annotated_s() for visitor in visitors]
    await asyncio.to_thread(_everyone.wait, _MEET_WITHIN_S)
    await asyncio.sleep(_SETTLE_S)
    start_s, before = time.monotonic(), await server.ask("counts")
    sizes = [await server.ask("size", True)]
    while time.monotonic() < start_s + seconds:
        await asyncio.sleep(min(_SIZE_EVERY_S, max(0.0, start_s + seconds - time.monotonic())))
        sizes.append(await server.ask("size", False))
    end_s, after = time.monotonic(), await server.ask("counts")
    sizes.append(await server.ask("size", True))
    freed_s = [await visitor.stop(server.ask) for visitor in visitors]
    rows = [
        {"stream": v.name, **_delays(v.received, start_s, end_s), **_rates(before, after, v.name)}
        | {"unreadable": v.unreadable, "first_s": first, "freed_s": freed}
        for v, first, freed in zip(visitors, first_s, freed_s, strict=True)
    ]
    quarter = max(1, len(sizes) // 4)
    cpu = (sizes[-1]["cpu_s"] - sizes[0]["cpu_s"]) / (sizes[-1]["at_s"] - sizes[0]["at_s"])
    memory = [size["memory_mb"] for size in sizes]
    return {
        "streams": rows,
        "server_cores": cpu,
        "memory_mb_first_quarter": statistics.median(memory[:quarter]),
        "memory_mb_last_quarter": statistics.median(memory[-quarter:]),
    }


async def measure_restarts(server: Server, clip: CameraClip, restarts: int) -> dict[str, Any]:
    """Starts and stops streams repeatedly; measures what stays behind in the server."""
    sizes, first_s, freed_s = [], [], []
    for number in range(restarts):
        visitor = Visitor(1000 + number, clip)
        await visitor.start(server.ask)
        first_s.append(await visitor.first_annotated_s())
        freed_s.append(await visitor.stop(server.ask))
        sizes.append(await server.ask("size", True))
        print(f"\rstart and stop {number + 1}/{restarts}", end="", file=sys.stderr)
    print(file=sys.stderr)
    early = sizes[min(len(sizes) - 1, len(sizes) // 5)]
    return {
        "restarts": restarts,
        "restart_first_s_median": statistics.median(first_s),
        "restart_first_s_worst": max(first_s),
        "restart_freed_s_worst": max(freed_s),
        "restart_threads_early": early["threads"],
        "restart_threads_end": sizes[-1]["threads"],
        "restart_memory_mb_early": early["memory_mb"],
        "restart_memory_mb_end": sizes[-1]["memory_mb"],
    }


def _summary(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all processes as one: streams side by side, cores and memory summed."""
    rows = [row for part in parts for row in part["streams"]]
    merged = {
        "networks": parts[0]["networks"],
        "processes": len(parts),
        "streams": rows,
        "slowest_to_fastest": _ratio([row["annotated_per_s"] for row in rows]),
        "slowest_to_fastest_analyses": _ratio([row["analyses_per_s"] for row in rows]),
        "server_cores": sum(part["server_cores"] for part in parts),
    }
    if len(parts) == 1:
        return merged | parts[0]
    memory = ("memory_mb_first_quarter", "memory_mb_last_quarter")
    return merged | {name: sum(part[name] for part in parts) for name in memory}


def _show(figures: dict[str, Any], seconds: float) -> None:
    rows = figures["streams"]
    print_table(
        f"{figures['networks']}; {len(rows)} streams for {seconds:g} s",
        list(rows[0]),
        [list(row.values()) for row in rows],
    )
    rest = [(k, v) for k, v in figures.items() if k not in ("networks", "streams")]
    print_table("the server", ["figure", "value"], rest)


def _delays(received: list[Received], start_s: float, end_s: float) -> dict[str, float]:
    """Frames per second, and delays in the first and last quarter."""
    seen = [r for r in received if start_s <= r.at_s < end_s]
    result = {"annotated_per_s": sum(r.is_annotated for r in seen) / (end_s - start_s)}
    quarter_s = (end_s - start_s) / 4
    for name, from_s in (("first", start_s), ("last", end_s - quarter_s)):
        delays = sorted(1000 * r.delay_s for r in seen if from_s <= r.at_s < from_s + quarter_s)
        result[f"delay_ms_{name}"] = statistics.median(delays) if delays else float("nan")
        result[f"p90_ms_{name}"] = delays[int(0.9 * len(delays))] if delays else float("nan")
    return result


def _rates(before: dict[int, Any], after: dict[int, Any], name: int) -> dict[str, float]:
    was, now = before[name], after[name]
    passed_s = now["at_s"] - was["at_s"]
    return {
        "callbacks_per_s": (now["frames"] - was["frames"]) / passed_s,
        "analyses_per_s": (now["analyzed"] - was["analyzed"]) / passed_s,
        "analysis_ms": now["analysis_ms"],
        "failed": now["failed"],
    }


def _ratio(values: list[float]) -> float:
    return min(values) / max(values) if max(values) else float("nan")


if __name__ == "__main__":
    main()
