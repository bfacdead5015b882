"""`bascule`: finds the command's module and runs it.

Only the module of the command that was asked for is imported: a pod or a port is started by a program that waits for
it, and pays for nothing else; a pod whose command line is plain not even for argparse. Exit statuses: 0 done, 1 the
work failed, 2 the command line is wrong, 3 no service answers.
"""

from __future__ import annotations

import sys

import bascule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COMMANDS = {
    "serve": "run the service on a Unix socket",
    "call": "call one function and print its result",
    "map": "call a function over many items",
    "pod": "be a babashka pod over stdio",
    "port": "be an Erlang port over stdio",
    "cache": "look into stores of results, tidy them, serve them",
    "record": "record which API code really uses",
    "sketch": "tell what a module offers, without importing it",
    "policy": "suggest what a listener should allow",
    "path": "print where the shipped files are",
    "config": "check, show or begin a configuration file",
    "status": "show a service's pools, workers and figures",
    "top": "watch a service live",
    "pool": "list, add, remove, scale, restart or drain pools",
    "sessions": "list the connected clients",
    "handles": "list the objects that clients hold",
    "calls": "list the calls that run or wait, or cancel one",
    "logs": "show what a service has logged lately, or follow it",
    "metrics": "print a service's figures for Prometheus",
    "mount": "offer an implementation of a contract on a running service",
    "contract": "check, generate and compare contracts (Gugugu's .pg files)",
    "reload": "have a service read its configuration again",
    "stop": "have a service drain and end",
    "token": "make a token for a listener",
    "doctor": "look at what a service needs on this machine, and say what to do",
    "completion": "print a shell's completion, or install it",
    "man": "print the manual page",
}
"""Command -> what it does. Each is the module of that name in this package, with `register` and `run`."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:2] == ["pod", "--attach"] and not {"--install", "--help", "-h"} & {*arguments}:
        from bascule.bridge.cli import relay

        return relay.main(arguments[2:])
    command = arguments[0] if arguments else ""
    try:
        try:
            return _run(command, arguments)
        finally:
            if sys.stdout is not None and not sys.stdout.closed:
                sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        from bascule.bridge.cli.output import unwritten

        return unwritten(error, f"bascule {command}".rstrip())


def _run(command: str, arguments: list[str]) -> int:
    """Read the rest of the command line, and do what it says."""
    options = None
    if command == "pod":
        from bascule.bridge.cli import pod

        options = pod.parse(arguments[1:])
    elif command == "port":
        from bascule.bridge.cli import port

        options = port.parse(arguments[1:])
    if options is None:
        command, options = _parsed(arguments)
    if sys.platform != "linux" and command != "path":
        message = "bascule needs Linux: its workers are watched by pidfd, share memfd pages and end with their parent"
        print(f"{message}; this is {sys.platform}", file=sys.stderr)
        return 2
    from importlib import import_module

    module = import_module(f"bascule.bridge.cli.{command}")
    status: int = module.run(options)
    return status


def _parsed(arguments: list[str]) -> tuple[str, Any]:
    """The command and what it is told; where that is not well formed, the process ends with the reason."""
    from importlib import import_module

    from bascule.bridge.cli.mistakes import Parser

    parser = Parser(prog="bascule", description="The bridge between any runtime and Python.")
    parser.add_argument("--version", action="version", version=f"bascule {bascule.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    wanted = arguments[0] if arguments and arguments[0] in COMMANDS else None
    for name, summary in COMMANDS.items():
        if name == wanted:
            import_module(f"bascule.bridge.cli.{name}").register(commands)
        else:
            commands.add_parser(name, help=summary)
    options = parser.parse_args(arguments)
    return options.command, options


if __name__ == "__main__":
    sys.exit(main())
