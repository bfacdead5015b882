"""`bascule call`: call one function and print its result.

    bascule call math:pow 2 16
    bascule call json:dumps '{"a": [1, 2]}' indent=2
    bascule call --stream itertools:count 10 5 | head -3

Arguments are JSON where they parse as JSON, else text; `key=value` is a keyword. It is run by the service; where no
service was named and none runs at the usual place, by a bridge that lives for this one call.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.asking import add_options

    parser = commands.add_parser(
        "call",
        help="call one function and print its result",
        description="Call one function and print its result. Arguments are JSON where they parse as JSON, else text; "
        "KEY=VALUE is a keyword. Put -- before the target when an argument begins with a dash and is no number.",
    )
    add_options(parser)
    parser.add_argument(
        "--want",
        choices=("auto", "value", "handle"),
        help="value: fail if the result can't travel; handle: leave it in the worker, print its repr (default: auto)",
    )
    parser.add_argument(
        "--everywhere", action="store_true", help="make the call once on each worker of the pool; a result to a line"
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="print the items of an iterator, such as a generator's, as they come; one to a line",
    )
    parser.add_argument("--no-cache", action="store_true", help="compute it, whatever answer the service has kept")
    parser.add_argument("target", metavar="TARGET", help="what to call, such as math:pow or os.path:join")
    parser.add_argument("arguments", nargs="*", default=[], metavar="ARGUMENT", help="its arguments")


def run(options: argparse.Namespace) -> int:
    """Call it; the exit status."""
    from bascule.bridge.cli.asking import DONE, as_json, as_text, find_service, read_arguments, report
    from bascule.bridge.errors import BasculeError

    args, kwargs = read_arguments(options.arguments, text=options.text)
    want = options.want or ("value" if options.json else None)
    if options.everywhere and (kwargs or options.want or options.no_cache or options.stream):
        print("bascule call: --everywhere takes positional arguments alone", file=sys.stderr)
        return 2
    if options.stream and (options.want or options.no_cache):
        print("bascule call: --stream prints the items' values, and no answer of it is kept", file=sys.stderr)
        return 2
    try:
        with find_service(options, workers=1) as client:
            values: Iterable[Any]
            if options.everywhere:
                values = client.everywhere(options.target, *args, timeout=options.timeout)
            elif options.stream:
                iterator = client.apply(options.target, args, kwargs, timeout=options.timeout, want="handle")
                values = client.iterate(iterator, want="value" if options.json else None)
            else:
                values = (
                    client.apply(
                        options.target, args, kwargs, timeout=options.timeout, want=want, fresh=options.no_cache
                    ),
                )
            for value in values:
                if options.json:
                    print(as_json(value), flush=options.stream)
                elif value is not None or options.everywhere or options.stream:
                    print(as_text(client, value), flush=options.stream)
    except BasculeError as error:
        sys.stdout.flush()
        return report("call", error, options)
    except BrokenPipeError:  # whoever reads the items has enough of them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return DONE
