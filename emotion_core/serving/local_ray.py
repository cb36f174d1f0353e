"""Ray on this machine for one server: started with little, and nothing of it left behind."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.errors import EmotionError, MissingExtraError
from emotion_core.serving.gate import DRAIN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECT_STORE_BYTES = 100 * 1024 * 1024  # requests do not travel through it
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",  # else a slow start is killed and starts anew
    "RAY_worker_niceness": "0",  # Ray would give way to everything else on the machine
    "RAY_AUTH_MODE": "token",  # nobody else on this machine may run code in this Ray
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "emotion_core.serving.gate.middlewares",
}


def prepare_environment() -> str:
    """Set what Ray reads from the environment when it is imported and started.

    Returns:
        The key of the server's drain page.
    """
    key = secrets.token_urlsafe(24)
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ.update(_QUIET)
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ[DRAIN_VARIABLE] = key
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
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


@contextmanager
def local_ray(*, cpus: int) -> Iterator[Any]:
    """Run Ray on this machine until the block ends.

    Args:
        cpus: What replicas may claim in all; a number for Ray's book-keeping, not a limit.

    Yields:
        The module ``ray``.

    Raises:
        MissingExtraError: Ray is not installed.
        EmotionError: It does not start.
    """
    try:
        import ray
        import ray.serve
    except ImportError as error:
        raise MissingExtraError(
            "A server needs Ray Serve; install it with: pip install 'emoscope[serve]'."
        ) from error
    folder = Path(tempfile.mkdtemp(prefix="emo-ray-", dir=_short_folder()))
    try:
        ray.init(
            address="local",
            num_cpus=cpus,
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            configure_logging=False,
            log_to_driver=True,  # what goes wrong in a replica is seen where the server runs
            _temp_dir=str(folder),
        )
        yield ray
    except (RuntimeError, OSError) as error:
        raise EmotionError(f"Ray did not start or was lost: {error}") from error
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> str | None:
    """Where temporary files go, unless its name is too long for Ray.

    Ray makes Unix sockets some 80 characters below it, whose paths have 107 at most.
    """
    return None if len(tempfile.gettempdir()) <= 24 else "/tmp"  # noqa: S108
