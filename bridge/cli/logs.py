"""`bascule logs`: what a service has logged lately."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_json, add_socket

    parser = commands.add_parser(
        "logs",
        help="show what a service has logged lately, or follow it",
        description="Show the last records of a running service, and with -f those that come.",
    )
    add_socket(parser)
    add_json(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is logged from now on")
    parser.add_argument(
        "-n", "--lines", type=_count, default=100, metavar="N", help="how many to begin with (default: 100)"
    )


def run(options: argparse.Namespace) -> int:
    """Show them; the exit status."""
    from bascule.bridge.cli.operating import DONE, with_service

    def show(client: Any) -> int:
        answer = client.ask("logs")
        _print(answer["records"][max(0, len(answer["records"]) - options.lines) :], as_json=options.json)
        while options.follow:
            answer = client.ask("logs", after=answer["last"], wait=True)
            _print(answer["records"], as_json=options.json)
        return DONE

    return with_service(options, show)


def _count(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r} is no whole number of at least 0")
    return int(word)


def _print(records: list[dict[str, Any]], *, as_json: bool) -> None:
    for record in records:
        if as_json:
            print(json.dumps(record, ensure_ascii=False))
        else:
            print(f"{record['at']} {record['level'].upper()} {record['logger']}: {record['message']}")
    sys.stdout.flush()
