"""`bascule calls`: the calls that run or wait, and an end to one of them."""

from __future__ import annotations

import argparse
import sys
from typing import Any

COLUMNS = (
    ("call", "CALL"),
    ("target", "TARGET"),
    ("state", "STATE"),
    ("worker", "WORKER"),
    ("age", "AGE"),
    ("deadline", "DEADLINE"),
    ("client", "CLIENT"),
)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_json, add_socket

    parser = commands.add_parser(
        "calls",
        help="list the calls that run or wait, or cancel one",
        description="List the calls that were accepted and have no answer yet, the oldest first; or cancel one.",
    )
    add_socket(parser)
    add_json(parser)
    parser.add_argument("action", nargs="?", choices=["cancel"], help="cancel a call (otherwise: list them)")
    parser.add_argument("call", nargs="?", metavar="ID", help="which, as it is listed")


def run(options: argparse.Namespace) -> int:
    """List or cancel; the exit status."""
    from bascule.bridge.cli.operating import DONE, as_json, table, with_service

    if (options.action is None) != (options.call is None):
        print("bascule calls: cancel needs the ID of a call, as `bascule calls` lists it", file=sys.stderr)
        return 2

    def work(client: Any) -> int:
        if options.action == "cancel":
            answer = client.ask("cancel", call=options.call)
            print(as_json(answer) if options.json else f"cancelled {answer['call']}: {answer['target']}")
            return DONE
        answer = client.ask("calls")
        print(as_json(answer["calls"]) if options.json else table(answer["calls"], COLUMNS))
        if not options.json and answer["of"] > len(answer["calls"]):
            print(f"... and {answer['of'] - len(answer['calls'])} more")
        return DONE

    return with_service(options, work)
