"""The Webcam page where only a relay (TURN server) connects a browser with this server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import expect_text, opened, running_app
from tests.browser.test_webcam_page import camera, has_box, start, stop, wait_for_look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

RELAYED_ONLY = """
    const Plain = RTCPeerConnection;
    window.RTCPeerConnection = class extends Plain {
        constructor(given) { super({ ...given, iceTransportPolicy: "relay" }); }
    };
"""
SHARED = "by relay and app"


class Relay:
    """coturn, which takes passwords made from ``SHARED`` until it is stopped.

    It takes them over UDP, and over TLS with a certificate of its own.
    """

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            self.address = probe.getsockname()[0]
        port, tls_port = self._free_port(), self._free_port()
        self.url = f"turn:{self.address}:{port}?transport=udp"
        self.tls_url = f"turns:{self.address}:{tls_port}?transport=tcp"
        self.certificate, key = folder / "relay.crt", folder / "relay.key"
        request = f"req -x509 -newkey rsa:2048 -nodes -subj /CN=relay -keyout {key}"
        request += f" -out {self.certificate} -addext subjectAltName=IP:{self.address}"
        subprocess.run(["openssl", *request.split()], check=True, capture_output=True)
        options = f"-n --no-dtls --no-cli --realm=emoscope -L {self.address} -E {self.address}"
        options += f" -p {port} --tls-listening-port {tls_port} --cert {self.certificate}"
        options += f" --pkey {key} --log-file=stdout --allow-loopback-peers"
        command = [program, *options.split(), "--use-auth-secret", "--static-auth-secret", SHARED]
        with (folder / "relay.log").open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    def _free_port(self) -> int:
        with socket.socket() as free:
            free.bind((self.address, 0))
            return int(free.getsockname()[1])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    program = shutil.which("turnserver")
    if program is None:
        reason = "no coturn (turnserver); install it"
        if os.environ.get("EMOSCOPE_REQUIRE_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    relay = Relay(program, tmp_path)
    yield relay
    relay.stop()


@contextmanager
def visit(relay_url: str, browser: Browser, folder: Path, **settings: str) -> Iterator[Page]:
    """The Webcam page of an app with a relay, in a browser that uses nothing but it."""
    environment = {"EMOSCOPE_TURN_URL": relay_url, "EMOSCOPE_TURN_SECRET": SHARED, **settings}
    with (
        running_app(folder, environment) as url,
        opened(browser, f"{url}/webcam", RELAYED_ONLY) as page,
    ):
        yield page


def expect_failure(page: Page) -> None:
    camera(page).get_by_role("button", name="Start").click()
    expect_text(page, "Its relay (TURN server) did not help")
    expect_text(page, "Take a photo")


@pytest.mark.slow
def test_a_relay_with_another_secret_is_told(
    relay: Relay, with_camera: Callable[..., Browser], tmp_path: Path
) -> None:
    wrong = {"EMOSCOPE_TURN_SECRET": "another"}
    with visit(relay.url, with_camera(), tmp_path, **wrong) as page:
        expect_failure(page)


@pytest.mark.slow
def test_a_stream_goes_through_a_relay_over_tls(
    relay: Relay, with_camera: Callable[..., Browser], tmp_path: Path
) -> None:
    browser = with_camera("--ignore-certificate-errors")
    trusted = {"SSL_CERT_FILE": str(relay.certificate)}
    with visit(relay.tls_url, browser, tmp_path, **trusted) as page:
        frame = start(page)
        wait_for_look(page, frame, has_box)
        expect_text(page, "connected through a relay")


@pytest.mark.slow
def test_a_stream_through_a_relay_from_start_to_results_and_what_is_said_once_it_is_gone(
    relay: Relay, with_camera: Callable[..., Browser], tmp_path: Path
) -> None:
    with visit(relay.url, with_camera(), tmp_path) as page:
        frame = start(page)
        wait_for_look(page, frame, has_box)
        expect_text(page, "connected through a relay")
        stop(page)
        expect_text(page, "Happiness")
        relay.stop()
        expect_failure(page)
