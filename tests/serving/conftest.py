"""A real server process, started once; and the pages without Ray, in this process."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.paths import ROOT

SESAME = "open-sesame"
START_S = 240


class ServerProcess:
    """``python -m emotion_core serve`` on a free port.

    Attributes:
        url: Its address.
        said: What it has written so far.
        folder: Where it may put what is temporary.
    """

    def __init__(self, port, token_file, folder, *options):
        command = "from emotion_core.cli.serve import add_serve as add\n"
        command += "import argparse, sys\n"
        command += "parser = argparse.ArgumentParser()\nadd(parser)\n"
        command += "from emotion_core.errors import EmotionError\n"
        command += "try: sys.exit((chosen := parser.parse_args()).run(chosen))\n"
        command += "except EmotionError as error: sys.stderr.write(str(error)); sys.exit(2)"
        arguments = ["--port", str(port), "--device", "cpu", "--token-file", str(token_file)]
        self.folder = Path(folder)
        self.url = f"http://127.0.0.1:{port}"
        self.said = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", command, *arguments, *options],
            cwd=ROOT,
            env={
                **os.environ,
                "HF_HUB_OFFLINE": "1",
                "EMOSCOPE_SERVER_READ_S": "2",
                "TMPDIR": str(folder),
            },
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self):
        for line in self.process.stderr:
            self.said += line

    def wait_until_ready(self):
        end = time.monotonic() + START_S
        while not re.search("^Ready: ", self.said, re.MULTILINE):
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                pytest.fail(f"The server did not start: {self.said}")
            time.sleep(0.1)

    def stop(self, number=signal.SIGTERM):
        """End it as an operator would, or wait for its end; gives the exit code."""
        if number is not None and self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self.thread.join()
        self.process.stderr.close()
        return code


@contextmanager
def running_server(*options):
    """A server with our own networks, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="es-"))  # Ray needs a shorter name than pytest's
    token_file = folder / "token"
    token_file.write_text(SESAME)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    models = ["--model", "emoscope-fer-s", "--detector", "emoscope-face-s"]
    running = ServerProcess(port, token_file, folder, *models, *options)
    running.wait_until_ready()
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder)


@contextmanager
def serving_here(analyzer, classify_crops, token=""):
    """The server's pages in a thread of this process, behind the ingress but without Ray.

    Gives the server of uvicorn, with its address as ``url``.
    """
    import uvicorn

    from emotion_core.serving.api import make_web_app
    from emotion_core.serving.connection_limits import LimitedProtocol
    from emotion_core.serving.ingress import Ingress, IngressSettings
    from emotion_core.serving.service import EmotionService

    pages = make_web_app(EmotionService(analyzer, classify_crops))
    ingress = Ingress(pages, IngressSettings(token=token))
    config = uvicorn.Config(
        ingress, port=0, http=LimitedProtocol, log_level="critical", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    server.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield server
    server.should_exit = True
    thread.join()
