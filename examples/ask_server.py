"""Lets a server read a photo, and prints the faces as a table. This machine needs no networks.

python -m examples.ask_server http://127.0.0.1:8000 photo.jpg
"""

import os
import sys

import pandas as pd

import emotion_core as emo


def main(url: str, photo: str) -> pd.DataFrame:
    """Asks the server, and returns one row per face."""
    analyzer = emo.load_remote_analyzer(url, os.environ.get("EMOSCOPE_SERVER_TOKEN", ""))
    faces = analyzer.read(photo).to_dataframe()
    print(faces[["face", "emotion", "confidence", "valence", "arousal"]].to_string(index=False))
    return faces


if __name__ == "__main__":
    main(*sys.argv[1:])
