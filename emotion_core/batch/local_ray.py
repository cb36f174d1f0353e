"""Ray for one bulk run: started on this machine and gone with it, or a cluster that is there."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECT_STORE_BYTES = 100 * 2**20  # neither pictures nor results travel through it
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_worker_niceness": "0",  # Ray would give way to everything else on the machine
}


@contextmanager
def ray_session(*, address: str | None, cpus: int) -> Iterator[Any]:
    """Use Ray until the block ends.

    Args:
        address: Of a cluster that runs; ``None``: Ray is started here.
        cpus: What actors may claim in all of a Ray that is started here; for book-keeping, not a
            limit.

    Yields:
        The module ``ray``.

    Raises:
        EmotionError: It does not start, or there is no cluster at the address.
    """
    os.environ.update(_QUIET)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    folder = None
    if address is None:
        _prepare_local()
        folder = Path(tempfile.mkdtemp(prefix="emo-ray-", dir=_short_folder()))
    try:
        ray = _import()
        try:
            if folder is None:
                ray.init(address=address, configure_logging=False, log_to_driver=False)
            else:
                ray.init(
                    address="local",
                    num_cpus=cpus,
                    object_store_memory=_OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    configure_logging=False,
                    log_to_driver=False,
                    _temp_dir=str(folder),
                )
        except (RuntimeError, OSError, ValueError) as error:
            what = f"There is no Ray at {address}" if address else "Ray did not start"
            raise EmotionError(f"{what}: {error}") from error
        try:
            for number, handler in handlers.items():  # Ray has put its own in their place
                signal.signal(number, handler)
            yield ray
        finally:
            ray.shutdown()
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _prepare_local() -> None:
    """Let nobody else on this machine run code in this Ray, and let its processes find the core."""
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))


def _import() -> Any:
    """Import it now that the environment is set, which it reads when it is imported."""
    import ray
    import ray.data

    # What goes wrong comes as an exception, and is told in one sentence.
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return ray


def _short_folder() -> str | None:
    """Where temporary files go, unless its name is too long for Ray.

    Ray makes Unix sockets some 80 characters below it, whose paths have 107 at most.
    """
    return None if len(tempfile.gettempdir()) <= 24 else "/tmp"  # noqa: S108
