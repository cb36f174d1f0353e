"""A server on this machine: Ray Serve's environment, its start, and an end that drops nothing."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import urllib3

from emotion_core.errors import EmotionError
from emotion_core.files.ray_session import prepare_environment
from emotion_core.serving.ingress import DRAIN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.serving.deployment import ServerSettings

_DRAIN_S = 30.0


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
