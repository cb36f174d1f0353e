"""A Hugging Face Hub on loopback, as far as the genuine huggingface_hub client needs one.

As on the real one, large files are answered with a redirect to another host (the "CDN", here a
second port), text files directly.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import unquote

LARGE = (".onnx", ".safetensors")
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
MODEL_API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(preupload|commit|revision)/([^/]+))?")


@dataclass(frozen=True)
class LoggedRequest:
    host: str  # "hub" or "cdn"
    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class Repository:
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    main: str | None = None
    private: bool = False

    def commit(self, files: dict[str, bytes]) -> str:
        tree = {**self.commits.get(self.main or "", {}), **files}
        digest = hashlib.sha1(f"{self.main}".encode(), usedforsecurity=False)
        for name, content in sorted(tree.items()):
            digest.update(name.encode() + content)
        self.main = digest.hexdigest()
        self.commits[self.main] = tree
        return self.main


def name_blob(content: bytes) -> str:
    """As git names it."""
    blob = b"blob %d\0" % len(content) + content
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest()


def describe_file(name: str, content: bytes) -> dict[str, object]:
    """As the API lists it when asked for blobs."""
    file: dict[str, object] = {"rfilename": name, "size": len(content)}
    if name.endswith(LARGE):
        digest = hashlib.sha256(content).hexdigest()
        file["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
    return {**file, "blobId": name_blob(content)}


class HubServer:
    """Answers until the ``with`` block ends; the attributes may be changed in between.

    Attributes:
        cut_after: The next download breaks off after so many bytes, once.
        corrupt: Downloads come with their first byte changed.
        refusal: Status and X-Error-Code with which the Hub answers everything.
        is_portal: Everything is answered with a web page, as in a hotel.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[LoggedRequest] = []
        self.cut_after: int | None = None
        self.corrupt = False
        self.refusal: tuple[int, str | None] | None = None
        self.is_portal = False
        self._servers = [self._make_server(HubHandler), self._make_server(CdnHandler)]
        self.url, self.cdn_url = (f"http://127.0.0.1:{s.server_port}" for s in self._servers)
        self._threads = [Thread(target=s.serve_forever, args=(0.02,)) for s in self._servers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()

    def add(self, repo_id: str, files: dict[str, bytes]) -> str:
        """Commit files to the main branch; gives the commit."""
        return self.repositories.setdefault(repo_id, Repository()).commit(files)

    def downloads(self) -> list[LoggedRequest]:
        return [r for r in self.requests if r.method == "GET"]

    def _make_server(self, handler: type["Handler"]) -> ThreadingHTTPServer:
        return ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (handler,), {"hub": self}))


class Handler(BaseHTTPRequestHandler):
    hub: HubServer
    host: str
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def read(self) -> bytes:
        """Log the request and give its body."""
        range_, token = self.headers["Range"], self.headers["Authorization"]
        self.hub.requests.append(LoggedRequest(self.host, self.command, self.path, range_, token))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        sent = {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True

    def answer_json(self, status: int, content: object) -> None:
        self.answer(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def fail(self, status: int, code: str | None) -> None:
        self.answer(status, b"{}", {"X-Error-Code": code} if code else {})

    def answer_file(self, content: bytes, headers: dict[str, str]) -> None:
        """Answer with the file or the range of it that was asked for, spoilt as told."""
        start = int(re.sub(r"\D", "", self.headers["Range"] or "0"))
        if self.hub.corrupt:
            content = bytes([content[0] ^ 1]) + content[1:]
        part, cut = content[start:], self.hub.cut_after
        if start:
            total = len(content)
            headers = {**headers, "Content-Range": f"bytes {start}-{total - 1}/{total}"}
        if cut is not None and self.command == "GET":
            self.hub.cut_after = None
            headers = {**headers, "Content-Length": str(len(part))}
            part = part[:cut]
        self.answer(206 if start else 200, part, headers)


class HubHandler(Handler):
    host = "hub"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.read()
        if self.spoilt():
            return
        path = unquote(self.path.partition("?")[0])
        if match := RESOLVE.fullmatch(path):
            self.resolve(*match.groups())
        elif match := MODEL_API.fullmatch(path):
            self.describe(match[1], match[3] or "main")
        else:
            self.fail(404, None)

    def do_POST(self) -> None:
        body = self.read()
        if self.spoilt():
            return
        if not self.headers["Authorization"]:
            self.fail(401, None)
        elif self.path == "/api/validate-yaml":
            self.answer_json(200, {"errors": [], "warnings": []})
        elif self.path == "/api/repos/create":
            self.create(json.loads(body))
        elif match := MODEL_API.fullmatch(unquote(self.path.partition("?")[0])):
            self.write(self.hub.repositories[match[1]], match, body)
        else:
            self.fail(404, None)

    def spoilt(self) -> bool:
        if self.hub.is_portal:
            self.answer(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})
        elif self.hub.refusal:
            self.fail(*self.hub.refusal)
        return self.hub.is_portal or self.hub.refusal is not None

    def resolve(self, repo_id: str, revision: str, filename: str) -> None:
        repository = self.hub.repositories.get(repo_id)
        if repository is None:
            self.fail(404, "RepoNotFound")
            return
        commit = repository.main if revision == "main" else revision
        tree = repository.commits.get(commit or "")
        if tree is None:
            self.fail(404, "RevisionNotFound")
        elif filename not in tree:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": str(commit)})
        else:
            self.answer_content(filename, tree[filename], {"X-Repo-Commit": str(commit)})

    def answer_content(self, filename: str, content: bytes, headers: dict[str, str]) -> None:
        if not filename.endswith(LARGE):
            self.answer_file(content, {**headers, "ETag": f'"{name_blob(content)}"'})
            return
        digest = hashlib.sha256(content).hexdigest()
        linked = {
            "X-Linked-Size": str(len(content)),
            "X-Linked-Etag": f'"{digest}"',
            "Location": f"{self.hub.cdn_url}/{digest}",
        }
        self.answer(302, b"", {**headers, **linked})

    def describe(self, repo_id: str, revision: str) -> None:
        repository = self.hub.repositories.get(repo_id)
        if repository is None:
            self.fail(404, "RepoNotFound")
            return
        commit = repository.main if revision == "main" else revision
        tree = repository.commits.get(commit or "", None if commit else {})
        if tree is None:
            self.fail(404, "RevisionNotFound")
            return
        siblings = [describe_file(name, content) for name, content in tree.items()]
        if "blobs=true" not in self.path.lower():
            siblings = [{"rfilename": file["rfilename"]} for file in siblings]
        licence = re.search(rb"^license: (.+)$", tree.get("README.md", b""), re.MULTILINE)
        card_data = {"cardData": {"license": licence[1].decode()}} if licence else {}
        self.answer_json(200, {"id": repo_id, "sha": commit, "siblings": siblings, **card_data})

    def create(self, wanted: dict[str, str]) -> None:
        repo_id = f"{wanted['organization']}/{wanted['name']}"
        is_new = repo_id not in self.hub.repositories
        private = wanted.get("visibility") == "private"
        self.hub.repositories.setdefault(repo_id, Repository(private=private))
        self.answer_json(200 if is_new else 409, {"url": f"{self.hub.url}/{repo_id}"})

    def write(self, repository: Repository, match: re.Match[str], body: bytes) -> None:
        if match[2] == "preupload":
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            self.answer_json(200, {"files": files})
            return
        values = [json.loads(line) for line in body.splitlines()]
        added = {v["value"]["path"]: v["value"]["content"] for v in values if v["key"] == "file"}
        commit = repository.commit({p: base64.b64decode(c) for p, c in added.items()})
        url = f"{self.hub.url}/{match[1]}/commit/{commit}"
        self.answer_json(200, {"success": True, "commitOid": commit, "commitUrl": url})


class CdnHandler(Handler):
    host = "cdn"

    def do_GET(self) -> None:
        self.read()
        for repository in self.hub.repositories.values():
            for tree in repository.commits.values():
                for content in tree.values():
                    if hashlib.sha256(content).hexdigest() == self.path.strip("/"):
                        self.answer_file(content, {})
                        return
        self.fail(404, None)
