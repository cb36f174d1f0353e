"""An image of each person of a video."""

import numpy as np

from emotion_core.imaging.codec import decode_image
from emotion_core.video.portraits import cut_portraits
from tests.video.clips import make_clip
from tests.video.frame_tables import make_seen, make_table


def test_each_person_has_an_image_of_their_own_place(tmp_path):
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[8:56, 8:56], frame[8:56, 72:120] = (200, 30, 30), (30, 30, 200)
    path = make_clip(tmp_path / "two.mp4", [frame] * 5, fps=10)
    p = (0.2, 0.6, 0.2)
    frames = make_table(
        [(i, i / 10, make_seen([1, 2], [p, p], [(0, 0), (0, 0)])) for i in range(5)]
    )
    frames.loc[frames["track"] == 1, ["x1", "y1", "x2", "y2"]] = (8.0, 8.0, 56.0, 56.0)
    frames.loc[frames["track"] == 2, ["x1", "y1", "x2", "y2"]] = (72.0, 8.0, 120.0, 56.0)
    red, blue = (decode_image(jpeg).pixels for jpeg in cut_portraits(path, frames, [1, 2]).values())
    assert red.shape == blue.shape == (128, 128, 3)
    assert red[64, 64, 0] > 150 > red[64, 64, 2]
    assert blue[64, 64, 2] > 150 > blue[64, 64, 0]
    assert cut_portraits(path.with_name("gone.mp4"), frames, [1]) == {}
