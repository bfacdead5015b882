"""What the commands share that serve one client over stdio: the workers' options, the cache, and the early start.

Nothing heavy may be imported here: a client waits.
"""

from __future__ import annotations

import os
import sys

from bascule.bridge import early_signals
from bascule.bridge.cli.table import Option
from bascule.bridge.early import EarlyWorker, NotStarted, start_early

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bascule.bridge.caching.policy import Rules


RECORD_OPTION = Option("--record", "FILE", "write which functions are called, with which types, as a trace")


def positive(text: str) -> int:
    """A number above 0.

    Raises:
        ValueError: It is none.
    """
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number") from None
    if number < 1:
        raise ValueError(f"{text} is less than 1")
    return number


WORKER_OPTIONS = (
    Option("--workers", "N", "worker processes (default: 2)", default=2, read=positive),
    Option("--python", "EXE", "the workers' interpreter (default: this one)"),
    Option("--path", "DIR", "a folder to import modules from, may be repeated (default: the current one)", many=True),
)


def folders(path: Sequence[str]) -> tuple[str, ...]:
    """The folders of `--path`, whole."""
    # os.path: pathlib is not imported otherwise
    return tuple([os.path.abspath(folder) for folder in path or ["."]])  # noqa: PTH100


def cache_rules(command: str, file: str | None) -> Rules | int | None:
    """Whose answers are kept, by the [cache] tables of a file; else what to exit with."""
    if file is None:
        return None
    from pathlib import Path

    from bascule.bridge.caching.policy import Rules
    from bascule.bridge.config import ConfigError
    from bascule.bridge.config_file import load

    try:
        return Rules({name: table.rule() for name, table in load(Path(file)).cache.items()})
    except ConfigError as error:
        print(f"bascule {command}: --cache: {error}", file=sys.stderr)
        return 2


def start(command: str, python: str | None, record: str | None = None, *, ahead: str = "") -> EarlyWorker | int:
    """Start the first worker, whose interpreter starts up while the rest is imported; else what to exit with.

    Args:
        record: The trace of its calls, if one is wanted: workers are told to tell of them.
        ahead: A module of ours that it imports while it waits.
    """
    early_signals.keep()
    if record is not None:
        from bascule.bridge.operations.call_trace import ask_workers

        try:
            open(record, "wb").close()
        except OSError as error:
            print(f"bascule {command}: --record: {record}: {error.strerror}", file=sys.stderr)
            return 2
        ask_workers(wanted=True)
    try:
        return start_early(python, ahead=ahead)
    except NotStarted as error:
        print(f"bascule {command}: {error}", file=sys.stderr)
        return error.status
