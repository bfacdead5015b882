"""`python -m record_api`: run the first FROM module as `__main__`, recorded."""

from __future__ import annotations

import sys

from bascule.workers.recording.program import main
from bascule.workers.recording.session import Wanted
from record_api._environment import done, names, variable

if __name__ == "__main__":
    users = names("FROM_MODULES")
    status = 0

    def _run(_: object) -> None:
        global status
        wanted = Wanted(variable("OUTPUT_FILE"), names("TO_MODULES"), users)
        with open(wanted.output, "wb"):
            pass
        status = main([wanted.to_text(), "-m", users[0], *sys.argv[1:]])

    done(_run)
    sys.exit(status)
