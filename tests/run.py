"""What `make test` runs: pytest, two files at a time; then what failed once more, with nothing beside it.

Most tests wait for processes that they started, on a machine of which they know nothing. One that fails beside others
and passes alone has met a machine that was too busy, or a race: it does not fail the run, but is named at its end and
deserves a look. More than a few failures are no accident, and are not run again.

    python -m tests.run [--jobs N] [--report FILE] [what pytest is to be told ...]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

_MOST = 20  # failures that may be accidents
_LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")
_TESTS_FAILED = 1  # pytest's exit status, where others mean that it could not do its work


def main() -> int:
    """Run the tests; the status to exit with."""
    parser = argparse.ArgumentParser(prog="python -m tests.run", allow_abbrev=False)
    parser.add_argument("--jobs", default="2", help="files of tests that run at a time")
    parser.add_argument("--report", help="where the first run is described, in JUnit's format")
    options, rest = parser.parse_known_args()
    report = [f"--junit-xml={options.report}"] if options.report else []
    status = _pytest("-n", options.jobs, "--dist", "loadfile", "--cache-clear", *report, *rest)
    failed = _failed() if status == _TESTS_FAILED else []
    if not 0 < len(failed) <= _MOST:
        return status
    print(f"tests: {len(failed)} failed; they are run once more, with nothing beside them", flush=True)
    status = _pytest("--last-failed", "--verbose", *rest)
    if status == 0:
        print(
            "tests: these failed beside others and passed alone; each deserves a look:", *failed, sep="\n  ", flush=True
        )
    return status


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def _failed() -> list[str]:
    return sorted(json.loads(_LAST_FAILED.read_text())) if _LAST_FAILED.exists() else []


if __name__ == "__main__":
    sys.exit(main())
