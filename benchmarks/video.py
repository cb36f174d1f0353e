"""Videos end to end: what analysis adds to decoding and encoding, memory by length, stages.

The clip is made from the sample portrait: 1280 by 720, 25 frames per second, one face that moves
and is zoomed, with the noise of a camera, so that encoding takes as long as in real use. All times
are ratios of runs on this machine, one after the other, the best of several.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from emotion_core.imaging.annotate import draw_in_place
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.card import Task
from emotion_core.models.registry import candidates
from emotion_core.tracking.tracker import FaceTracker
from emotion_core.types import AnalyzeOptions
from emotion_core.video.io.reader import VideoReader
from emotion_core.video.io.writer import VideoWriter
from emotion_core.video.pipeline import analyze_video
from emotion_core.video.sampling import QUICK_PX
from emotion_core.video.types import VideoSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emotion_core.local_analyzer import LocalAnalyzer
    from emotion_core.types import Image

SAMPLE = Path(__file__).resolve().parents[1] / "streamlit_app" / "assets" / "astronaut.jpg"
SIZE_WH, FPS, CLIP_S = (1280, 720), 25, 10
BARS = {
    "every frame, times decoding and encoding": 2.0,
    "every third frame, times decoding and encoding": 1.3,
    "peak memory, long video by short": 1.2,
}


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = make_parser(__doc__ or "")
    parser.add_argument(
        "--peers",
        metavar="PYTHON",
        help="also time fer, with the Python of an environment that has it (pip install fer av)",
    )
    chosen = parser.parse_args()
    machine = describe_machine()
    figures: dict[str, Any] = {"machine": machine, "devices": {}}
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        make_clip(clip)
        for device in ("cpu", "cuda") if machine["gpu"] else ("cpu",):
            figures["devices"][device] = measure(clip, device, repeats=2 if chosen.quick else 5)
        long_s = 60 if chosen.quick else 600
        figures["memory"] = measure_memory(clip, long_s)
        if chosen.peers:
            figures["peers"] = measure_peers(clip, chosen.peers)
    show(figures)
    write_json(chosen.json, figures)


def make_clip(path: Path) -> None:
    """Writes ``CLIP_S`` seconds of H.264."""
    portrait = decode_image(SAMPLE.read_bytes()).pixels[:200]  # the head
    rng = np.random.default_rng(0)
    noises = [rng.normal(0, 4, (*SIZE_WH[::-1], 1)) for _ in range(FPS)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "20", "g": "50"})
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuv420p"
        for i in range(CLIP_S * FPS):
            frame = np.clip(_view(portrait, i / FPS) + noises[i % FPS], 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _view(portrait: Image, time_s: float) -> Image:
    """A part of the portrait, enlarged, that sways without leaving it."""
    scale = 4 + 0.2 * np.sin(0.7 * time_s)
    x, y = 225 + 30 * np.sin(0.5 * time_s), 100 + 5 * np.cos(0.9 * time_s)
    width, height = SIZE_WH
    matrix = np.array([[scale, 0, width / 2 - scale * x], [0, scale, height / 2 - scale * y]])
    view = cv2.warpAffine(portrait, matrix, SIZE_WH)
    return np.asarray(view, np.uint8)


def repeat_clip(clip: Path, path: Path, times: int) -> None:
    """Writes a clip several times in a row, without encoding it again."""
    with av.open(str(path), "w") as container, av.open(str(clip)) as source:
        stream = source.streams.video[0]
        copy = container.add_stream_from_template(stream)
        length = round(CLIP_S / stream.time_base) if stream.time_base else 0
        for i in range(times):
            source.seek(0)
            for packet in source.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                packet.dts, packet.pts = packet.dts + i * length, packet.pts + i * length
                packet.stream = copy
                container.mux(packet)


def measure(clip: Path, device: str, *, repeats: int) -> dict[str, Any]:
    """Times the ways to process the clip, in turn, and then each stage alone."""
    analyzer = load_analyzer(candidates(Task.EMOTION), candidates(Task.DETECTION), device=device)
    target = clip.with_name("target.mp4")
    ways: dict[str, Callable[[], object]] = {
        "decoding and encoding alone": partial(transcode, clip, target),
        "every frame": partial(analyze_video, clip, analyzer, VideoSettings(), target=target),
        "every third frame": partial(
            analyze_video, clip, analyzer, VideoSettings(every=3), target=target
        ),
        "every frame, no video written": partial(analyze_video, clip, analyzer, VideoSettings()),
    }
    ways["every frame"]()  # warm up
    seconds = {name: (float("inf"), 0.0) for name in ways}
    for _ in range(repeats):
        for name, run in ways.items():
            seconds[name] = min(seconds[name], _time(run))
    n = CLIP_S * FPS
    base = seconds["decoding and encoding alone"][0]
    return {
        "networks": f"{analyzer.info.emotion.name}, {analyzer.info.detector.name}",
        "ways": {
            name: {
                "fps": n / s,
                "ratio": s / base,
                "times_real_time": CLIP_S / s,
                "cpu_ms_a_frame": cpu_s / n * 1000,
            }
            for name, (s, cpu_s) in seconds.items()
        },
        "stage_ms": time_stages(clip, target, analyzer),
    }


def transcode(clip: Path, target: Path) -> None:
    """Only decodes and encodes."""
    with VideoReader(clip) as reader, VideoWriter(target, reader, audio=clip) as writer:
        for frame in reader.frames():
            writer.write(frame, frame.image)


def time_stages(clip: Path, target: Path, analyzer: LocalAnalyzer) -> dict[str, float]:
    """Milliseconds per frame of each stage when nothing else runs."""
    n_frames = 64
    with VideoReader(clip) as reader:
        start = time.perf_counter()
        frames = [frame for frame, _ in zip(reader.frames(), range(n_frames), strict=False)]
        ms = {"decode": (time.perf_counter() - start) / len(frames) * 1000}

    def run(name: str, work: Callable[[Any], object], items: Iterable[Any]) -> list[Any]:
        began = time.perf_counter()
        results = [work(item) for item in items]
        ms[name] = (time.perf_counter() - began) / len(frames) * 1000
        return results

    groups = [[f.image for f in frames[i : i + 8]] for i in range(0, len(frames), 8)]
    analyzer.analyze(groups[0])  # warm up
    for side in QUICK_PX:
        run(
            f"analyse, quick pass at {side} px",
            partial(analyzer.analyze, options=AnalyzeOptions(search_px=side)),
            groups,
        )
    found = [a for group in run("analyse, thorough", analyzer.analyze, groups) for a in group]
    tracker = FaceTracker()
    pairs = list(zip(frames, found, strict=True))
    run("track", lambda p: tracker.update(p[1].faces, p[0].time_s, p[0].image), pairs)
    run("draw", lambda p: draw_in_place(p[0].image.copy(), p[1]), pairs)
    with VideoReader(clip) as reader, VideoWriter(target, reader, audio=None) as writer:
        run("encode", lambda frame: writer.write(frame, frame.image), frames)
    return ms


def measure_memory(clip: Path, long_s: int) -> dict[str, float]:
    """Peak memory of a fresh process for the clip and for a longer one, in MB, and the ratio."""
    long_clip = clip.with_name("long.mp4")
    repeat_clip(clip, long_clip, long_s // CLIP_S)
    short, long = (_peak_memory(path) for path in (clip, long_clip))
    return {"seconds": long_s, "short_mb": short, "long_mb": long, "ratio": long / short}


def _peak_memory(clip: Path) -> float:
    """Peak resident megabytes of a new process that analyses every frame of a video."""
    script = (
        "import re, sys\n"
        "from benchmarks.video import *\n"
        "a = load_analyzer(candidates(Task.EMOTION), candidates(Task.DETECTION), device='cpu')\n"
        "clip = Path(sys.argv[1])\n"
        "analyze_video(clip, a, VideoSettings(), target=clip.with_name('target.mp4'))\n"
        # not getrusage, whose maximum begins with that of the process that started this one
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    command = [sys.executable, "-c", script, str(clip)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def measure_peers(clip: Path, python: str) -> dict[str, float]:
    """Frames per second of other projects on the clip: faces and emotions, without decoding."""
    script = Path(__file__).with_name("video_peers.py")
    command = [python, str(script), str(clip)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    speeds: dict[str, float] = json.loads(done.stdout)
    return speeds


def show(figures: dict[str, Any]) -> None:
    """Prints the tables, and the bars beside the values reached."""
    for device, found in figures["devices"].items():
        header = ["way", "frames/s", "ratio", "times real time", "processor ms a frame"]
        rows = [[name, *values.values()] for name, values in found["ways"].items()]
        print_table(f"{device}: {found['networks']}", header, rows)
        stages = list(found["stage_ms"].items())
        print_table(f"{device}: one stage alone", ["stage", "ms a frame"], stages)
    memory = figures["memory"]
    print_table("peak memory of a fresh process", ["figure", "value"], list(memory.items()))
    ways = figures["devices"]["cpu"]["ways"]
    if "peers" in figures:
        ours = ways["every frame, no video written"]["fps"]
        compared = {"ours, decoding included": ours, **figures["peers"]}
        print_table("cpu: peers on the same clip", ["who", "frames/s"], list(compared.items()))
    reached = [
        ways["every frame"]["ratio"],
        ways["every third frame"]["ratio"],
        memory["ratio"],
    ]
    rows = [
        [name, bar, value, "yes" if value <= bar else "NO"]
        for (name, bar), value in zip(BARS.items(), reached, strict=True)
    ]
    fps = ways["every frame"]["fps"]
    rows.append(["every frame, frames/s (at least)", FPS, fps, "yes" if fps >= FPS else "NO"])
    print_table("cpu: bars", ["figure", "bar", "reached", "met"], rows)


def _time(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a call, and processor seconds of all its threads."""
    start, start_cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - start_cpu


if __name__ == "__main__":
    main()
