"""`bascule handles`: the objects that clients hold in workers."""

from __future__ import annotations

import argparse
from typing import Any

COLUMNS = (("worker", "WORKER"), ("session", "SESSION"), ("type", "TYPE"), ("age", "AGE"), ("idle", "IDLE"))


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_json, add_socket

    parser = commands.add_parser(
        "handles",
        help="list the objects that clients hold",
        description="List the objects that live in workers for the sake of clients. Their tokens are capabilities and "
        "are not shown.",
    )
    add_socket(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """List them; the exit status."""
    from bascule.bridge.cli.operating import DONE, as_json, table, with_service

    def show(client: Any) -> int:
        handles = client.ask("handles", all=True)["handles"]
        rows = [{key: value for key, value in handle.items() if key != "token"} for handle in handles]
        print(as_json(rows) if options.json else table(rows, COLUMNS))
        return DONE

    return with_service(options, show)
