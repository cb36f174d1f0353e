"""Face detection: one webcam frame, images by size, memory, batches on a GPU.

The images are drawn: the sample portrait's face on grey, 40 times 1/60 as high as the image but
at least 24 pixels ("group"), or once and half as high ("one"); ``--photos FOLDER`` adds real ones.
"one pass" asks only for faces that the first pass over the shrunk image can see.
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
from benchmarks.photos import SAMPLE
from emotion_core.detection.detector import FaceDetector
from emotion_core.detection.multiscale import MultiScaleFaceModel, MultiScaleRunner
from emotion_core.detection.multiscale_torch import TorchMultiScaleRunner
from emotion_core.detection.opencv import OpenCvFaceModel
from emotion_core.imaging.codec import decode_image
from emotion_core.models.download import WEIGHTS_DIR, is_available, verify
from emotion_core.models.registry import CARDS
from emotion_core.models.runtime import OnnxNetwork
from emotion_core.networks.face_net import load_face_network
from emotion_core.networks.yunet import load_yunet
from emotion_core.types import DEFAULT_MIN_FACE_PX, AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.detection.detector import FaceModel
    from emotion_core.types import Device, Image

OWN, YUNET = CARDS["emoscope-face-s"], CARDS["yunet"]
SIZES_WH = {
    "0.3 MP": (640, 480),
    "2 MP": (1600, 1200),
    "12 MP": (4000, 3000),
    "48 MP": (8000, 6000),
}
ONE_PASS_SHARE = 1 / 95
"""A minimum face size, as a share of the longer side, from which one pass is enough."""
BATCH = 16
IN_TORCH = "yunet, torch"
"""Not how the product runs it on a CPU; measured for comparison, on one frame."""


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--yunet", type=Path, metavar="FILE", help="a YuNet's ONNX file")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="measure these, too")
    chosen = parser.parse_args()
    repeats = 3 if chosen.quick else 10
    if chosen.yunet is None and is_available(YUNET):
        chosen.yunet = verify(YUNET).path
    networks = make_networks(chosen.yunet, "cpu")
    in_use = {name: networks[name] for name in networks if name != IN_TORCH}
    figures: dict[str, Any] = {"machine": describe_machine()}
    figures["frame_ms"] = measure_frame(networks, 10 * repeats)
    rows = list(figures["frame_ms"].items())
    print_table("one frame of 640 x 480 on the CPU, pixels to boxes", ["network", "ms"], rows)
    images = {**make_images(), **read_photos(chosen.photos)}
    figures["pictures"] = [
        measure_image(network, name, images[name], repeats)
        for network in in_use.items()
        for name in images
    ]
    header = ["network", "image", "faces", "images/s", "faces, one pass", "images/s"]
    print_table("whole images", header, [list(row.values()) for row in figures["pictures"]])
    figures["peak_memory_mb"] = measure_memory()
    print_table("48 MP", ["peak of the process, MB"], [[figures["peak_memory_mb"]]])
    if figures["machine"]["gpu"]:
        figures["cuda"] = measure_cuda(make_networks(chosen.yunet, "cuda"), 3 * repeats)
        rows = list(figures["cuda"].items())
        print_table(f"GPU, batches of {BATCH} at 640 x 640", ["network", "images/s"], rows)
    write_json(chosen.json, figures)


def make_networks(yunet: Path | None, device: Device) -> dict[str, FaceModel]:
    """The project's network, and YuNet in every way in which it runs on a device."""
    if device == "cuda":
        path = WEIGHTS_DIR / f"{OWN.name}.safetensors"
        networks: dict[str, FaceModel] = {
            OWN.name: MultiScaleFaceModel(TorchMultiScaleRunner(load_face_network(path), device))
        }
    else:
        own = MultiScaleRunner(OnnxNetwork(WEIGHTS_DIR / OWN.weights.filename))
        networks = {OWN.name: MultiScaleFaceModel(own)}
        if yunet:
            networks["yunet, OpenCV"] = OpenCvFaceModel(yunet)
    if yunet:
        runner = TorchMultiScaleRunner(load_yunet(yunet), device)
        networks[IN_TORCH] = MultiScaleFaceModel(runner, is_yunet=True)
    return networks


def measure_frame(networks: dict[str, FaceModel], repeats: int) -> dict[str, float]:
    """Median milliseconds of each network, all in turn."""
    frame = draw_scene((640, 480), 5, 60)
    times: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(repeats + 3):  # the first ones warm up
        for name, network in networks.items():
            start = time.perf_counter()
            network.find([frame], 0.6)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[3:]) * 1000 for name, values in times.items()}


def make_images() -> dict[str, Image]:
    """Groups and single faces by size."""
    images = {}
    for name, size_wh in SIZES_WH.items():
        images[f"group, {name}"] = draw_scene(size_wh, 40, max(24, size_wh[1] // 60))
        images[f"one, {name}"] = draw_scene(size_wh, 1, size_wh[1] // 2)
    return images


def draw_scene(size_wh: tuple[int, int], n_faces: int, face_px: int) -> Image:
    """Copies of the sample's face, of a given height, in up to ten columns on grey."""
    portrait = decode_image(SAMPLE.read_bytes()).pixels[30:240, 120:330]  # its face: 107 high
    side = face_px * portrait.shape[0] // 107
    how = cv2.INTER_AREA if side < portrait.shape[0] else cv2.INTER_CUBIC
    face = np.asarray(cv2.resize(portrait, (side, side), interpolation=how), np.uint8)
    image = np.full((size_wh[1], size_wh[0], 3), 128, np.uint8)
    columns = min(10, n_faces)
    for i in range(n_faces):
        x = side // 20 + (i % columns) * size_wh[0] // columns
        y = size_wh[1] // 3 + (i // columns) * side
        part = image[y : y + side, x : x + side]
        part[:] = face[: part.shape[0], : part.shape[1]]
    return image


def read_photos(folder: Path | None) -> dict[str, Image]:
    """The JPEG and PNG files of a folder, if one is given."""
    paths = sorted(folder.iterdir()) if folder else []
    paths = [p for p in paths if p.suffix.lower() in (".jpg", ".jpeg", ".png")]
    return {path.name: decode_image(path.read_bytes()).pixels for path in paths}


def measure_image(
    network: tuple[str, FaceModel], name: str, image: Image, repeats: int
) -> dict[str, Any]:
    """Faces found and images per second, with and without finer passes."""
    detector = FaceDetector(network[1], OWN)
    row: dict[str, Any] = {"network": network[0], "image": name}
    one_pass_px = max(DEFAULT_MIN_FACE_PX, max(image.shape[:2]) * ONE_PASS_SHARE)
    for label, px in (("", DEFAULT_MIN_FACE_PX), (", one pass", one_pass_px)):
        row[f"faces{label}"] = len(detector.detect([image], AnalyzeOptions(min_face_px=px))[0])
        seconds = _median(
            partial(detector.detect, [image], AnalyzeOptions(min_face_px=px)), repeats
        )
        row[f"images_per_s{label}"] = 1 / seconds
    return row


def measure_memory() -> float:
    """Peak megabytes of a new process that finds the faces of a group in 48 megapixels."""
    script = (
        "import re\n"
        "from benchmarks.detector import *\n"
        "image = draw_scene(SIZES_WH['48 MP'], 40, 100)\n"
        "FaceDetector(make_networks(None, 'cpu')[OWN.name], OWN).detect([image])\n"
        # not getrusage, whose maximum begins with that of the process that started this one
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return int(done.stdout) / 1024


def measure_cuda(networks: dict[str, FaceModel], repeats: int) -> dict[str, float]:
    """Images per second of each network, from pixels in memory to faces in memory."""
    batch = [draw_scene((640, 640), 5, 60)] * BATCH
    rates = {}
    for name, network in networks.items():
        for _ in range(3):
            network.find(batch, 0.6)
        seconds = _median(partial(network.find, batch, 0.6), repeats)
        rates[name] = BATCH / seconds
    return rates


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
