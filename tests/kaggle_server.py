"""Kaggle's interface on loopback, as far as the genuine kagglehub client needs it to download."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self


def pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass
class KaggleServer:
    """Answers every download with ``archive``, or everything with an error ``status``."""

    archive: bytes = b""
    status: int = 200
    requests: list[tuple[str, dict[str, object], str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        handler = type("Bound", (Handler,), {"kaggle": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    kaggle: KaggleServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.kaggle.requests.append((self.path, body, self.headers["Authorization"]))
        if self.kaggle.status != 200:
            answer = {"code": self.kaggle.status, "message": "as the test wants"}
            self._send(self.kaggle.status, "application/json", json.dumps(answer).encode())
        elif self.path.endswith("/GetDataset"):
            self._send(200, "application/json", b'{"currentVersionNumber": 1}')
        else:
            self._send(200, "application/zip", self.kaggle.archive)

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
