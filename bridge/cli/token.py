"""`bascule token`: a token for a listener."""

from __future__ import annotations

import argparse
import secrets


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    commands.add_parser(
        "token",
        help="make a token for a listener",
        description="Print a new token of 256 random bits. It goes into the token_file of a listener (which only its "
        "owner may read) and to the client that is to present it.",
    )


def run(options: argparse.Namespace) -> int:
    """Print one."""
    print(secrets.token_urlsafe(32))
    return 0
