"""`bascule port`: be an Erlang port over stdio.

    open_port({spawn_executable, os:find_executable("bascule")}, [{args, ["port"]}, {packet, 4}, binary, exit_status])

The OTP application `py` (`bascule path erlang`) does that, and speaks with it. Standard output belongs to the port;
what is for people goes to standard error. The end of the input is the end.
"""

from __future__ import annotations

import sys

from bascule.bridge.cli.stdio import RECORD_OPTION, WORKER_OPTIONS, cache_rules, folders, start
from bascule.bridge.cli.table import Option, plainly

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bascule.bridge.cli.table import Values

_AHEAD = "bascule.protocols.etf"
"""What the first worker imports while it waits to be told who it is: a node's first call needs it."""

OPTIONS = (
    Option(
        "--packet",
        "N",
        "bytes of length before each frame, as in the port's {packet, N} (default: 4)",
        default=4,
        read=int,
        choices=(1, 2, 4),
    ),
    *WORKER_OPTIONS,
    Option("--preload", "MODULE", "a module to import before the first call, may be repeated", many=True),
    Option("--mount", "PACKAGE:Class", "an implementation of a contract to offer, may be repeated", many=True),
    Option("--scheduler", "NAME", "how a worker is chosen for a call (default: least_busy)", default="least_busy"),
    Option("--cache", "FILE", "keep answers as the [cache] tables of this configuration say"),
    RECORD_OPTION,
)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "port",
        help="be an Erlang port over stdio",
        description="Serve Python to an Erlang node as a port program; the OTP application `py` starts it.",
    )
    for option in OPTIONS:
        option.add_to(parser)


def parse(arguments: Sequence[str]) -> Values | None:
    """The command line, where it needs no argparse."""
    return plainly(arguments, OPTIONS)


def run(options: argparse.Namespace | Values) -> int:
    """Serve until the port is closed."""
    python: str | None = None
    if options.python:
        from shutil import which

        python = which(options.python)
        if python is None:
            print(f"bascule port: --python {options.python}: there is no such executable", file=sys.stderr)
            return 2
    rules = cache_rules("port", options.cache)
    if isinstance(rules, int):
        return rules
    early = start("port", python, options.record, ahead=_AHEAD)
    if isinstance(early, int):
        return early
    from importlib import import_module

    from bascule.bridge.app import run_stdio, stdio_spec
    from bascule.bridge.doors.port import PortDoor
    from bascule.bridge.scheduling import UnknownScheduler

    # The hello needs them, and would wait in the router's thread for what the main thread imports meanwhile.
    for name in (_AHEAD, "bascule.protocols.packed"):
        import_module(name)
    door = PortDoor(options.packet)
    spec = stdio_spec(
        workers=options.workers,
        python=python,
        paths=folders(options.path),
        preload=tuple(options.preload),
        mounts=tuple(options.mount),
        scheduler=options.scheduler,
    )
    try:
        status = run_stdio(spec, door, early, cache=rules, record=options.record)
    except UnknownScheduler as error:
        print(f"bascule port: --scheduler: {error}", file=sys.stderr)
        return 2
    if door.problem:
        print(f"bascule port: {door.problem}", file=sys.stderr)
        return 1
    return status
