"""`python -m cyclegan.evaluation`."""

import sys

from cyclegan.evaluation.command import main

raise SystemExit(main(sys.argv[1:]))
