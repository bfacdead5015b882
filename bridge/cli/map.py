"""`bascule map`: call a function with each of many items and print the results in order.

    bascule map math:isqrt 1 4 9
    seq 1000 | bascule map --json math:factorial

    bascule map module:function --over items.jsonl --output results.jsonl --errors errors.jsonl [--resume]

Items are arguments, or, when there are none, the lines of standard input; each is JSON where it parses as JSON, else
text. Results are printed as they come, one to a line. On a terminal a bar shows the progress. How it goes from file to
file is told in `map_files`, how all results become one in `map_reduce`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from bascule.bridge.client import Client
    from bascule.bridge.errors import BasculeError


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.asking import add_options

    parser = commands.add_parser(
        "map",
        help="call a function over many items",
        description="Call a function with each item and print the results in order, one to a line. Items are JSON "
        "where they parse as JSON, else text.",
    )
    add_options(parser)
    parser.add_argument("--chunk", type=_count, metavar="N", help="items that travel together (default: what suits)")
    parser.add_argument("--star", action="store_true", help="each item is a list of arguments")
    parser.add_argument("--keep-going", action="store_true", help="report an item's error and go on with the next")
    parser.add_argument(
        "--over", type=Path, metavar="FILE", help="take the items from a file of JSON lines (- for standard input)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="with --over: write results there, as JSON lines")
    parser.add_argument(
        "--errors", type=Path, metavar="FILE", help="with --over: write errors there (default: OUTPUT.errors)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what is in OUTPUT and ERRORS already")
    parser.add_argument(
        "--idempotent",
        action="store_true",
        help="what was lost with a worker or the connection may be run again, and a straggler a second time",
    )
    parser.add_argument("--unordered", action="store_true", help="print results as they are completed")
    parser.add_argument(
        "--reduce",
        metavar="FUNCTION",
        help="bring all results together in the workers, with an associative function of two, and print what is left",
    )
    parser.add_argument("target", metavar="TARGET", help="what to call, such as math:isqrt")
    parser.add_argument(
        "items", nargs="*", default=[], metavar="ITEM", help="the items (default: the lines of standard input)"
    )


def run(options: argparse.Namespace) -> int:
    """Map it; the exit status."""
    from bascule.bridge.cli.asking import DONE, FAILED, as_json, as_text, find_service, read_word, report
    from bascule.bridge.errors import BasculeError, CallError

    words = options.items or _lines()
    items = (_item(read_word(word, text=options.text), word, star=options.star) for word in words)
    if options.reduce is not None:
        from bascule.bridge.cli.map_reduce import run_reduce, why_not

        problem = why_not(options)
        if problem is None:
            return run_reduce(options, items, workers=os.cpu_count() or 1)
        print(f"bascule map: {problem}", file=sys.stderr)
        return 2
    if options.over is not None or options.output is not None or options.errors is not None or options.resume:
        return _run_over(options)
    status = DONE
    number = 1
    try:
        with find_service(options, workers=os.cpu_count() or 1) as client:
            results = _results(client, items, options)
            for value in _with_progress(results, len(options.items) or None):
                try:
                    if isinstance(value, CallError):
                        raise value
                    print(as_json(value) if options.json else as_text(client, value))
                except CallError as error:
                    if not options.keep_going:
                        raise
                    status = FAILED
                    report("map", error, options)
                    _tell_item(number, error, options)
                    print("null" if options.json else "")
                number += 1
    except BasculeError as error:
        sys.stdout.flush()
        status = report("map", error, options)
        _tell_item(number, error, options)
        return status
    except _NoItem as error:
        sys.stdout.flush()
        print(f"bascule map: {error}", file=sys.stderr)
        return 2
    return status


def _tell_item(number: int, error: BasculeError, options: argparse.Namespace) -> None:
    """Behind a traceback, which does not say what the function was called with."""
    from bascule.bridge.errors import PythonError

    if isinstance(error, PythonError) and not (options.json or options.unordered):
        more = "" if options.keep_going else "; --keep-going goes on with the next"
        print(f"bascule map: that was item {number}{more}", file=sys.stderr)


def _results(client: Client, items: Iterable[Any], options: argparse.Namespace) -> Iterable[Any]:
    """The values, errors among them where it shall go on after them."""
    errors = "return" if options.keep_going else "raise"
    if not (options.idempotent or options.unordered):
        return client.map(
            options.target, items, chunk=options.chunk, timeout=options.timeout, errors=errors, star=options.star
        )
    scatter = client.scatter(
        options.target,
        items,
        ordered=not options.unordered,
        chunk=options.chunk,
        timeout=options.timeout,
        errors=errors,
        star=options.star,
        idempotent=options.idempotent,
    )
    return (result.value if result.error is None else result.error for result in scatter)


def _run_over(options: argparse.Namespace) -> int:
    """From file to file."""
    from bascule.bridge.cli.asking import find_service, report
    from bascule.bridge.cli.map_files import run_over
    from bascule.bridge.errors import BasculeError

    problem = None
    if options.over is None and options.output is None:
        problem = "--resume and --errors go with --over and --output, for which there are items in a file"
    elif options.over is None or options.output is None:
        problem = "--over and --output go together: one says where the items are, the other where the results go"
    elif options.items:
        problem = "items are either on the command line or in the file of --over"
    if problem is not None:
        print(f"bascule map: {problem}", file=sys.stderr)
        return 2
    options.errors = options.errors or options.output.with_name(options.output.name + ".errors")
    try:
        with find_service(options, workers=os.cpu_count() or 1) as client:
            return run_over(options, client)
    except BasculeError as error:
        return report("map", error, options)


class _NoItem(Exception):
    """A word can't be an item; the message says which, and why."""


def _item(value: Any, word: str, *, star: bool) -> Any:
    """The item, if with --star it is a list."""
    if star and not isinstance(value, list):
        raise _NoItem(f"with --star each item is a list of arguments, such as '[1, 2]'; {word!r} is none")
    return value


def _lines() -> Iterator[str]:
    """Standard input, line by line, without blank ones."""
    for line in sys.stdin:
        word = line.rstrip("\n")
        if word.strip():
            yield word


def _with_progress(results: Iterable[Any], total: int | None) -> Iterable[Any]:
    """A bar on stderr while results go to a file or a pipe; nothing where nobody would see it."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        return results
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    def tracked() -> Iterator[Any]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        # rich would take our standard output for its own and print the results between the bars.
        with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False) as progress:
            yield from progress.track(results, total=total, description="map")

    return tracked()


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no whole number of at least 1")
    return int(word)
