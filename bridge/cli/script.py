#!python
"""The command `bascule`, as it lies in an environment's bin.

An installer would write this file from an entry point, and have it import the regular expressions, which cost a pod or
a relay, whose client waits, a quarter of its start. The first line becomes the environment's own Python.
"""

import sys

from bascule.bridge.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
