"""A server on loopback that does what it is told, for the client's tests."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Self

from emotion_core.serving.schema import analysis_to_wire, info_to_wire
from tests.factories import make_analysis, make_fake_analyzer

GOOD = json.dumps(analysis_to_wire(make_analysis([(4, 4, 20, 24)]), server_ms=1.0)).encode()


class MisbehavingServer:
    """Answers each request for an analysis with the next of ``plan``, then as it should.

    A step is a status, ``(status, body)``, ``(status, body, headers)``, or one of ``"reset"``,
    ``"hang"``, ``"cut"`` (half of an answer).
    """

    def __init__(self) -> None:
        self.plan = []
        self.requests = []
        self.info = json.dumps(info_to_wire(make_fake_analyzer().info)).encode()
        self.busy = self.most_busy = 0
        self.delay_s = 0.0
        self.lock = Lock()
        handler = type("Bound", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: MisbehavingServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.owner.requests.append((self.path, dict(self.headers), b""))
        self.answer(200, self.owner.info)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.owner.lock:
            self.owner.requests.append((self.path, dict(self.headers), body))
            step = self.owner.plan.pop(0) if self.owner.plan else 200
            self.owner.busy += 1
            self.owner.most_busy = max(self.owner.most_busy, self.owner.busy)
        time.sleep(self.owner.delay_s)
        with self.owner.lock:
            self.owner.busy -= 1
        if step == "reset":
            self.close_connection = True
            self.connection.close()
        elif step == "hang":
            time.sleep(1.5)
            self.close_connection = True
        elif step == "cut":
            self.answer(200, GOOD[: len(GOOD) // 2], {"Content-Length": str(len(GOOD))})
            self.close_connection = True
        else:
            status, *rest = step if isinstance(step, tuple) else (step,)
            self.answer(status, *(rest or [GOOD if status == 200 else b""]))

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
