import numpy as np
import pandas as pd

from emotion_core.live.neutral import add_changes, neutral_means


def test_changes_are_from_the_mean_of_the_same_track_in_three_seconds():
    frames = pd.DataFrame(
        {
            "time_s": [0.5, 1.0, 3.9, 4.0, 4.5, 5.0],
            "track": pd.array([1, 1, 1, 1, 2, None], "Int64"),
            "valence": [0.9, 0.1, 0.3, 0.5, 0.5, np.nan],
            "arousal": [0.9, -0.2, 0.0, 0.4, 0.5, np.nan],
            "is_usable": [True] * 5 + [False],
        }
    )
    blurred = frames.assign(time_s=2.0, valence=-1.0, is_usable=False)
    neutral = neutral_means(pd.concat([frames, blurred]), 1.0)
    assert neutral.keys() == {1}
    np.testing.assert_allclose(neutral[1], (0.2, -0.1))
    changed = add_changes(frames, neutral)
    np.testing.assert_allclose(changed["change_valence"], [0.7, -0.1, 0.1, 0.3, np.nan, np.nan])
    np.testing.assert_allclose(changed["change_arousal"], [1.0, -0.1, 0.1, 0.5, np.nan, np.nan])
