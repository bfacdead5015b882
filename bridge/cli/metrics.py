"""`bascule metrics`: a service's figures for Prometheus."""

from __future__ import annotations

import argparse
from typing import Any


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_socket

    parser = commands.add_parser(
        "metrics",
        help="print a service's figures for Prometheus",
        description="Print a service's figures in Prometheus' text format.",
    )
    add_socket(parser)


def run(options: argparse.Namespace) -> int:
    """Print them; the exit status."""
    from bascule.bridge.cli.operating import DONE, with_service

    def show(client: Any) -> int:
        print(client.ask("metrics")["text"], end="")
        return DONE

    return with_service(options, show)
