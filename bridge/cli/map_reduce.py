"""`bascule map TARGET --reduce FUNCTION`: all results brought together in the workers, and one printed.

    seq 1000 | bascule map math:sqrt --reduce operator:add
    bascule map app:count_words --over pages.jsonl --reduce operator:add

Nothing goes on after an error, since what is left would not be what was asked for: a line that is no item is one, too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bascule.bridge.cli.asking import DONE, as_json, as_text, find_service, report
from bascule.bridge.cli.map_files import Done, Items
from bascule.bridge.errors import BasculeError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator


class _NoItem(Exception):
    """A line of the file is none; the message says which, and why."""


def why_not(options: argparse.Namespace) -> str | None:
    """What in the command line doesn't go with --reduce."""
    for name in ("output", "errors", "resume", "keep_going", "star", "unordered"):
        if getattr(options, name):
            return f"--{name.replace('_', '-')} does not go with --reduce, which gives one result of all items"
    if options.over is not None and options.items:
        return "items are either on the command line or in the file of --over"
    return None


def run_reduce(options: argparse.Namespace, items: Iterable[Any], *, workers: int) -> int:
    """Reduce them, or what is in the file of --over; the exit status."""
    chunk = {} if options.chunk is None else {"chunk": options.chunk}
    try:
        with find_service(options, workers=workers) as client:
            value = client.reduce(
                options.reduce,
                items if options.over is None else _lines(options.over),
                each=options.target,
                timeout=options.timeout,
                idempotent=options.idempotent,
                **chunk,
            )
            print(as_json(value) if options.json else as_text(client, value))
    except BasculeError as error:
        return report("map", error, options)
    except (_NoItem, OSError, ValueError) as error:
        print(f"bascule map: {error}", file=sys.stderr)
        return 2
    return DONE


def _lines(path: Path) -> Iterator[Any]:
    items = Items(path, Done(), star=False)
    for item in items:
        _check(items)
        yield item
    _check(items)


def _check(items: Items) -> None:
    for line, why in items.bad:
        raise _NoItem(f"{items.path}:{line}: this line is no item: {why}")
