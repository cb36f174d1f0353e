"""``python -m emotion_core serve``: a server on this machine, until it is stopped."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from emotion_core.cli.arguments import (
    OK,
    SOME_FAILED,
    add_material,
    add_networks,
    eprint,
    fetch_chosen,
    int_in_range,
)
from emotion_core.files.ray_session import ray_session
from emotion_core.models.card import Task
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
    from emotion_core.types import Device

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``serve``; sets ``run``."""
    parser.description = "Serve the core over HTTP (Ray Serve); see /docs of the server."
    parser.add_argument("--host", default="127.0.0.1", help="default: this machine only")
    parser.add_argument("--port", type=_port, default=8000)
    copies = parser.add_mutually_exclusive_group()
    copies.add_argument(
        "--replicas", type=_count, default=1, metavar="N", help="number of replicas (default 1)"
    )
    copies.add_argument(
        "--autoscale",
        type=_range,
        metavar="MIN:MAX",
        help="let the number of replicas follow the load",
    )
    add_networks(parser)
    add_material(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument(
        "--batch",
        type=_count,
        default=8,
        metavar="N",
        help="maximum number of images analysed together (default 8)",
    )
    parser.add_argument(
        "--queue",
        type=_count,
        default=64,
        metavar="N",
        help="maximum number of waiting requests; more get a 503 (default 64)",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with the bearer token that clients must send; or set EMOSCOPE_SERVER_TOKEN",
    )
    parser.set_defaults(run=run_serve)


def run_serve(chosen: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM; then finishes running requests and cleans up.

    Returns:
        0 after a clean end, 1 if requests were still running when their time was up.

    Raises:
        EmotionError: The server cannot be started as requested.
    """
    if chosen.token_file:
        os.environ[TOKEN_FILE_VARIABLE] = os.path.abspath(chosen.token_file)  # noqa: PTH100
    read_token(os.environ)  # report an unreadable file before anything is started
    check_port(chosen.host, chosen.port)
    drain_key = prepare_server()
    minimum, maximum = chosen.autoscale or (chosen.replicas, chosen.replicas)
    cpus = max(maximum, usable_cores())
    # Errors in a replica are shown where the server runs.
    with ray_session("ray.serve", cpus=cpus, log_to_driver=True) as ray:
        from emotion_core.serving.deployment import ServerSettings

        gpus = ray.cluster_resources().get("GPU", 0) if chosen.device != "cpu" else 0
        settings = ServerSettings(
            model=chosen.model or "",
            detector=chosen.detector or "",
            device=chosen.device,
            material=chosen.material,
            gpus=min(1.0, gpus / maximum),
            min_replicas=minimum,
            max_replicas=maximum,
            batch=chosen.batch,
            queue=chosen.queue,
        )
        with StopSignals() as stop:
            return _serve(chosen, settings, drain_key, stop)


def _serve(
    chosen: argparse.Namespace, settings: ServerSettings, drain_key: str, stop: StopSignals
) -> int:
    # Before replicas start, so that an unavailable network is reported in one sentence.
    device: Device = "cuda" if settings.gpus else "cpu"
    fetch_chosen(settings.detector, Task.DETECTION, device)
    fetch_chosen(settings.model, Task.EMOTION, device).card.for_material(settings.material)
    start_application(settings, chosen.host, chosen.port)
    address = url_of(chosen.host, chosen.port)
    if chosen.host not in _LOOPBACK and not read_token(os.environ):
        eprint("note: without --token-file anyone who can reach this address may use it.")
    eprint(f"Ready: {address} (described at {address}/docs). Stop it with Ctrl-C.")
    stop.wait()
    eprint("Stopping; running requests are finished first.")
    return OK if drain(address, drain_key) else SOME_FAILED


_port = int_in_range(1, 65535, "a port, 1 to 65535")
_count = int_in_range(1, 10_000, "a number from 1 to 10000")


def _range(text: str) -> tuple[int, int]:
    minimum, _, maximum = text.partition(":")
    pair = (_count(minimum), _count(maximum))
    if pair[0] > pair[1]:
        raise argparse.ArgumentTypeError(f"{text}: the first number is larger than the second")
    return pair
