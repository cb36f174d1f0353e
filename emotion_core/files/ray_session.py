"""A Ray session for one run: started on this machine, or connected to a running cluster."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.errors import EmotionError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECT_STORE_BYTES = 100 * 2**20  # neither images nor results travel through it
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # by default Ray yields to everything else on the machine
}


def prepare_environment(*, is_local: bool = True, **extra: str) -> None:
    """Sets the environment variables of Ray and its processes; call it before importing Ray.

    Args:
        is_local: Whether Ray is started here. Then nobody else on this machine may run code in it,
            and its processes import the same core as this one.
        extra: More variables.
    """
    os.environ.update(_QUIET | extra)
    if is_local:
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


@contextmanager
def ray_session(
    library: str, *, cpus: int, address: str | None = None, log_to_driver: bool = False
) -> Iterator[Any]:
    """Runs or joins Ray until the block ends; call ``prepare_environment`` first.

    The caller's handlers of SIGINT and SIGTERM stay in place.

    Args:
        library: The part to import, ``"ray.serve"`` or ``"ray.data"``.
        cpus: Total that actors may claim of a Ray started here; for bookkeeping, not a limit.
        address: Of a running cluster; ``None`` to start Ray here.
        log_to_driver: Whether the output of its processes is shown here.

    Yields:
        The module ``ray``.

    Raises:
        MissingExtraError: Ray is not installed.
        EmotionError: Ray does not start, or there is no cluster at the address.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        import ray

        import_module(library)
    except ImportError as error:
        raise MissingExtraError(
            "This needs Ray; install it with: pip install -e '.[serve]'."
        ) from error
    # Ray makes Unix sockets some 80 characters below its folder; their paths have 107 at most.
    parent = None if len(tempfile.gettempdir()) <= 24 else "/tmp"  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix="emo-ray-", dir=parent))
    options: dict[str, Any] = {"address": address}
    if not address:
        options = {
            "address": "local",
            "num_cpus": cpus,
            "object_store_memory": _OBJECT_STORE_BYTES,
            "include_dashboard": False,
            "_temp_dir": str(folder),
        }
    try:
        try:
            ray.init(**options, configure_logging=False, log_to_driver=log_to_driver)
        except (RuntimeError, OSError, ValueError) as error:
            what = f"There is no Ray at {address}" if address else "Ray did not start"
            raise EmotionError(f"{what}: {error}") from error
        for number, handler in handlers.items():  # which Ray has replaced
            signal.signal(number, handler)
        yield ray
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
