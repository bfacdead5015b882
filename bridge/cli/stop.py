"""`bascule stop`: have a service drain and end."""

from __future__ import annotations

import argparse
from typing import Any


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_socket

    parser = commands.add_parser(
        "stop",
        help="have a service drain and end",
        description="Have a service finish the calls that it has accepted, take nothing new, and end.",
    )
    add_socket(parser)


def run(options: argparse.Namespace) -> int:
    """Stop it; the exit status."""
    from bascule.bridge.cli.operating import DONE, with_service

    def work(client: Any) -> int:
        client.ask("stop")
        print("it drains and ends")
        return DONE

    return with_service(options, work)
