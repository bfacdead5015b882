"""`bascule top`: a service, live on the terminal, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_socket

    parser = commands.add_parser(
        "top",
        help="watch a service live",
        description="Show a service's pools, workers and longest calls, again and again, until Ctrl-C.",
    )
    add_socket(parser)
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="between two looks (default: 1)")
    parser.add_argument("--once", action="store_true", help="look once, and end")


def run(options: argparse.Namespace) -> int:
    """Watch; the exit status."""
    from bascule.bridge.cli.operating import DONE, with_service

    def watch(client: Any) -> int:
        from rich.console import Console
        from rich.live import Live

        console = Console()
        before, at = client.status(), time.monotonic()
        if options.once:
            console.print(screen(before, before, client.ask("calls"), 1.0))
            return DONE
        first = screen(before, before, client.ask("calls"), 1.0)
        live = Live(first, console=console, screen=True) if console.is_terminal else None
        with contextlib.nullcontext() if live is None else live:
            while True:
                time.sleep(max(0.05, options.interval))
                status, now = client.status(), time.monotonic()
                picture = screen(before, status, client.ask("calls"), now - at)
                if live is not None:
                    live.update(picture)
                else:
                    console.print(picture)  # one after the other, for a file or a pipe
                before, at = status, now

    return with_service(options, watch)


def screen(before: dict[str, Any], status: dict[str, Any], calls: dict[str, Any], seconds: float) -> Group:
    """One picture: two statuses, `seconds` apart, and the calls that run."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from bascule.bridge.cli.operating import duration

    ended = [status["calls"][kind] - before["calls"][kind] for kind in ("reply", "error")]
    head = Text(
        f"bascule {status['bascule']}   {sum(ended) / seconds:.0f} calls/s   {ended[1] / seconds:.0f} errors/s   "
        f"{calls['of']} under way   {status['sessions']} sessions",
        style="bold",
    )
    pools = Table("pool", "size", "active", "spares", "queued", "", box=None, header_style="dim")
    for name, pool in status["pools"].items():
        numbers = (str(pool[key]) for key in ("size", "active", "spares", "queued"))
        pools.add_row(name, *numbers, Text(pool["failed"] or "", style="red"))
    done = {worker["name"]: worker["calls_done"] for worker in before["workers"]}
    workers = Table("worker", "pid", "state", "calls", "calls/s", "age", box=None, header_style="dim")
    for worker in status["workers"]:
        rate = (worker["calls_done"] - done.get(worker["name"], 0)) / seconds
        told = (str(worker["outstanding"]), f"{rate:.0f}", duration(worker["age"]))
        workers.add_row(worker["name"], str(worker["pid"]), worker["state"], *told)
    longest = Table("call", "target", "state", "worker", "age", "client", box=None, header_style="dim")
    for call in calls["calls"][:15]:
        texts = (
            call["call"],
            call["target"],
            call["state"],
            call["worker"] or "-",
            duration(call["age"]),
            call["client"],
        )
        longest.add_row(*map(Text, texts))
    return Group(head, Text(), pools, Text(), workers, Text(), longest)
