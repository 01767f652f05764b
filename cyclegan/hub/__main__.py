"""`python -m cyclegan.hub`."""

import sys

from cyclegan.hub.command import main

raise SystemExit(main(sys.argv[1:]))
