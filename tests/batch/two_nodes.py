"""Two Ray nodes on this machine: a bulk run by two actors, then a server of two replicas.

Prints what the tests want to know. A program of its own: Ray keeps threads and signal handlers in
the process that starts it. One program for both: nodes take long to start.
"""

import json
import os
import socket
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from emotion_core.serving.server import prepare_server
from tests.batch.conftest import NETWORKS, parse
from tests.paths import PORTRAIT, ROOT


def main(inputs, out):
    prepare_server()
    os.environ.update(RAY_AUTH_MODE="disabled", PYTHONPATH=str(ROOT))
    with tempfile.TemporaryDirectory(prefix="e2-", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        Path(folder, "ray").mkdir()  # Ray's own test cluster expects it
        with two_nodes() as address:
            code = run_bulk(address, inputs, out)
            seen = {"code": code, **serve(address)}
    sys.stdout.write(json.dumps(seen) + "\n")


@contextmanager
def two_nodes():
    import ray
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    try:
        cluster.add_node(**size)
        yield cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()


def run_bulk(address, inputs, out):
    from emotion_core.cli.batch import run_batch

    options = ("--chunk", "1", "--actors", "2", "--address", address)
    return run_batch(parse(inputs, "--out", out, *options, *NETWORKS))


def serve(address):
    import ray

    from emotion_core.serving.client import load_remote_analyzer
    from emotion_core.serving.deployment import ServerSettings
    from emotion_core.serving.server import start_application

    ray.init(address=address, configure_logging=False, log_to_driver=False)
    workers = actor_nodes("ChunkWorker")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = ServerSettings(
        model="emoscope-fer-s",
        detector="emoscope-face-s",
        device="cpu",
        min_replicas=2,
        max_replicas=2,
    )
    start_application(settings, "127.0.0.1", port)
    analyzer = load_remote_analyzer(f"http://127.0.0.1:{port}", timeout_s=60)
    portrait = PORTRAIT.read_bytes()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: analyzer.analyze_jpeg(portrait), range(16)))
    analyzer.close()
    faces = [len(analysis) for analysis in found]
    return {"workers": workers, "replicas": actor_nodes("ServeReplica"), "faces": faces}


def actor_nodes(kind):
    """Ids of the nodes where actors of one class are or were."""
    import ray

    actors = ray._private.state.actors().values()
    return [actor["Address"]["NodeID"] for actor in actors if kind in actor["ActorClassName"]]


if __name__ == "__main__":
    main(*sys.argv[1:])
