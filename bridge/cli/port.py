"""`bascule port`: be an Erlang port over stdio.

    open_port({spawn_executable, os:find_executable("bascule")}, [{args, ["port"]}, {packet, 4}, binary, exit_status])

The OTP application `py` (`bascule path erlang`) does that, and speaks with it. Standard output belongs to the port;
what is for people goes to standard error. The end of the input is the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from bascule.bridge.early import NotStarted, start_early


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
    parser.add_argument("--workers", type=_positive, default=2, metavar="N", help="worker processes (default: 2)")
    parser.add_argument("--python", metavar="EXE", help="the workers' interpreter (default: this one)")
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder to import modules from, may be repeated (default: the current one)",
    )
    parser.add_argument(
        "--preload",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module to import before the first call, may be repeated",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until the port is closed."""
    python = options.python
    if python is not None and shutil.which(python) is None:
        print(f"bascule port: --python {python}: there is no such executable", file=sys.stderr)
        return 2
    try:
        early = start_early(shutil.which(python) if python else None)  # it starts up while we import the rest
    except NotStarted as error:
        print(f"bascule port: {error}", file=sys.stderr)
        return error.status
    from bascule.bridge.app import run_stdio, stdio_spec
    from bascule.bridge.doors.port import PortDoor

    door = PortDoor(options.packet)

    spec = stdio_spec(
        workers=options.workers,
        python=shutil.which(python) if python else None,
        # os.path: the node waits, and pathlib is not imported otherwise
        paths=tuple([os.path.abspath(folder) for folder in options.path or ["."]]),  # noqa: PTH100
        preload=tuple(options.preload),
    )
    status = run_stdio(spec, door, early)
    if door.problem:
        print(f"bascule port: {door.problem}", file=sys.stderr)
        return 1
    return status


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number
