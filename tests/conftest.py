"""What all tests share: where the large samples are, and what to do where they are not."""

import os
import sys
import zipfile
from pathlib import Path

import pytest

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # some tests import it themselves

SHARED = Path(os.environ.get("EMOSCOPE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Mark what needs the samples, so that ``-m "not shared"`` leaves it out; browsers come last.

    Playwright keeps an event loop in the main thread, beside which no test can run its own.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
    for item in items:
        if {"shared", "yunet_path"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.shared)


@pytest.fixture(autouse=True)
def _same_chance() -> None:
    """Let tests draw the same random numbers every time, without importing torch for it."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of large samples; not part of the repository."""
    if not SHARED.is_dir():
        reason = f"The samples are not here: no folder {SHARED} (set EMOSCOPE_SHARED to theirs)."
        if os.environ.get("EMOSCOPE_REQUIRE_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED


@pytest.fixture(scope="session")
def yunet_path(shared: Path) -> Path:
    """A real face detector."""
    return shared / "weights" / "yunet" / "yunet_n_dynamic.onnx"


@pytest.fixture(scope="session")
def nasty_photos(shared: Path) -> dict[str, bytes]:
    """Awkward files by name, as the archive spells it; ``EXPECTED.csv`` among them."""
    with zipfile.ZipFile(shared / "samples" / "nasty_photos.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}
