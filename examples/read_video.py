"""Follows the people of a video, writes it with boxes and words, and prints what each one showed.

python -m examples.read_video clip.mp4 annotated.mp4
"""

import sys

import pandas as pd

import emotion_core as emo


def main(video: str, target: str) -> pd.DataFrame:
    """Prints one row per person, and returns one row per face in each frame."""
    analyzer = emo.load_analyzer()
    result = emo.analyze_video(video, analyzer, target=target)
    columns = ["track", "seen_s", "dominant_emotion", "mean_valence", "mean_arousal"]
    print(result.people[columns].round(2).to_string(index=False))
    return result.frames


if __name__ == "__main__":
    main(*sys.argv[1:])
