"""Ray for one run: started on this machine and gone with it, or a cluster that is there."""

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

_OBJECT_STORE_BYTES = 100 * 2**20  # neither pictures nor results travel through it
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # Ray would give way to everything else on the machine
}


def prepare_environment(*, is_local: bool = True, **more: str) -> None:
    """Set what Ray and its processes read from the environment; before Ray is imported.

    Args:
        is_local: Ray is started here. Nobody else on this machine may run code in it then, and its
            processes find the core where this one found it.
        more: Further variables.
    """
    os.environ.update(_QUIET | more)
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
    """Use Ray until the block ends; ``prepare_environment`` comes before.

    The handlers of SIGINT and SIGTERM stay those of the caller.

    Args:
        library: The part that is needed, ``"ray.serve"`` or ``"ray.data"``; it is imported.
        cpus: What actors may claim in all of a Ray that is started here; for book-keeping, not a
            limit.
        address: Of a cluster that runs; ``None``: Ray is started here.
        log_to_driver: Whether what its processes say is seen here.

    Yields:
        The module ``ray``.

    Raises:
        MissingExtraError: Ray is not installed.
        EmotionError: It does not start, or there is no cluster at the address.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ray = _import(library)
    folder = Path(tempfile.mkdtemp(prefix="emo-ray-", dir=_short_folder()))
    here = {
        "address": "local",
        "num_cpus": cpus,
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
        "_temp_dir": str(folder),
    }
    where = {"address": address} if address else here
    try:
        try:
            ray.init(**where, configure_logging=False, log_to_driver=log_to_driver)
        except (RuntimeError, OSError, ValueError) as error:
            what = f"There is no Ray at {address}" if address else "Ray did not start"
            raise EmotionError(f"{what}: {error}") from error
        for number, handler in handlers.items():  # Ray has put its own in their place
            signal.signal(number, handler)
        yield ray
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _import(library: str) -> Any:
    try:
        import ray

        import_module(library)
    except ImportError as error:
        raise MissingExtraError(
            "This needs Ray; install it with: pip install -e '.[serve]'."
        ) from error
    return ray


def _short_folder() -> str | None:
    """Where temporary files go, unless its name is too long for Ray.

    Ray makes Unix sockets some 80 characters below it, whose paths have 107 at most.
    """
    return None if len(tempfile.gettempdir()) <= 24 else "/tmp"  # noqa: S108
