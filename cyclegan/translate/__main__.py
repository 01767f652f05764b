"""`python -m cyclegan.translate`."""

import sys

from cyclegan.translate.command import main

raise SystemExit(main(sys.argv[1:]))
