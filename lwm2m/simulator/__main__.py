"""`python -m lwm2m.simulator`."""

import sys

from lwm2m.simulator.cli import main

sys.exit(main(sys.argv[1:]))
