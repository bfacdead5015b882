"""A bridge of one client's own: started by it, ended with it, spoken to over a socket pair.

`bascule.bridge.client.local` and `bascule call` (where no service runs) start `python -m bascule.bridge.private`, whose
descriptors 0 and 1 are one end of the pair. When the other end is closed, by whatever death of the client, it ends.
"""

from __future__ import annotations

import argparse
import sys

from bascule.bridge.app import run_stdio, stdio_spec
from bascule.bridge.doors.service import ServiceDoor
from bascule.bridge.early import NotStarted, start_early


def main() -> int:
    """Serve the client at descriptors 0 and 1; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bascule.bridge.private", description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--python")
    parser.add_argument("--path", action="append", default=[])
    options = parser.parse_args()
    try:
        early = start_early(options.python)
    except NotStarted as error:
        print(f"bascule: {error}", file=sys.stderr)
        return error.status
    spec = stdio_spec(workers=options.workers, python=options.python, paths=tuple(options.path))
    return run_stdio(spec, ServiceDoor(), early)


if __name__ == "__main__":
    sys.exit(main())
