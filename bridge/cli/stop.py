"""`bascule stop`: have a service drain and end, and wait for that: what comes next may start another at its place."""

from __future__ import annotations

import argparse
import os
import select
import sys
from typing import Any


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_socket

    parser = commands.add_parser(
        "stop",
        help="have a service drain and end",
        description="Have a service finish the calls that it has accepted, take nothing new, and end; wait for that.",
    )
    add_socket(parser)


def run(options: argparse.Namespace) -> int:
    """Stop it; the exit status."""
    from bascule.bridge.cli.operating import DONE, with_service

    def work(client: Any) -> int:
        answer = client.ask("stop")
        print("it drains and ends", flush=True)
        _wait(answer.get("pid"))
        return DONE

    return with_service(options, work)


def _wait(pid: Any) -> None:
    """Until that process is gone, if it can be seen from here. Ctrl-C ends the wait alone."""
    try:
        watched = os.pidfd_open(pid)
    except (OSError, TypeError):
        return
    try:
        select.select([watched], [], [])
    except KeyboardInterrupt:
        print("bascule stop: it goes on draining", file=sys.stderr)
    finally:
        os.close(watched)
