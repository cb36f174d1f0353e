"""A bulk run by two actors on two Ray nodes of this machine; prints where they were.

A program of its own: Ray keeps threads and signal handlers in the process that starts it.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from tests.batch.conftest import NETWORKS, parse
from tests.paths import ROOT


def main(inputs, out):
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled", PYTHONPATH=str(ROOT))
    with tempfile.TemporaryDirectory(prefix="e2-", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        Path(folder, "ray").mkdir()  # Ray's own test cluster expects it
        run_on_two_nodes(inputs, out)


def run_on_two_nodes(inputs, out):
    import ray
    from ray.cluster_utils import Cluster

    from emotion_core.cli.batch import run_batch

    size = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    try:
        cluster.add_node(**size)
        options = ["--chunk", "1", "--actors", "2", "--address", cluster.address]
        code = run_batch(parse(inputs, "--out", out, *options, *NETWORKS))
        ray.init(address=cluster.address, configure_logging=False, log_to_driver=False)
        actors = ray._private.state.actors().values()
        nodes = [a["Address"]["NodeID"] for a in actors if "ChunkWorker" in a["ActorClassName"]]
        sys.stdout.write(json.dumps(nodes) + "\n")
    finally:
        ray.shutdown()
        cluster.shutdown()
    if code != 1:
        sys.exit(f"The run ended with {code}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
