"""An ``Analyzer`` that runs on another machine. Needs neither torch nor Ray."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import urllib3

from emotion_core.analyzer import ReadsOneImage, analyze_part
from emotion_core.errors import ImageDecodeError, RemoteError
from emotion_core.imaging.codec import encode_jpeg
from emotion_core.serving.schema import analysis_from_json, info_from_json
from emotion_core.serving.strict_json import parse_json
from emotion_core.types import DEFAULT_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.types import Analysis, AnalyzeOptions, Image

QUALITY = 95
"""JPEG quality of sent images; boxes differ from lossless by less than a pixel (see the tests)."""

CONNECTIONS = 8
"""Maximum number of concurrent requests."""

_CONNECT_S = 5.0
_FIRST_WAIT_S, _MAX_WAIT_S = 0.1, 2.0
_MAX_RESPONSE_BYTES = 32 * 1024 * 1024
_TOO_LONG = "it took too long"
_RETRIED = (429, 502, 503, 504)
"""Status codes after which the same request may succeed a little later."""


class RemoteAnalyzer(ReadsOneImage):
    """An ``Analyzer`` backed by a server. Thread-safe; images are sent as JPEG.

    Requests to busy servers and over lost connections are retried, with growing random waits,
    until the call times out: analysing an image twice does no harm.

    Args:
        url: Address of the server, e.g. ``http://10.0.0.5:8000``; a path before ``/v1`` may follow.
        token: Bearer token, if the server requires one.
        timeout_s: Seconds that a call may take per ``CONNECTIONS`` images.

    Raises:
        RemoteError: The server cannot be reached, refuses, or is not an Emoscope server.
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
        self, images: Sequence[Image], options: AnalyzeOptions = DEFAULT_OPTIONS
    ) -> list[Analysis]:
        """See ``Analyzer``.

        Raises:
            RemoteError: There is no valid response in time.
            ImageDecodeError: The server cannot read an image.
        """
        if options.region or options.largest_only:  # cut out here: the server gets no more
            return analyze_part(self.analyze, images, options)
        given = {"min_score": options.min_score, "min_face_px": options.min_face_px}
        if options.search_px:
            given["search_px"] = options.search_px
        rolls = [("rolls_deg", roll % 360) for roll in options.rolls_deg]
        switches = ("actions", "for_redaction")
        chosen = [(name, "true") for name in switches if getattr(options, name)]
        query = urlencode([*given.items(), *rolls, *chosen])
        rounds = -(-len(images) // CONNECTIONS)
        deadline = time.monotonic() + rounds * self._timeout_s
        futures = [
            self._threads.submit(self._analyze_one, image, query, deadline) for image in images
        ]
        try:
            # The thread gives up at the deadline by itself; this is for one that never began.
            return [f.result(max(0.0, deadline - time.monotonic()) + 1.0) for f in futures]
        except FutureTimeoutError:
            raise self._late("all connections were in use") from None
        finally:
            for future in futures:
                future.cancel()

    def analyze_jpeg(self, data: bytes, *, search_px: int | None = None) -> Analysis:
        """Analyses an image file in this thread; raises the errors of ``analyze``."""
        query = urlencode({"search_px": search_px} if search_px else {})
        return self._send(data, query, time.monotonic() + self._timeout_s)

    def close(self) -> None:
        """Closes the connections and threads after the current requests have finished."""
        self._threads.shutdown()
        self._pool.clear()

    def _analyze_one(self, image: Image, query: str, deadline: float) -> Analysis:
        return self._send(encode_jpeg(image, quality=QUALITY), query, deadline)

    def _send(self, data: bytes, query: str, deadline: float) -> Analysis:
        return analysis_from_json(self._request("POST", f"/v1/analyze?{query}", data, deadline))

    def _request(self, method: str, path: str, body: bytes, deadline: float) -> bytes:
        """Sends a request until there is a response or no time left."""
        wait_s, reason = _FIRST_WAIT_S, ""
        while (left_s := deadline - time.monotonic()) > 0:
            retry_after_s = 0.0
            try:
                status, data, retry_after_s = self._send_once(method, path, body, left_s)
            except RemoteError:  # also an OSError, but a permanent one
                raise
            except (urllib3.exceptions.HTTPError, OSError) as error:
                reason = _reason(error)
            else:
                if status == 200:
                    return data
                reason = _error_of(data)
                if status not in _RETRIED:
                    raise self._refused(status, reason)
            pause_s = max(retry_after_s, wait_s * random.uniform(0.5, 1.0))
            time.sleep(max(0.0, min(pause_s, deadline - time.monotonic())))
            wait_s = min(_MAX_WAIT_S, 2 * wait_s)
        raise self._late(reason)

    def _send_once(
        self, method: str, path: str, body: bytes, left_s: float
    ) -> tuple[int, bytes, float]:
        """Sends one request; returns status, body, and the seconds that Retry-After asks for."""
        end = time.monotonic() + left_s
        headers = {**self._headers, "Content-Type": "image/jpeg"} if body else self._headers
        response = self._pool.request(
            method,
            self._url + path,
            body=body or None,
            headers=headers,
            timeout=urllib3.Timeout(connect=min(_CONNECT_S, left_s), read=left_s),
            redirect=False,  # no other server may see the image or the token
            preload_content=False,
        )
        try:
            data = self._read(response, end)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        after = response.headers.get("Retry-After", "")
        return response.status, data, float(after) if after.isdecimal() and len(after) < 5 else 0.0

    def _read(self, response: urllib3.BaseHTTPResponse, end: float) -> bytes:
        parts, size = [], 0
        for part in response.stream(64 * 1024):
            size += len(part)
            if size > _MAX_RESPONSE_BYTES:
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
                f"The server {self._url} requires a token, or a different one; set "
                "EMOSCOPE_SERVER_TOKEN to the server's."
            )
        if status == 413 or (status == 422 and reason):  # a proxy may state no reason
            return ImageDecodeError(
                reason or f"The image is larger than {self._url} accepts; make it smaller."
            )
        return RemoteError(
            f"{self._url} rejected the request (HTTP {status}{': ' + reason if reason else ''}); "
            "check that the address is that of an Emoscope server of the same version."
        )


def load_remote_analyzer(url: str, token: str = "", *, timeout_s: float = 30.0) -> RemoteAnalyzer:
    """Connects to a server; arguments and errors are those of ``RemoteAnalyzer``."""
    return RemoteAnalyzer(url, token, timeout_s=timeout_s)


def _checked_url(url: str) -> str:
    wrong = RemoteError(f"{url!r} is not a server address; write it like http://10.0.0.5:8000.")
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
    """Why there was no response, in a few words."""
    if isinstance(error, (urllib3.exceptions.NewConnectionError, ConnectionRefusedError)):
        return "nothing listens at this address"
    if isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return _TOO_LONG
    if isinstance(error, urllib3.exceptions.SSLError):
        return "its certificate is not trusted, or it does not speak TLS"
    return "the connection was lost"


def _error_of(data: bytes) -> str:
    """The message in the body of an error response, if it is one of ours."""
    try:
        body = parse_json(data[:10_000])
    except ValueError:
        return ""
    text = body.get("error") if isinstance(body, dict) else None
    return " ".join(text[:300].split()) if isinstance(text, str) else ""
