"""Photos by a bulk run against the same core in one process; start-up time and memory.

The photos are made from the sample portrait: copies of its face on a grey ground of 1280 by 960
pixels, as of ``benchmarks.photos``. "With images" is ``iter_photos``, which draws and encodes
annotated images, too; a bulk run does not, and is compared with the core without them.

All are measured in turn, several times, because other programs on the machine slow each of them
down at another time; the table has medians, and of the ratios the lowest and highest. Speeds are of
the middle of a run, from a quarter to all but an eighth of the photos: neither start nor end count.
Processor time per photo, of this process and the actors over that stretch, hardly depends on what
else is running.
"""

from __future__ import annotations

import os
import re
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from benchmarks.photos import make_scene
from emotion_core.batch.bulk_run import WorkerConfig, iter_steps, make_plan, resolve_workers
from emotion_core.batch.job import Job, iter_records
from emotion_core.batch.results import ResultFolder
from emotion_core.files.ray_session import prepare_environment, ray_session
from emotion_core.imaging.codec import encode_jpeg
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.registry import find_any
from emotion_core.models.runtime import usable_cores
from emotion_core.photos.pipeline import PhotoSource, iter_photos
from emotion_core.video.types import VideoSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Run = dict[str, float]
"""Figures of one run."""

FACES = 3
REFERENCE, IMAGES = "one process", "one process, with images"
ACTORS = {"bulk, 1 actor": 1, "bulk, 2 actors": 2}


def main() -> None:
    """Measures, prints and writes the figures."""
    chosen = make_parser(__doc__ or "").parse_args()
    n_photos, rounds = (96, 2) if chosen.quick else (320, 5)
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name, "photos")
        photos.mkdir()
        data = encode_jpeg(make_scene(FACES))
        for i in range(n_photos):
            (photos / f"{i:05}.jpg").write_bytes(data)
        prepare_environment()
        with ray_session("ray.data", cpus=usable_cores()) as ray:
            runs = measure_rounds(ray, photos, Path(name), rounds)
    rows = [sum_up(what, runs[what], runs[REFERENCE]) for what in runs]
    print_table(
        f"{n_photos} photos of {FACES} faces, {rounds} rounds",
        list(rows[0]),
        [list(row.values()) for row in rows],
    )
    figures = {"machine": describe_machine(), "load": os.getloadavg(), "photos": n_photos}
    write_json(chosen.json, {**figures, "rounds": runs, "summary": rows})


def measure_rounds(ray: Any, photos: Path, out: Path, rounds: int) -> dict[str, list[Run]]:
    """Measures everything in turn, ``rounds`` times."""
    emotion, detector = find_any("emoscope-fer-s"), find_any("emoscope-face-s")
    analyzer = load_analyzer([emotion], [detector], device="cpu")
    paths = sorted(photos.iterdir())
    sources = [PhotoSource(path.name, path.read_bytes) for path in paths]
    urls = [str(path) for path in paths]
    list(iter_photos(analyzer, sources[:8]))  # warm up
    runs: dict[str, list[Run]] = {REFERENCE: [], IMAGES: [], **{a: [] for a in ACTORS}}
    for i in range(rounds):
        batches = iter_records(analyzer, urls, VideoSettings())
        runs[REFERENCE].append(time_run((len(b) for b in batches), len(paths), time.process_time))
        results = iter_photos(analyzer, sources)
        runs[IMAGES].append(time_run((1 for _ in results), len(paths), time.process_time))
        for what, actors in ACTORS.items():
            folder = ResultFolder(str(out / f"{i}-{actors}"), emotion.labels)
            job = Job(folder, emotion, detector, VideoSettings(), 16)
            runs[what].append(measure_bulk(ray, job, photos, actors))
    return runs


def measure_bulk(ray: Any, job: Job, photos: Path, actors: int) -> Run:
    """One bulk run with Ray started; ``start_up_s`` is the loading of networks and first photos."""
    job.folder.prepare(job.to_settings())
    extent = make_plan(job, [str(photos)])
    actors_use = Watch("ray::MapWorker")
    with actors_use:
        workforce = resolve_workers(ray, WorkerConfig(actors, 0, -1.0, "cpu"))
        steps = iter_steps(ray, job, workforce, extent.parts)
        counts = (step.inputs for step in steps)
        run = time_run(counts, extent.inputs, actors_use.processor_s)
    return {**run, "actors_mb": actors_use.peak_mb}


def time_run(counts: Iterable[int], total: int, processor_s: Callable[[], float]) -> Run:
    """Photos per second in the middle of a run, and seconds to its first result.

    Args:
        counts: Numbers of photos, as they are finished.
        total: Number of photos.
        processor_s: Tells the seconds of processor time used so far.
    """
    start = time.perf_counter()
    marks: list[tuple[float, int, float]] = []
    done = 0
    for n in counts:
        done += n
        marks.append((time.perf_counter() - start, done, processor_s()))
    first = next(mark for mark in marks if mark[1] >= total / 4)
    last = next(mark for mark in marks if mark[1] >= total * 7 / 8)
    n = last[1] - first[1]
    return {
        "photos_per_s": n / (last[0] - first[0]),
        "processor_ms": (last[2] - first[2]) / n * 1000,
        "start_up_s": marks[0][0],
    }


def sum_up(what: str, runs: list[Run], reference: list[Run]) -> dict[str, Any]:
    """Medians of some runs, and their ratios to the core in one process of the same round."""
    speeds = [run["photos_per_s"] for run in runs]
    pairs = zip(speeds, reference, strict=True)
    ratios = sorted(speed / alone["photos_per_s"] for speed, alone in pairs)
    memory = [run["actors_mb"] for run in runs if "actors_mb" in run]
    return {
        "what": what,
        "photos_per_s": statistics.median(speeds),
        "ratio": statistics.median(ratios),
        "lowest": ratios[0],
        "highest": ratios[-1],
        "processor_ms": statistics.median(run["processor_ms"] for run in runs),
        "start_up_s": statistics.median(run["start_up_s"] for run in runs),
        "actors_mb": max(memory) if memory else "",
    }


class Watch:
    """Watches the processes of a name: their proportional memory, their processor time.

    Args:
        name: Their command line begins with it.
    """

    def __init__(self, name: str) -> None:
        self.peak_mb = 0.0
        self._name = name.encode()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> None:
        """Starts watching."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Stops watching."""
        self._end.set()
        self._thread.join()

    def processor_s(self) -> float:
        """Processor time so far of this process and of those of the name that run."""
        ticks = sum(map(self._ticks, Path("/proc").iterdir()))
        return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")

    def _ticks(self, process: Path) -> int:
        try:
            if not (process / "cmdline").read_bytes().startswith(self._name):
                return 0
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # no process, or one that has just ended
            return 0
        return int(fields[11]) + int(fields[12])

    def _watch(self) -> None:
        while not self._end.wait(0.5):
            self.peak_mb = max(self.peak_mb, sum(map(self._memory_mb, Path("/proc").iterdir())))

    def _memory_mb(self, process: Path) -> float:
        try:
            if not (process / "cmdline").read_bytes().startswith(self._name):
                return 0.0
            found = re.search(r"Pss:\s+(\d+)", (process / "smaps_rollup").read_text())
        except OSError:  # no process, or one that has just ended
            return 0.0
        return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
