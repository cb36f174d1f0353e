"""ONNX Runtime, without what it would tell its maker."""

from __future__ import annotations

import os
from typing import Any

_QUIET = "ORT_DISABLE_TELEMETRY"


def load_onnxruntime() -> Any:
    """Import ONNX Runtime; the only place that does.

    From 1.29 on it reports each network (its file name, its hashes) and the machine to Microsoft,
    also on Linux, and keeps an identifier of the machine in the user's cache and a file in the
    folder of temporary files. It is told not to before it is imported, which is the last moment
    that counts; whoever has set the variable keeps what it says.

    Source: https://github.com/microsoft/onnxruntime/pull/27379.
    """
    os.environ.setdefault(_QUIET, "1")
    import onnxruntime

    return onnxruntime
