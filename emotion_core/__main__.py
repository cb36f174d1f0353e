"""``python -m emotion_core``."""

import sys

from emotion_core.cli import main

sys.exit(main())
