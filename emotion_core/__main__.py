"""``python -m emotion_core``."""

import sys

from emotion_core.cli.main import main

sys.exit(main())
