"""`python -m styleroute.cli`: the `styleroute` command where no script is on the path."""

import sys

from . import main

sys.exit(main())
