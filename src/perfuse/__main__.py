"""``python -m perfuse`` is the same program as ``perfuse``."""

import sys

from perfuse.cli import main

sys.exit(main())
