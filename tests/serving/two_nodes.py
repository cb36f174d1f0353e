"""Two Ray nodes on this machine with one replica each; prints what the test wants to know.

A program of its own: Ray keeps threads and signal handlers in the process that starts it.
"""

import json
import os
import socket
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from emotion_core.serving.client import load_remote_analyzer
from emotion_core.serving.server import prepare_server


def main(portrait):
    prepare_server()
    with tempfile.TemporaryDirectory(prefix="e2-", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        Path(folder, "ray").mkdir()  # Ray's own test cluster expects it
        serve_from_two_nodes(portrait)


def serve_from_two_nodes(portrait):
    import ray
    from ray.cluster_utils import Cluster

    from emotion_core.serving.deployment import ServerSettings
    from emotion_core.serving.server import start_application

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    size = {"num_cpus": 1, "object_store_memory": 100 << 20}
    head = {**size, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(**size)
        ray.init(address=cluster.address, configure_logging=False, log_to_driver=False)
        settings = ServerSettings(
            model="emoscope-fer-s",
            detector="emoscope-face-s",
            device="cpu",
            min_replicas=2,
            max_replicas=2,
        )
        start_application(settings, "127.0.0.1", port)
        actors = ray._private.state.actors().values()
        nodes = [
            actor["Address"]["NodeID"]
            for actor in actors
            if actor["ActorClassName"].startswith("ServeReplica") and actor["State"] == "ALIVE"
        ]
        analyzer = load_remote_analyzer(f"http://127.0.0.1:{port}", timeout_s=60)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: analyzer.analyze_jpeg(portrait), range(16)))
        analyzer.close()
        faces = [len(analysis) for analysis in found]
        sys.stdout.write(json.dumps({"nodes": nodes, "faces": faces}) + "\n")
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_bytes())
