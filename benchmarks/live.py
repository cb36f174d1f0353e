"""Live streams end to end: real WebRTC peers on loopback around the app's own frame processing.

The server is a process of its own and runs what the app runs: streamlit-webrtc's track around
``FrameProcessor``. Its clients send a 640 by 480 clip of one face at 30 frames a second, encoded
beforehand, and read each returning picture's number from its pixels. On the machine that runs
both, the clients take cores from the server: about a tenth of a core a stream.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from benchmarks.live_client import Visitor
from benchmarks.live_clip import make_clip

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from benchmarks.live_client import Received
    from benchmarks.live_clip import Clip

_SETTLE_S = 3.0  # the first seconds, with their connection and first frames, are not counted
_SIZE_EVERY_S = 1.0


class Server:
    """The server process, seen from the client."""

    def __init__(self, device: str, path: str) -> None:
        os.environ["STREAMLIT_LOGGER_LEVEL"] = "error"  # else it says that no app is running
        from benchmarks.live_server import serve  # not above: it imports Streamlit

        context = multiprocessing.get_context("spawn")
        self._connection: Connection
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, device, path), daemon=True)
        self._process.start()
        self._lock = asyncio.Lock()
        self.networks: str = self._connection.recv()

    async def ask(self, *request: Any) -> Any:
        """Send a request and wait for the answer, while streams go on."""
        async with self._lock:
            self._connection.send(request)
            return await asyncio.to_thread(self._connection.recv)

    def quit(self) -> None:
        """End the process."""
        self._connection.send(("quit",))
        self._process.join(10)


def main() -> None:
    """Measure, print and write."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--streams", type=int, default=1, help="at once (1)")
    parser.add_argument("--seconds", type=float, help="how long (30; with --quick 10)")
    parser.add_argument("--restarts", type=int, help="starts and stops after it (50; 5)")
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda (cpu)")
    parser.add_argument(
        "--path", choices=("track", "callback"), default="track", help="our track, or the library's"
    )
    chosen = parser.parse_args()
    seconds = chosen.seconds or (10 if chosen.quick else 30)
    restarts = (5 if chosen.quick else 50) if chosen.restarts is None else chosen.restarts
    server = Server(chosen.device, chosen.path)
    try:
        figures = asyncio.run(measure(server, chosen.streams, seconds, restarts))
    finally:
        server.quit()
    write_json(chosen.json, {"machine": describe_machine(), **figures})


async def measure(server: Server, n_streams: int, seconds: float, restarts: int) -> dict[str, Any]:
    """All figures of one server process."""
    clip = make_clip()
    streams = await measure_streams(server, clip, n_streams, seconds)
    again = await measure_restarts(server, clip, restarts) if restarts else {}
    title = f"{server.networks}; {n_streams} streams for {seconds:g} s"
    rows = streams["streams"]
    print_table(title, list(rows[0]), [list(row.values()) for row in rows])
    rest = {k: v for k, v in streams.items() if k != "streams"} | again
    print_table("the server's process", ["figure", "value"], list(rest.items()))
    return {"networks": server.networks, "seconds": seconds, **streams, **again}


async def measure_streams(
    server: Server, clip: Clip, n_streams: int, seconds: float
) -> dict[str, Any]:
    """Streams at once: pictures, analyses, delays, memory."""
    visitors = [Visitor(i, clip) for i in range(n_streams)]
    for visitor in visitors:
        await visitor.start(server.ask)
    first_s = [await visitor.first_annotated_s() for visitor in visitors]
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
        "slowest_to_fastest": _ratio([row["annotated_per_s"] for row in rows]),
        "slowest_to_fastest_analyses": _ratio([row["analyses_per_s"] for row in rows]),
        "server_cores": cpu,
        "memory_mb_first_quarter": statistics.median(memory[:quarter]),
        "memory_mb_last_quarter": statistics.median(memory[-quarter:]),
    }


async def measure_restarts(server: Server, clip: Clip, restarts: int) -> dict[str, Any]:
    """Start and stop again and again: what stays behind in the server."""
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


def _delays(received: list[Received], start_s: float, end_s: float) -> dict[str, float]:
    """Pictures a second, and delays in the first and last quarter."""
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
