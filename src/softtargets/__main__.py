"""``python -m softtargets``."""

import sys

from softtargets.cli import main

sys.exit(main())
