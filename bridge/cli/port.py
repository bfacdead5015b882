"""`bascule port`: be an Erlang port over stdio.

    open_port({spawn_executable, os:find_executable("bascule")}, [{args, ["port"]}, {packet, 4}, binary, exit_status])

The OTP application `py` (`bascule path erlang`) does that, and speaks with it. Standard output belongs to the port;
what is for people goes to standard error. The end of the input is the end.
"""

from __future__ import annotations

import argparse
import shutil
import sys

from bascule.bridge.cli.stdio import add_worker_options, cache_rules, folders, start


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "port",
        help="be an Erlang port over stdio",
        description="Serve Python to an Erlang node as a port program; the OTP application `py` starts it.",
    )
    parser.add_argument(
        "--packet",
        type=int,
        choices=(1, 2, 4),
        default=4,
        help="bytes of length before each frame, as in the port's {packet, N} (default: 4)",
    )
    add_worker_options(parser)
    parser.add_argument(
        "--preload",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module to import before the first call, may be repeated",
    )
    parser.add_argument(
        "--mount",
        action="append",
        default=[],
        metavar="PACKAGE:Class",
        help="an implementation of a contract to offer, may be repeated",
    )
    parser.add_argument(
        "--scheduler",
        default="least_busy",
        metavar="NAME",
        help="how a worker is chosen for a call (default: least_busy)",
    )
    parser.add_argument("--cache", metavar="FILE", help="keep answers as the [cache] tables of this configuration say")


def run(options: argparse.Namespace) -> int:
    """Serve until the port is closed."""
    python = shutil.which(options.python) if options.python else None
    if options.python and python is None:
        print(f"bascule port: --python {options.python}: there is no such executable", file=sys.stderr)
        return 2
    rules = cache_rules("port", options.cache)
    if isinstance(rules, int):
        return rules
    early = start("port", python)
    if isinstance(early, int):
        return early
    from bascule.bridge.app import run_stdio, stdio_spec
    from bascule.bridge.doors.port import PortDoor
    from bascule.bridge.scheduling import UnknownScheduler

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
        status = run_stdio(spec, door, early, cache=rules)
    except UnknownScheduler as error:
        print(f"bascule port: --scheduler: {error}", file=sys.stderr)
        return 2
    if door.problem:
        print(f"bascule port: {door.problem}", file=sys.stderr)
        return 1
    return status
