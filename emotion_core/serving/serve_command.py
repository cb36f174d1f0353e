"""``python -m emotion_core serve``: the server on this machine, until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import urllib3

from emotion_core.cli.arguments import add_networks, say, whole
from emotion_core.errors import EmotionError
from emotion_core.files.ray_session import prepare_environment, ray_session
from emotion_core.models.card import Task
from emotion_core.models.hub import wanted_cards
from emotion_core.models.runtime import DEVICES, usable_cores
from emotion_core.serving.ingress import DRAIN_VARIABLE, TOKEN_FILE_VARIABLE, read_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.serving.deployment import ServerSettings

OK, FAILED = 0, 1

_DRAIN_S = 30.0
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
        with stop_signals() as stop:
            return _serve(chosen, settings, drain_key, stop)


def prepare_server() -> str:
    """Set what Ray Serve reads from the environment; before Ray is imported.

    Returns:
        The key of the server's drain page.
    """
    key = secrets.token_urlsafe(24)
    os.environ[DRAIN_VARIABLE] = key
    prepare_environment(
        RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S="60",  # else a slow start is killed and starts anew
        RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH="emotion_core.serving.ingress.middlewares",
        # From the proxy to a replica by gRPC, and no change of thread on the way.
        RAY_SERVE_USE_GRPC_BY_DEFAULT="1",
        RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP="0",
        RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD="0",
    )
    return key


def check_port(host: str, port: int) -> None:
    """Raise an error that names the remedy if an address cannot be had.

    Raises:
        EmotionError: Somebody else has it, or it is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EmotionError(
                f"{host}:{port} cannot be used ({error.strerror}); choose another with --port."
            ) from error


def _serve(
    chosen: argparse.Namespace, settings: ServerSettings, drain_key: str, stop: StopSignals
) -> int:
    _fetch_networks(settings)
    start_application(settings, chosen.host, chosen.port)
    address = url_of(chosen.host, chosen.port)
    if chosen.host not in _LOOPBACK and not read_token(os.environ):
        say("note: without --token-file everybody who reaches this address may use it.")
    say(f"Ready: {address} (described at {address}/docs). Stop it with Ctrl-C.")
    stop.wait()
    say("Stopping; requests in hand are answered first.")
    return OK if drain(address, drain_key) else FAILED


def start_application(settings: ServerSettings, host: str, port: int) -> None:
    """Start proxy and replicas in the running Ray; returns once they answer.

    Raises:
        EmotionError: They do not come up.
    """
    from ray import serve
    from ray.exceptions import RayError
    from ray.serve.config import HTTPOptions

    from emotion_core.serving.deployment import make_application
    from emotion_core.serving.replica_dispatch import APP

    logging.getLogger("ray.serve").setLevel(logging.ERROR)  # this process' own, on the terminal
    quiet = {"enable_access_log": False, "log_level": "WARNING"}
    try:
        serve.start(
            proxy_location="HeadOnly",
            http_options=HTTPOptions(host=host, port=port, keep_alive_timeout_s=30),
            logging_config=quiet,
        )
        serve.run(make_application(settings), name=APP, route_prefix="/", logging_config=quiet)
    except (RuntimeError, RayError) as error:
        raise EmotionError(f"The server did not come up: {error}") from error


def drain(address: str, key: str) -> bool:
    """Have a server take in nothing more and answer what it has; tell whether it was in time."""
    headers = {"Authorization": f"Bearer {key}"}
    try:
        answer = urllib3.request(
            "POST", f"{address}/drain", headers=headers, timeout=_DRAIN_S, retries=False
        )
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


def url_of(host: str, port: int) -> str:
    """The address at which this machine reaches a server that listens on ``host``."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


class StopSignals:
    """SIGINT and SIGTERM: before ``wait`` they end what is being started, then they end the wait.

    A second one ends the program at once.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._is_waiting = False

    def wait(self) -> None:
        """Wait for a signal."""
        self._is_waiting = True
        while not self._stop.wait(1.0):  # in steps, so that Python gets to run the handler
            pass

    def on_signal(self, *_: object) -> None:
        """Called by Python."""
        if not self._is_waiting or self._stop.is_set():
            raise KeyboardInterrupt
        self._stop.set()


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Handle SIGINT and SIGTERM while the block runs."""
    stop = StopSignals()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop.on_signal) for number in signals]
    try:
        yield stop
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _fetch_networks(settings: ServerSettings) -> None:
    """Have the files here before replicas start: what is out of reach is said in a sentence."""
    from emotion_core.analyzer import fetch_first

    for name, task in ((settings.model, Task.EMOTION), (settings.detector, Task.DETECTION)):
        found = fetch_first(wanted_cards(name, task), "cuda" if settings.gpus else "cpu")
        for notice in found.notices:
            say(f"note: {notice}")


_port = whole(1, 65535, "a port, 1 to 65535")
_count = whole(1, 10_000, "a number from 1 to 10000")


def _range(text: str) -> tuple[int, int]:
    least, _, most = text.partition(":")
    pair = (_count(least), _count(most))
    if pair[0] > pair[1]:
        raise argparse.ArgumentTypeError(f"{text}: the first number is larger than the second")
    return pair
