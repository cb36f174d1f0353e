"""Reads the largest face in front of a camera, frame by frame, and prints a line for each.

python -m examples.webcam_loop
"""

import time

import cv2

import emotion_core as emo


def main(camera_index: int = 0, seconds: float = 30.0) -> None:
    """Reads the camera until the time is over or the camera ends."""
    analyzer = emo.load_analyzer()
    # One quick search of a small image is enough for a face close to the camera.
    options = emo.AnalyzeOptions(search_px=480, largest_only=True)
    camera = cv2.VideoCapture(camera_index)
    if not camera.isOpened():
        raise SystemExit(f"Camera {camera_index} cannot be opened; does another program use it?")
    start = time.monotonic()
    try:
        while (time_s := time.monotonic() - start) < seconds:
            is_read, bgr = camera.read()
            if not is_read:
                break
            frame = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)  # OpenCV has blue first, we have red
            for face in analyzer.read(frame, options):
                print(f"{time_s:6.2f} s  {face.emotion:<10}  {face.valence:+.2f}")
    finally:
        camera.release()


if __name__ == "__main__":
    main()
