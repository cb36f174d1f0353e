"""Where the repository is, and the samples beside it that are not ours to ship."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PORTRAIT = ROOT / "streamlit_app" / "assets" / "astronaut.jpg"
WEIGHTS = ROOT / "weights"
SHARED = Path(os.environ.get("EMOSCOPE_SHARED", ROOT.parent / "shared"))
