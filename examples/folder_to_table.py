"""Reads all photos of a folder into one table, and prints the means of each photo.

python -m examples.folder_to_table photos/ faces.csv
"""

import sys
from pathlib import Path

import pandas as pd

import emotion_core as emo

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".heic"}


def main(folder: str, target: str) -> pd.DataFrame:
    """Writes one row per face as CSV, and returns the table."""
    analyzer = emo.load_analyzer()
    analyses = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        try:
            analyses[str(path.relative_to(folder))] = analyzer.read(path)
        except emo.EmotionError as error:
            print(f"{path}: {error}")
    faces = emo.faces_table(analyses)
    faces.to_csv(target, index=False)
    usable = faces[faces["is_usable"]]  # others are too small, blurred, turned or covered
    print(usable.groupby("source")[["valence", "arousal"]].mean().round(2))
    return faces


if __name__ == "__main__":
    main(*sys.argv[1:])
