"""`bascule reload`: have a service read its configuration again."""

from __future__ import annotations

import argparse
from typing import Any


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_socket

    parser = commands.add_parser(
        "reload",
        help="have a service read its configuration again",
        description="Have a service read its configuration file again and apply what has changed, without losing a "
        "call. A file that is wrong changes nothing.",
    )
    add_socket(parser)


def run(options: argparse.Namespace) -> int:
    """Reload; the exit status."""
    from bascule.bridge.cli.operating import DONE, with_service

    def work(client: Any) -> int:
        changed = client.ask("reload")["changed"]
        print("\n".join(changed) if changed else "nothing has changed")
        return DONE

    return with_service(options, work)
