"""A server process to measure, and what it and its children hold."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]


def family_of(pid: int) -> list[tuple[int, str]]:
    """A process and all below it, with their command lines."""
    output = subprocess.run(
        ["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in output.splitlines()[1:]]
    family = {pid}
    for _ in range(4):
        family |= {int(child) for child, parent, _ in rows if int(parent) in family}
    return [(int(child), name) for child, _, name in rows if int(child) in family]


def memory_mb(pid: int) -> float:
    """Proportional share of memory of a process and all below it."""
    total = 0
    for child, _ in family_of(pid):
        try:
            text = Path(f"/proc/{child}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        found = re.search(r"Pss:\s+(\d+)", text)
        total += int(found[1]) if found else 0
    return total / 1024


@contextmanager
def running_server(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server process on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "emotion_core", "serve", "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_ready(process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Reads a server's messages until it is ready, then goes on reading in a thread."""
    if process.stderr is None:
        raise RuntimeError("The server's messages are not available.")
    for line in process.stderr:
        if line.startswith("Ready: "):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return
    raise RuntimeError("The server did not start.")
