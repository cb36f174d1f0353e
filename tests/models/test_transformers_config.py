"""What is read from a ``preprocessor_config.json``, and what is refused."""

import pytest

from emotion_core.errors import UnknownModelError, WeightsMismatchError
from emotion_core.models.transformers_config import read_preprocessing

VIT_INPUT: dict[str, object] = {
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "size": 224,
}


@pytest.mark.parametrize(
    ("change", "size_px", "mean"),
    [
        ({}, 224, 127.5),
        ({"size": {"height": 384, "width": 384}}, 384, 127.5),
        ({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 240}, 240, 127.5),
        ({"do_rescale": False, "image_mean": [100, 100, 100]}, 224, 100),
        ({"do_normalize": False}, 224, 0),
    ],
    ids=["old", "sides", "crop", "no rescaling", "no normalisation"],
)
def test_input(change: dict[str, object], size_px: int, mean: float) -> None:
    preprocessing = read_preprocessing({**VIT_INPUT, **change}, "owner/name")
    assert preprocessing.size_px == size_px
    assert preprocessing.mean == pytest.approx((mean,) * 3)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"do_flip_channel_order": True}, UnknownModelError, "not supported here .do_flip_channel"),
        ({"include_top": True}, UnknownModelError, "include_top"),
        ({"size": {"height": 224, "width": 112}}, WeightsMismatchError, "square input"),
        ({"size": None}, WeightsMismatchError, "square input"),
        ({"image_std": [0, 0, 0]}, WeightsMismatchError, "std positive"),
        ({"image_mean": 0.5}, WeightsMismatchError, "normalisation"),
        ({"rescale_factor": 0}, WeightsMismatchError, "normalisation"),
    ],
    ids=["BGR", "EfficientNet", "not square", "no size", "std", "one mean", "factor"],
)
def test_unsupported_input(
    change: dict[str, object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        read_preprocessing({**VIT_INPUT, **change}, "owner/name")
