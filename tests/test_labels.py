"""Other people's words for emotions, and where emotions lie in the plane."""

import pytest

from emotion_core.labels import ALL_EMOTIONS, VALENCE_AROUSAL, Emotion, to_emotion, to_label_set


@pytest.mark.parametrize(
    ("word", "emotion"),
    [
        ("happy", Emotion.HAPPINESS),
        ("Happiness", Emotion.HAPPINESS),
        ("joy", Emotion.HAPPINESS),
        (" SURPRISED \n", Emotion.SURPRISE),
        ("fearful", Emotion.FEAR),
        ("disgust", Emotion.DISGUST),
        ("angry", Emotion.ANGER),
        ("sad", Emotion.SADNESS),
        ("contemptuous", Emotion.CONTEMPT),
        ("unknown", Emotion.UNCERTAIN),
        *[(str(emotion), emotion) for emotion in ALL_EMOTIONS],
    ],
)
def test_words_are_understood(word, emotion):
    assert to_emotion(word) is emotion


@pytest.mark.parametrize("word", ["", "LABEL_0", "happi ness"])
def test_unknown_word_lists_the_known_ones(word):
    with pytest.raises(
        ValueError, match=r"is not an emotion; known words are: neutral, .*surprise"
    ):
        to_emotion(word)


def test_label_set_keeps_the_order():
    words = ["angry", "happy", "neutral"]
    assert to_label_set(words) == (Emotion.ANGER, Emotion.HAPPINESS, Emotion.NEUTRAL)
    assert to_label_set([]) == ()


def test_label_set_refuses_two_words_for_one_emotion():
    with pytest.raises(ValueError, match="name an emotion twice: happiness, happiness"):
        to_label_set(["happy", "joy"])


def test_every_emotion_has_its_place_in_the_plane():
    assert set(VALENCE_AROUSAL) == set(ALL_EMOTIONS)
    assert all(-1 <= v <= 1 for place in VALENCE_AROUSAL.values() for v in place)
    assert VALENCE_AROUSAL[Emotion.NEUTRAL] == (0, 0)


@pytest.mark.parametrize(
    ("emotion", "signs"),
    [
        (Emotion.HAPPINESS, (1, 1)),
        (Emotion.ANGER, (-1, 1)),
        (Emotion.FEAR, (-1, 1)),
        (Emotion.SADNESS, (-1, -1)),
    ],
)
def test_emotions_lie_in_their_quadrants(emotion, signs):
    valence, arousal = VALENCE_AROUSAL[emotion]
    assert valence * signs[0] > 0.3
    assert arousal * signs[1] > 0.3
