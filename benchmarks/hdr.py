"""HDR videos: how many frames are read as those of the ordinary video that they were made of.

Portraits become the frames of ordinary, PQ and HLG clips, without loss (FFV1) and as a camera would
write them (H.265). FFmpeg's zscale makes HDR of them, with white at 203 nits (ITU-R BT.2408), which
is independent of our own tone mapping. "As it is" is HDR whose file does not say so.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from benchmarks.harness import (
    describe_machine,
    iter_image_files,
    make_parser,
    print_table,
    write_json,
)
from emotion_core.imaging.codec import decode_image
from emotion_core.imaging.resize import fit
from emotion_core.local_analyzer import load_analyzer
from emotion_core.video.io.reader import VideoReader

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.face import Face
    from emotion_core.types import Image

_SIDE_PX, _MIN_PX = 320, 150
_CURVES = {"SDR": "bt709", "PQ": "smpte2084", "HLG": "arib-std-b67"}
_CODECS = {
    "FFV1": ("ffv1",),
    "H.265": ("libx265", "-preset", "veryfast", "-x265-params", "log-level=error:keyint=1:crf=20"),
}


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("portraits", type=Path, help="a folder or a ZIP archive")
    parser.add_argument("--limit", type=int, default=200, help="portraits, chosen at random")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    limit = min(chosen.limit, 20) if chosen.quick else chosen.limit
    analyzer = load_analyzer("emoscope-fer-s", "emoscope-face-s", device="cpu")
    images = load_frames(chosen.portraits, limit)
    truth = [read_largest(analyzer, image) for image in images]
    rows = []
    for codec in _CODECS:
        for curve in _CURVES:
            for is_told in (True, False) if codec == "FFV1" and curve != "SDR" else (True,):
                shown = write_and_read(images, curve, codec, is_told=is_told)
                name = curve if is_told else f"{curve}, as it is"
                rows.append({"clip": name, "codec": codec, **compare(analyzer, shown, truth)})
                print(*rows[-1].values(), file=sys.stderr, flush=True)
    print_table(f"{limit} frames", list(rows[0]), [list(row.values()) for row in rows])
    write_json(chosen.json, {"machine": describe_machine(), "clips": rows})


def load_frames(source: Path, limit: int) -> list[Image]:
    """Portraits as squares of one size."""
    frames: list[Image] = []
    for data in iter_image_files(source):
        image = decode_image(data).pixels
        if min(image.shape[:2]) >= _MIN_PX:
            scale = _SIDE_PX / max(image.shape[:2])
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale), np.uint8)
            frames.append(fit(image, (_SIDE_PX, _SIDE_PX)))
        if len(frames) == limit:
            break
    return frames


def write_and_read(images: list[Image], curve: str, codec: str, *, is_told: bool) -> list[Image]:
    """Encodes a clip and decodes it as the product does.

    Args:
        images: RGB ``(H, W, 3)`` each, all of one size.
        curve: A key of the transfer characteristics.
        codec: A key of the codecs.
        is_told: Whether the file tells the curve.
    """
    transfer = _CURVES[curve]
    space = ("bt709", "bt709") if curve == "SDR" else ("bt2020", "bt2020nc")
    ordinary = "zscale=tin=bt709:pin=bt709:min=gbr:rin=full"
    to_light = f"{ordinary}:t=linear:p=bt709:m=gbr:npl=203,format=gbrpf32le"
    to_clip = f"zscale=t={transfer}:p={space[0]}:m={space[1]}:r=limited:npl=203"
    told = (transfer, *space) if is_told else ("bt709", "bt709", "bt2020nc")
    size = f"{_SIDE_PX}x{_SIDE_PX}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mkv"
        command = [
            *("ffmpeg", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size),
            *("-i", "-", "-vf", f"format=gbrp,{to_light},{to_clip},format=yuv420p10le"),
            *("-c:v", *_CODECS[codec], "-color_trc", told[0], "-color_primaries", told[1]),
            *("-colorspace", told[2], "-color_range", "tv", str(path)),
        ]
        subprocess.run(command, input=np.stack(images).tobytes(), check=True)
        with VideoReader(path) as reader, closing(reader.frames()) as frames:
            return [frame.image for frame in frames]


def compare(analyzer: Analyzer, shown: list[Image], truth: list[Face | None]) -> dict[str, Any]:
    """Share of frames with the same word; how sure the word was where it is not the same."""
    n, same, margins, changes = 0, 0, list[float](), list[float]()
    for image, face in zip(shown, truth, strict=True):
        if face is None:
            continue
        n += 1
        found = read_largest(analyzer, image)
        if found is not None and found.emotion is face.emotion:
            same += 1
        else:
            second, first = sorted(face.probabilities.values())[-2:]
            margins.append(round(first - second, 2))
        if found is not None:
            changes.append(abs(found.valence - face.valence))
    return {
        "frames": n,
        "same word": same / n,
        "valence": float(np.mean(changes)),
        "lead of words that changed": sorted(margins)[:9],
    }


def read_largest(analyzer: Analyzer, image: Image) -> Face | None:
    """The largest face of a frame."""
    faces = list(analyzer.analyze([image])[0])
    return max(faces, key=lambda face: face.box[3] - face.box[1], default=None)


if __name__ == "__main__":
    main()
