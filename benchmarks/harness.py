"""What all benchmarks share: their two options, the machine's description, tables and JSON."""

from __future__ import annotations

import argparse
import json
import platform
import random
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.models.onnx_graph import load_onnxruntime
from emotion_core.models.runtime import usable_cores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SUFFIXES = (".jpg", ".jpeg", ".png")


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with ``--quick`` and ``--json FILE``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, rougher figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    return parser


def describe_machine() -> dict[str, Any]:
    """The machine and the software that the figures were measured with."""
    import torch

    onnxruntime = load_onnxruntime()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "cores": usable_cores(),
        "processor": _processor(),
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table with aligned columns; floats with three significant digits."""
    cells = [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    print(f"\n{title}")
    for row in [list(header), *cells]:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def write_json(path: Path | None, figures: dict[str, Any]) -> None:
    """Writes figures as JSON, if a file is given."""
    if path:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        print(f"\nwritten: {path}", file=sys.stderr)


def iter_image_files(source: Path, limit: int | None = None) -> Iterator[bytes]:
    """The JPEG and PNG files of a folder or a ZIP archive at random, always in the same order."""
    if source.is_dir():
        paths = sorted(path for path in source.iterdir() if path.suffix.lower() in _SUFFIXES)
        random.Random(0).shuffle(paths)
        yield from (path.read_bytes() for path in paths[:limit])
        return
    with zipfile.ZipFile(source) as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith(_SUFFIXES))
        random.Random(0).shuffle(names)
        yield from (archive.read(name) for name in names[:limit])


def _commit() -> str:
    root = Path(__file__).resolve().parents[1]
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((ln.split(":", 1)[1].strip() for ln in lines if ln.startswith("model name")), "")
