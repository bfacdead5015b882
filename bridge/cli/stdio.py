"""What the commands share that serve one client over stdio: the workers' options, and the early start.

Nothing heavy may be imported here: a client waits.
"""

from __future__ import annotations

import argparse
import os
import sys

from bascule.bridge.early import EarlyWorker, NotStarted, start_early

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """Which workers there shall be."""
    parser.add_argument("--workers", type=_positive, default=2, metavar="N", help="worker processes (default: 2)")
    parser.add_argument("--python", metavar="EXE", help="the workers' interpreter (default: this one)")
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder to import modules from, may be repeated (default: the current one)",
    )


def folders(path: Sequence[str]) -> tuple[str, ...]:
    """The folders of `--path`, whole."""
    # os.path: pathlib is not imported otherwise
    return tuple([os.path.abspath(folder) for folder in path or ["."]])  # noqa: PTH100


def start(command: str, python: str | None) -> EarlyWorker | int:
    """Start the first worker, whose interpreter starts up while the rest is imported; else what to exit with."""
    try:
        return start_early(python)
    except NotStarted as error:
        print(f"bascule {command}: {error}", file=sys.stderr)
        return error.status


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number
