"""`bascule status`: pools, workers and figures of a running service."""

from __future__ import annotations

import argparse
from typing import Any

POOL_COLUMNS = (
    ("name", "POOL"),
    ("size", "SIZE"),
    ("active", "ACTIVE"),
    ("spares", "SPARES"),
    ("queued", "QUEUED"),
    ("scheduler", "SCHEDULER"),
    ("failed", "UNAVAILABLE"),
)
WORKER_COLUMNS = (
    ("name", "WORKER"),
    ("pid", "PID"),
    ("state", "STATE"),
    ("python", "PYTHON"),
    ("outstanding", "CALLS"),
    ("streams", "STREAMS"),
    ("calls_done", "DONE"),
    ("age", "AGE"),
)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_json, add_socket

    parser = commands.add_parser(
        "status",
        help="show a service's pools, workers and figures",
        description="Show a service's pools, its workers, and how many calls ended how.",
    )
    add_socket(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Show it; the exit status."""
    from bascule.bridge.cli.operating import DONE, as_json, with_service

    def show(client: Any) -> int:
        status = client.status()
        print(as_json(status) if options.json else in_words(status))
        return DONE

    return with_service(options, show)


def in_words(status: dict[str, Any]) -> str:
    """A status for people."""
    from bascule.bridge.cli.operating import table

    calls = status["calls"]
    draining = ", draining" if status["draining"] else ""
    head = (
        f"bascule {status['bascule']}{draining}: {status['sessions']} sessions; calls: {calls['reply']} answered, "
        f"{calls['error']} failed, {calls['outstanding']} under way"
    )
    pools = [{"name": name, **pool} for name, pool in status["pools"].items()]
    for pool in pools:
        pool["failed"] = pool["failed"] or "-"
    parts = [head, table(pools, POOL_COLUMNS), table(status["workers"], WORKER_COLUMNS)]
    return "\n\n".join(parts)
