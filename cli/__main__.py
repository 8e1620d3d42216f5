"""`python -m styleroute.cli`: the same command as `python -m styleroute`, for `accelerate launch -m`."""

import sys

from . import main

sys.exit(main())
