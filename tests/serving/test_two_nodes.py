import json
import os
import subprocess
import sys

import pytest

from tests.paths import PORTRAIT, ROOT

pytest.importorskip("ray.serve", reason="The extra `serve` is not installed.")

pytestmark = pytest.mark.slow


def test_replicas_on_two_nodes_share_the_work():
    done = subprocess.run(
        [sys.executable, "-m", "tests.serving.two_nodes", str(PORTRAIT)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert len(set(seen["nodes"])) == len(seen["nodes"]) == 2
    assert seen["faces"] == [1] * 16
