"""`python -m benchmarks.gateway`."""

import sys

from benchmarks.gateway.command import main

sys.exit(main(sys.argv[1:]))
