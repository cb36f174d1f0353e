"""What a result was made with: versions of software and hashes of weights."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from emotion_core import __version__

CITATION = f"@software{{emoscope, title = {{Emoscope}}, version = {{{__version__}}}}}"
"""BibTeX of this release."""

LIMITS = (
    "The readings describe how faces look, not what people feel, and differ between groups of "
    "people; the model card tells how well they agree with human ratings."
)
"""What every text on methods says of readings."""

_PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "torch")


def software_versions() -> dict[str, str]:
    """Versions of Emoscope, Python and the packages that change results, by name."""
    found = {"emoscope": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a client of a server needs none of them
            continue
    return found
