"""``python -m emotion_core serve``: the server on this machine, until it is told to stop."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from emotion_core.cli.arguments import OK, SOME_FAILED, add_networks, eprint, int_in_range
from emotion_core.files.ray_session import ray_session
from emotion_core.models.card import Task
from emotion_core.models.hub import resolve_models
from emotion_core.models.runtime import DEVICES, usable_cores
from emotion_core.serving.ingress import TOKEN_FILE_VARIABLE, read_token
from emotion_core.serving.server import (
    StopSignals,
    check_port,
    drain,
    prepare_server,
    start_application,
    url_of,
)

if TYPE_CHECKING:
    from emotion_core.serving.deployment import ServerSettings

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``serve`` to a parser."""
    parser.description = "Serve the core over HTTP (Ray Serve); see /docs of the server."
    parser.add_argument("--host", default="127.0.0.1", help="default: this machine only")
    parser.add_argument("--port", type=_port, default=8000)
    copies = parser.add_mutually_exclusive_group()
    copies.add_argument(
        "--replicas", type=_count, default=1, metavar="N", help="copies of the core (default 1)"
    )
    copies.add_argument(
        "--autoscale", type=_range, metavar="MIN:MAX", help="let their number follow the load"
    )
    add_networks(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument(
        "--batch",
        type=_count,
        default=8,
        metavar="N",
        help="pictures analysed together at most (default 8)",
    )
    parser.add_argument(
        "--queue",
        type=_count,
        default=64,
        metavar="N",
        help="requests that may wait; more are answered 503 (default 64)",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="holds the bearer token that clients must send; or set EMOSCOPE_SERVER_TOKEN",
    )
    parser.set_defaults(run=run_serve)


def run_serve(chosen: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; then answer what is in hand, and leave nothing behind.

    Returns:
        0 after a clean end, 1 if requests were still in hand when the time for them was over.

    Raises:
        EmotionError: The server cannot be started as asked.
    """
    if chosen.token_file:
        os.environ[TOKEN_FILE_VARIABLE] = os.path.abspath(chosen.token_file)  # noqa: PTH100
    read_token(os.environ)  # a file that cannot be read is known before anything is started
    check_port(chosen.host, chosen.port)
    drain_key = prepare_server()
    least, most = chosen.autoscale or (chosen.replicas, chosen.replicas)
    cpus = max(most, usable_cores())
    # What goes wrong in a replica is seen where the server runs.
    with ray_session("ray.serve", cpus=cpus, log_to_driver=True) as ray:
        from emotion_core.serving.deployment import ServerSettings

        gpus = ray.cluster_resources().get("GPU", 0) if chosen.device != "cpu" else 0
        settings = ServerSettings(
            model=chosen.model or "",
            detector=chosen.detector or "",
            device=chosen.device,
            gpus=min(1.0, gpus / most),
            min_replicas=least,
            max_replicas=most,
            batch=chosen.batch,
            queue=chosen.queue,
        )
        with StopSignals() as stop:
            return _serve(chosen, settings, drain_key, stop)


def _serve(
    chosen: argparse.Namespace, settings: ServerSettings, drain_key: str, stop: StopSignals
) -> int:
    _fetch_networks(settings)
    start_application(settings, chosen.host, chosen.port)
    address = url_of(chosen.host, chosen.port)
    if chosen.host not in _LOOPBACK and not read_token(os.environ):
        eprint("note: without --token-file everybody who reaches this address may use it.")
    eprint(f"Ready: {address} (described at {address}/docs). Stop it with Ctrl-C.")
    stop.wait()
    eprint("Stopping; requests in hand are answered first.")
    return OK if drain(address, drain_key) else SOME_FAILED


def _fetch_networks(settings: ServerSettings) -> None:
    """Have the files here before replicas start: what is out of reach is said in a sentence."""
    from emotion_core.local_analyzer import fetch_first

    for name, task in ((settings.model, Task.EMOTION), (settings.detector, Task.DETECTION)):
        found = fetch_first(resolve_models(name, task), "cuda" if settings.gpus else "cpu")
        for notice in found.notices:
            eprint(f"note: {notice}")


_port = int_in_range(1, 65535, "a port, 1 to 65535")
_count = int_in_range(1, 10_000, "a number from 1 to 10000")


def _range(text: str) -> tuple[int, int]:
    least, _, most = text.partition(":")
    pair = (_count(least), _count(most))
    if pair[0] > pair[1]:
        raise argparse.ArgumentTypeError(f"{text}: the first number is larger than the second")
    return pair
