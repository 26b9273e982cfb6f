"""``python -m benchmark`` is ``ecgarena``."""

import sys

from benchmark.cli import main

sys.exit(main())
