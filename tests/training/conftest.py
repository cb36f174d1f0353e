"""What all training tests share."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """More threads on pictures this small only wait for each other.

    Of a whole module, so that what it makes once for all of its tests is made by one thread, too.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
