"""No live thread may outlive its test."""

import pytest

from tests.live.fakes import live_threads, wait_until


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    wait_until(lambda: not live_threads())
