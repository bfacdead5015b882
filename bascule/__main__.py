"""`python -m bascule`: the same as the command `bascule`."""

import sys

from bascule.bridge.cli.main import main

sys.exit(main())
