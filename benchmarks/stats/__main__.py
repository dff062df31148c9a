"""`python -m benchmarks.stats`."""

import sys

from benchmarks.stats.command import main

sys.exit(main(sys.argv[1:]))
