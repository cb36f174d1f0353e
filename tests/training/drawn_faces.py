"""Data sets of drawn faces for the detector: white ellipses on noise."""

import io
import zipfile
from pathlib import Path

import cv2
import numpy as np

from emotion_core.training.detector.image_archive import ImageFile
from emotion_core.training.detector.samples import DetectionSample, SampleKind

BOX = np.array([[20, 25, 60, 70]], np.float32)
LANDMARKS = np.array([[30, 40, 50, 40, 40, 50, 32, 60, 48, 60]], np.float32)


def draw_image(seed, size_wh=(96, 96), box=(20, 25, 60, 70)):
    """Dark noise with one bright ellipse."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 60, (size_wh[1], size_wh[0], 3), dtype=np.uint8)
    if box is not None:
        x1, y1, x2, y2 = box
        centre, axes = ((x1 + x2) // 2, (y1 + y2) // 2), ((x2 - x1) // 2, (y2 - y1) // 2)
        cv2.ellipse(image, centre, axes, 0, 0, 360, (250, 240, 230), cv2.FILLED)
    return image


def encode_png(image):
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def write_zip(path, files):
    """A ZIP file of texts, bytes and images by name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            data = encode_png(content) if isinstance(content, np.ndarray) else content
            archive.writestr(name, data)
    return path


def write_boxes(path, n=20):
    """``n`` images of one face each with ``boxes.csv``."""
    table = io.StringIO("image,x1,y1,x2,y2\n")
    table.seek(0, io.SEEK_END)
    files = {}
    for i in range(n):
        files[f"{i}.png"] = draw_image(i)
        table.write(f"{i}.png,20,25,60,70\n")
    return write_zip(path, files | {"boxes.csv": table.getvalue()})


def write_scenes(path, n=12):
    return write_zip(path, {f"{i}.png": draw_image(100 + i, box=None) for i in range(n)})


def make_sample(
    folder: Path, kind=SampleKind.PORTRAITS, *, held_out=False, size_wh=(80, 90), image=None
):
    """A labelled image in a file of its own."""
    image = draw_image(1, size_wh) if image is None else image
    name = f"{kind}-{len(list(folder.iterdir()))}.png"
    data = encode_png(image)
    (folder / name).write_bytes(data)
    file = ImageFile(folder, name, len(data))
    if kind is SampleKind.SCENES:
        return DetectionSample(file, kind, held_out)
    ignored = BOX[:, [0, 1, 0, 1]] + np.array([0, 0, 5, 5], np.float32)
    return DetectionSample(file, kind, held_out, BOX, LANDMARKS, ignored)
