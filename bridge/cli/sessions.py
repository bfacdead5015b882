"""`bascule sessions`: the connected clients."""

from __future__ import annotations

import argparse
from typing import Any

COLUMNS = (
    ("session", "SESSION"),
    ("client", "CLIENT"),
    ("who", "WHO"),
    ("listener", "LISTENER"),
    ("pool", "POOL"),
    ("calls", "CALLS"),
    ("unread", "UNREAD"),
    ("age", "AGE"),
)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_json, add_socket

    parser = commands.add_parser(
        "sessions",
        help="list the connected clients",
        description="List a service's clients: who they are, what they may do, what they have under way.",
    )
    add_socket(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """List them; the exit status."""
    from bascule.bridge.cli.operating import DONE, as_json, table, with_service

    def show(client: Any) -> int:
        answer = client.ask("sessions")
        rows = answer["sessions"]
        print(as_json(rows) if options.json else table(rows, COLUMNS))
        return DONE

    return with_service(options, show)
