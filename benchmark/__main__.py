"""``python -m benchmark`` is ``ecgbench``."""

import sys

from benchmark.cli import main

sys.exit(main())
