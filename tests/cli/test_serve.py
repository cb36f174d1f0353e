import argparse
import socket
import subprocess
import sys

import pytest

from emotion_core.cli.serve import add_serve
from emotion_core.errors import EmotionError
from emotion_core.serving.server import url_of
from tests.paths import ROOT


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_serve(parser)
    return parser.parse_args(arguments)


def test_by_default_only_this_machine_is_served():
    chosen = parse()
    assert (chosen.host, chosen.port, chosen.replicas, chosen.autoscale) == (
        "127.0.0.1",
        8000,
        1,
        None,
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--port", "0"], "0 is not a port"),
        (["--port", "65536"], "65536 is not a port"),
        (["--replicas", "0"], "0 is not a number from 1"),
        (["--batch", "x"], "x is not a number from 1"),
        (["--autoscale", "3"], " is not a number from 1"),
        (["--autoscale", "3:2"], "the first number is larger"),
        (["--autoscale", "1:2", "--replicas", "2"], "not allowed with"),
        (["--device", "tpu"], "invalid choice"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_named(arguments, text, capsys):
    with pytest.raises(SystemExit):
        parse(*arguments)
    assert text in capsys.readouterr().err


def test_a_range_of_replicas_is_read():
    assert parse("--autoscale", "1:4").autoscale == (1, 4)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104
        ("::", "http://[::1]:80"),
        ("example.org", "http://example.org:80"),
    ],
)
def test_an_address_is_one_that_can_be_opened(host, url):
    assert url_of(host, 80) == url


def test_a_port_in_use_is_said_before_anything_is_started():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = parse("--port", str(port))
        with pytest.raises(EmotionError, match=f"127.0.0.1:{port} cannot be used .*--port"):
            chosen.run(chosen)


def test_the_command_line_needs_no_package_of_the_extra():
    script = (
        "import sys\n"
        "for name in ('ray', 'fastapi', 'prometheus_client'): sys.modules[name] = None\n"
        "import emotion_core.cli.serve, emotion_core.cli.webcam\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
