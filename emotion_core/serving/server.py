"""A server on this machine: Ray Serve's environment, its start and a graceful end."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

import urllib3

from emotion_core.errors import EmotionError
from emotion_core.files.ray_session import prepare_environment
from emotion_core.serving.ingress import DRAIN_VARIABLE

if TYPE_CHECKING:
    from emotion_core.serving.deployment import ServerSettings

_DRAIN_S = 30.0


def prepare_server() -> str:
    """Sets Ray Serve's environment variables, before Ray is imported.

    Returns:
        The key for ``POST /drain``.
    """
    key = secrets.token_urlsafe(24)
    os.environ[DRAIN_VARIABLE] = key
    prepare_environment(
        RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S="60",  # otherwise a slow start is killed and retried
        RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH="emotion_core.serving.ingress.middlewares",
        # gRPC from the proxy to a replica, without changing threads
        RAY_SERVE_USE_GRPC_BY_DEFAULT="1",
        RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP="0",
        RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD="0",
    )
    return key


def check_port(host: str, port: int) -> None:
    """Checks that the server can listen on an address.

    Raises:
        EmotionError: The address is in use, or is not one of this machine.
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
    """Starts proxy and replicas in the running Ray; returns once they are ready.

    Raises:
        EmotionError: They did not start.
    """
    from ray import serve
    from ray.exceptions import RayError
    from ray.serve.config import HTTPOptions

    from emotion_core.serving.deployment import make_application
    from emotion_core.serving.replica_dispatch import APP

    logging.getLogger("ray.serve").setLevel(logging.ERROR)  # of this process, in the terminal
    quiet = {"enable_access_log": False, "log_level": "WARNING"}
    try:
        serve.start(
            proxy_location="HeadOnly",
            http_options=HTTPOptions(host=host, port=port, keep_alive_timeout_s=30),
            logging_config=quiet,
        )
        serve.run(make_application(settings), name=APP, route_prefix="/", logging_config=quiet)
    except (RuntimeError, RayError) as error:
        raise EmotionError(f"The server did not start: {error}") from error


def drain(address: str, key: str) -> bool:
    """Makes a server finish its requests and accept no more; returns whether it was in time."""
    headers = {"Authorization": f"Bearer {key}"}
    try:
        response = urllib3.request(
            "POST", f"{address}/drain", headers=headers, timeout=_DRAIN_S, retries=False
        )
    except urllib3.exceptions.HTTPError:
        return False
    return response.status == 200


def url_of(host: str, port: int) -> str:
    """The URL for this machine of a server that listens on ``host``."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


class StopSignals:
    """Context manager for SIGINT and SIGTERM, which end ``wait``.

    A signal before ``wait``, or a second one, raises ``KeyboardInterrupt``.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._is_waiting = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self.on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def wait(self) -> None:
        """Waits for a signal."""
        self._is_waiting = True
        while not self._stop.wait(1.0):  # in steps, so that Python can run the handler
            pass

    def on_signal(self, *_: object) -> None:
        """Called by Python."""
        if not self._is_waiting or self._stop.is_set():
            raise KeyboardInterrupt
        self._stop.set()
