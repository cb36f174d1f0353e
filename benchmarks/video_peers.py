"""What ``benchmarks.video --peers`` runs with another environment's Python: fer on a clip.

Prints frames per second as JSON, by detector. Needs ``pip install fer av`` and nothing of this
project. Decoding is not counted; what fer prints itself goes to standard error.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import redirect_stdout
from importlib import import_module

FRAMES = 50


def main() -> None:
    """Reads the clip named on the command line, times fer and prints the result."""
    with redirect_stdout(sys.stderr):
        speeds = measure(sys.argv[1])
    print(json.dumps(speeds))


def measure(clip: str) -> dict[str, float]:
    """Frames per second of fer with each of its two face detectors."""
    import av

    fer = import_module("fer.fer")  # this project's environment does not have it
    with av.open(clip) as container:
        decoded = zip(container.decode(video=0), range(FRAMES), strict=False)
        frames = [frame.to_ndarray(format="bgr24") for frame, _ in decoded]
    speeds = {}
    for name, has_mtcnn in (("fer, OpenCV's cascade", False), ("fer, MTCNN", True)):
        reader = fer.FER(mtcnn=has_mtcnn)
        reader.detect_emotions(frames[0])  # warm up
        start = time.perf_counter()
        for frame in frames:
            reader.detect_emotions(frame)
        speeds[name] = len(frames) / (time.perf_counter() - start)
    return speeds


if __name__ == "__main__":
    main()
