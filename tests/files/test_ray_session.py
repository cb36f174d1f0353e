import sys

import pytest

from emotion_core.errors import MissingExtraError
from emotion_core.files.ray_session import ray_session


@pytest.mark.parametrize("library", ["ray.serve", "ray.data"])
def test_without_ray_the_extra_is_named(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with (
        pytest.raises(MissingExtraError, match=r"pip install -e '\.\[serve\]'"),
        ray_session(library, cpus=1),
    ):
        pass
