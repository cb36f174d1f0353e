"""Photos through the core: speed by number of faces, share of each stage, memory, start-up.

The images are made from the sample portrait: 1, 5 and 20 copies of its face on a grey ground of
1280 by 960 pixels.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from emotion_core.imaging.annotate import annotate
from emotion_core.imaging.codec import decode_image, encode_jpeg
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.card import Task
from emotion_core.models.registry import candidates
from emotion_core.photos.pipeline import PhotoSource, iter_photos
from emotion_core.recognition.alignment import to_input

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.local_analyzer import LocalAnalyzer
    from emotion_core.models.runtime import Network
    from emotion_core.types import Analysis, Image

SAMPLE = Path(__file__).resolve().parents[1] / "streamlit_app" / "assets" / "astronaut.jpg"
SIZE_WH = (1280, 960)
FACES = (1, 5, 20)


def main() -> None:
    """Measures, prints and writes the figures."""
    chosen = make_parser(__doc__ or "").parse_args()
    repeats = 3 if chosen.quick else 10
    machine = describe_machine()
    figures: dict[str, Any] = {"machine": machine, "devices": {}}
    for device in ("cpu", "cuda") if machine["gpu"] else ("cpu",):
        analyzer = load_analyzer(
            candidates(Task.EMOTION), candidates(Task.DETECTION), device=device
        )
        names = f"{analyzer.info.emotion.name}, {analyzer.info.detector.name}"
        rows = [measure(analyzer, n, repeats) for n in FACES]
        figures["devices"][device] = {"networks": names, "speed": rows}
        header = [
            "faces",
            "found",
            "photos/s",
            "faces/s",
            "decode",
            "detect",
            "read",
            "draw+encode",
        ]
        table = [
            [r["faces"], r["found"], r["photos_per_s"], r["faces_per_s"], *r["share"].values()]
            for r in rows
        ]
        print_table(f"{device}: {names}; shares of one photo's time", header, table)
    figures["runtime"] = compare_runtimes(repeats)
    figures["fresh_process"] = measure_fresh_process()
    rest = {**figures["fresh_process"], **figures["runtime"]}
    print_table("a new process; runtimes", ["figure", "value"], list(rest.items()))
    write_json(chosen.json, figures)


def measure(analyzer: LocalAnalyzer, n_faces: int, repeats: int) -> dict[str, Any]:
    """Times whole batches of photos, then each stage of one photo alone."""
    data = encode_jpeg(make_scene(n_faces))
    sources = [PhotoSource(f"{i}.jpg", lambda: data) for i in range(8)]
    list(iter_photos(analyzer, sources))  # warm up
    seconds = _median(lambda: list(iter_photos(analyzer, sources)), repeats) / len(sources)
    image = decode_image(data).pixels
    analysis = analyzer.analyze([image])[0]
    stages = _time_stages(analyzer, data, image, analysis, repeats)
    whole = sum(stages.values())
    return {
        "faces": n_faces,
        "found": len(analysis),
        "photos_per_s": 1 / seconds,
        "faces_per_s": len(analysis) / seconds,
        "ms": {name: s * 1000 for name, s in stages.items()},
        "share": {name: s / whole for name, s in stages.items()},
    }


def make_scene(n_faces: int) -> Image:
    """Copies of the sample's face in rows on grey."""
    portrait = decode_image(SAMPLE.read_bytes()).pixels[0:240, 120:330]
    width, height = SIZE_WH
    scene = np.full((height, width, 3), 128, np.uint8)
    columns = max(1, int(np.ceil(np.sqrt(n_faces * width / height))))
    rows = -(-n_faces // columns)
    cell_w, cell_h = width // columns, height // rows
    scale = min(cell_w / portrait.shape[1], cell_h / portrait.shape[0], 2.0)
    size = (int(portrait.shape[1] * scale), int(portrait.shape[0] * scale))
    face = np.asarray(cv2.resize(portrait, size, interpolation=cv2.INTER_AREA), np.uint8)
    for i in range(n_faces):
        x, y = (i % columns) * cell_w, (i // columns) * cell_h
        scene[y : y + face.shape[0], x : x + face.shape[1]] = face
    return scene


def compare_runtimes(repeats: int) -> dict[str, float]:
    """Milliseconds per face of the shipped emotion network in ONNX Runtime and in eager torch."""
    from emotion_core.models.download import WEIGHTS_DIR
    from emotion_core.models.runtime import OnnxNetwork, TorchNetwork
    from emotion_core.networks.emotion_net import load_network

    card = next((c for c in candidates(Task.EMOTION) if c.torch_weights), None)
    if card is None or card.torch_weights is None or card.preprocessing is None:
        return {}
    side = card.preprocessing.size_px
    crops = np.random.default_rng(0).integers(0, 256, (20, side, side, 3), np.uint8)
    batch = to_input(crops, card.preprocessing)
    onnx = OnnxNetwork(WEIGHTS_DIR / card.weights.filename)
    torch = TorchNetwork(load_network(WEIGHTS_DIR / card.torch_weights.filename), "cpu")
    networks: tuple[tuple[str, Network], ...] = (("ONNX Runtime", onnx), ("eager torch", torch))
    ms = {}
    for n in (1, len(batch)):
        for name, network in networks:
            network.run(batch[:n])
            seconds = _median(partial(network.run, batch[:n]), 3 * repeats)
            ms[f"{name}, ms a face in a batch of {n}"] = seconds / n * 1000
    return ms


def measure_fresh_process() -> dict[str, float]:
    """Seconds from a new process to its first photo, and its peak memory after sixteen more."""
    script = (
        "import re\n"
        "from benchmarks.photos import *\n"
        "a = load_analyzer(candidates(Task.EMOTION), candidates(Task.DETECTION), device='cpu')\n"
        "a.analyze([make_scene(1)])\n"
        "print(flush=True)\n"
        "data = encode_jpeg(make_scene(20))\n"
        "for _ in iter_photos(a, [PhotoSource(str(i), lambda: data) for i in range(16)]): pass\n"
        # not getrusage, whose maximum begins with that of the process that started this one
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        output = process.stdout
        if output is None:
            raise RuntimeError("The new process has no output.")
        output.readline()
        seconds = time.perf_counter() - start
        return {"start_up_s": seconds, "peak_memory_mb": int(output.readline()) / 1024}


def _time_stages(
    analyzer: LocalAnalyzer, data: bytes, image: Image, analysis: Analysis, repeats: int
) -> dict[str, float]:
    """Seconds of each stage of one photo; "read" is cropping, the emotion network and the rest."""
    detect = _median(lambda: analyzer.detector.detect([image]), repeats)
    read = _median(lambda: analyzer.classifier.classify([image], [analysis.faces]), repeats)
    return {
        "decode": _median(lambda: decode_image(data), repeats),
        "detect": detect,
        "read": read,
        "draw and encode": _median(lambda: encode_jpeg(annotate(image, analysis)), repeats),
    }


def _median(run: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
