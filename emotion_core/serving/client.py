"""The core on another machine, as an ``Analyzer``. Needs neither torch nor Ray."""

from __future__ import annotations

import random
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import urllib3

from emotion_core.analyzer import ReadsOneImage
from emotion_core.errors import ImageDecodeError, RemoteError
from emotion_core.imaging.codec import encode_jpeg
from emotion_core.serving.schema import analysis_from_json, info_from_json, parse_json
from emotion_core.types import DEFAULT_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.types import Analysis, AnalyzeOptions, Image

QUALITY = 95
"""Of the JPEGs that are sent; boxes moved by less than a pixel against lossless (see the tests)."""

CONNECTIONS = 8
"""Pictures on their way at the same time."""

_CONNECT_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 2.0
_MAX_ANSWER_BYTES = 32 * 1024 * 1024
_TOO_LONG = "it took too long"
_AGAIN = (429, 502, 503, 504)
"""Answers after which the same request may succeed a little later."""


class RemoteAnalyzer(ReadsOneImage):
    """An ``Analyzer`` whose work a server does. Thread-safe; pictures travel as JPEG.

    Busy servers and lost connections are tried again, with growing and random waits, until the
    call's time is over: analysing a picture twice does no harm.

    Args:
        url: Address of the server, e.g. ``http://10.0.0.5:8000``; a path before ``/v1`` may follow.
        token: Bearer token, if the server wants one.
        timeout_s: Seconds that a call may take per ``CONNECTIONS`` pictures.

    Raises:
        RemoteError: The server cannot be reached, refuses, or is no Emoscope server.
    """

    def __init__(self, url: str, token: str = "", *, timeout_s: float = 30.0) -> None:
        self._url = _checked_url(url)
        self._timeout_s = timeout_s
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = urllib3.PoolManager(
            num_pools=1, maxsize=2 * CONNECTIONS, block=False, retries=False
        )
        self._threads = ThreadPoolExecutor(CONNECTIONS, "remote")
        wait_s = min(timeout_s, _CONNECT_S)
        self.info: AnalyzerInfo = info_from_json(
            self._request("GET", "/v1/info", b"", time.monotonic() + wait_s)
        )

    def analyze(
        self,
        images: Sequence[Image],
        options: AnalyzeOptions = DEFAULT_OPTIONS,
    ) -> list[Analysis]:
        """See ``Analyzer``.

        Raises:
            RemoteError: No answer in time, or not in the agreed form.
            ImageDecodeError: The server cannot read a picture.
        """
        wanted = asdict(options)
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        rounds = -(-len(images) // CONNECTIONS)
        deadline = time.monotonic() + rounds * self._timeout_s
        futures = [
            self._threads.submit(self._analyze_one, image, query, deadline) for image in images
        ]
        try:
            return [self._result(future, deadline) for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def analyze_jpeg(self, data: bytes, *, search_px: int | None = None) -> Analysis:
        """Analyse a picture that is a file already, in this thread; errors as of ``analyze``."""
        query = urlencode({"search_px": search_px} if search_px else {})
        return self._send(data, query, time.monotonic() + self._timeout_s)

    def close(self) -> None:
        """End the connections and threads; what is on its way is finished first."""
        self._threads.shutdown()
        self._pool.clear()

    def _result(self, future: Future[Analysis], deadline: float) -> Analysis:
        try:
            # The thread gives up at the deadline by itself; this is for one that never began.
            return future.result(max(0.0, deadline - time.monotonic()) + 1.0)
        except FutureTimeoutError:
            raise self._late("all connections were in use") from None

    def _analyze_one(self, image: Image, query: str, deadline: float) -> Analysis:
        return self._send(encode_jpeg(image, quality=QUALITY), query, deadline)

    def _send(self, data: bytes, query: str, deadline: float) -> Analysis:
        return analysis_from_json(self._request("POST", f"/v1/analyze?{query}", data, deadline))

    def _request(self, method: str, path: str, body: bytes, deadline: float) -> bytes:
        """Ask until there is an answer or no time left."""
        wait_s, reason = _FIRST_WAIT_S, ""
        while (left_s := deadline - time.monotonic()) > 0:
            asked_s = 0.0
            try:
                status, data, asked_s = self._ask(method, path, body, left_s)
            except RemoteError:  # an OSError, too, but one that does not pass by
                raise
            except (urllib3.exceptions.HTTPError, OSError) as error:
                reason = _reason(error)
            else:
                if status == 200:
                    return data
                reason = _error_of(data)
                if status not in _AGAIN:
                    raise self._refused(status, reason)
            pause_s = max(asked_s, wait_s * random.uniform(0.5, 1.0))
            time.sleep(max(0.0, min(pause_s, deadline - time.monotonic())))
            wait_s = min(_LONGEST_WAIT_S, 2 * wait_s)
        raise self._late(reason)

    def _ask(self, method: str, path: str, body: bytes, left_s: float) -> tuple[int, bytes, float]:
        """One request: status, body, and the seconds that Retry-After asks for."""
        end = time.monotonic() + left_s
        headers = {**self._headers, "Content-Type": "image/jpeg"} if body else self._headers
        answer = self._pool.request(
            method,
            self._url + path,
            body=body or None,
            headers=headers,
            timeout=urllib3.Timeout(connect=min(_CONNECT_S, left_s), read=left_s),
            redirect=False,  # nobody else gets to see the picture or the token
            preload_content=False,
        )
        try:
            data = self._read(answer, end)
        except BaseException:
            answer.close()
            raise
        answer.release_conn()
        after = answer.headers.get("Retry-After", "")
        return answer.status, data, float(after) if after.isdecimal() and len(after) < 5 else 0.0

    def _read(self, answer: urllib3.BaseHTTPResponse, end: float) -> bytes:
        parts, size = [], 0
        for part in answer.stream(64 * 1024):
            size += len(part)
            if size > _MAX_ANSWER_BYTES:
                raise RemoteError(f"{self._url} answers with far too much; is it the right server?")
            if time.monotonic() > end:
                raise TimeoutError("it answers too slowly")
            parts.append(part)
        return b"".join(parts)

    def _late(self, reason: str) -> RemoteError:
        return RemoteError(
            f"No answer from the server {self._url} ({reason or _TOO_LONG}); check that it runs "
            "and can be reached from here, or try again when it is less busy."
        )

    def _refused(self, status: int, reason: str) -> RemoteError | ImageDecodeError:
        if status == 401:
            return RemoteError(
                f"The server {self._url} wants a token, or another one; set EMOSCOPE_SERVER_TOKEN "
                "to the server's."
            )
        if status == 413 or (status == 422 and reason):  # a proxy before it may give no reason
            return ImageDecodeError(
                reason or f"The picture is larger than {self._url} takes; make it smaller."
            )
        return RemoteError(
            f"{self._url} does not do as asked (HTTP {status}{': ' + reason if reason else ''}); "
            "check that the address is that of an Emoscope server of the same version."
        )


def load_remote_analyzer(url: str, token: str = "", *, timeout_s: float = 30.0) -> RemoteAnalyzer:
    """Connect to a server; arguments and errors as of ``RemoteAnalyzer``."""
    return RemoteAnalyzer(url, token, timeout_s=timeout_s)


def _checked_url(url: str) -> str:
    wrong = RemoteError(f"{url!r} is no address of a server; write it like http://10.0.0.5:8000.")
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or port == 0:
        raise wrong
    if parts.query or parts.fragment:
        raise wrong
    return url.strip().rstrip("/")


def _reason(error: Exception) -> str:
    """Why there was no answer, in a few words."""
    if isinstance(error, (urllib3.exceptions.NewConnectionError, ConnectionRefusedError)):
        return "nothing listens at this address"
    if isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return _TOO_LONG
    if isinstance(error, urllib3.exceptions.SSLError):
        return "its certificate is not trusted, or it speaks no TLS"
    return "the connection was lost"


def _error_of(data: bytes) -> str:
    """The sentence that an error's body holds, if it is one of ours."""
    try:
        body = parse_json(data[:10_000])
    except ValueError:
        return ""
    text = body.get("error") if isinstance(body, dict) else None
    return " ".join(text[:300].split()) if isinstance(text, str) else ""
