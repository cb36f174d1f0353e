"""FairFace's images with the ratings that come with the project."""

import zlib

import numpy as np
import pytest

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.datasets.fairface import RATINGS
from emotion_core.training.datasets.photo_labels import read_photo_labels
from emotion_core.training.datasets.splits import SplitMissingError


@pytest.fixture(scope="module")
def ratings():
    return read_photo_labels(RATINGS)


@pytest.fixture(scope="module")
def root(ratings, tmp_path_factory):
    """FairFace's folders, without what the images show."""
    root = tmp_path_factory.mktemp("fairface")
    for folder in ("train", "val"):
        (root / folder).mkdir()
    for rating in ratings:
        (root / rating.image).touch()
    return root


def test_ratings_are_complete_and_split_by_name(ratings):
    assert len(ratings) == 12_526
    for rating in ratings:
        is_valid = zlib.crc32(rating.image.encode()) % 5 == 0
        assert rating.row.cells["split"] == ("valid" if is_valid else "train")
        assert rating.emotion == max(rating.shares, key=rating.shares.get)
        assert abs(rating.valence) <= 1
        assert abs(rating.arousal) <= 1
        assert all(rating.row.cells[column] for column in ("age", "gender", "race"))


def test_a_fifth_of_the_rated_faces_is_for_validation(root):
    train, valid, both = (
        read_faces("fairface", root, split) for split in ("train", "valid", "all")
    )
    assert (len(train), len(valid), len(both)) == (10_054, 2_472, 12_526)
    assert not set(train.files) & set(valid.files)
    np.testing.assert_allclose(both.targets.sum(1), 1, atol=1e-6)
    assert (both.majority == LABELS.index(Emotion.CONTEMPT)).sum() == 49
    assert not np.isnan(both.va).any()


def test_a_missing_image_or_split_is_named(root, tmp_path):
    with pytest.raises(SplitMissingError, match="no ratings of a split 'test'"):
        read_faces("fairface", root, "test")
    with pytest.raises(DatasetError, match=r"no image train/1\.jpg .* unpack FairFace's"):
        read_faces("fairface", tmp_path, "train")
