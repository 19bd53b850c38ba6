"""`python -m edge` runs the agent."""

import sys

from edge.agent import main

sys.exit(main())
