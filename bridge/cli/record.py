"""`bascule record`: which API other code really uses, from running it to typed stubs.

    bascule record --from xarray --to numpy -o stubs/ -- pytest --pyargs xarray

does all of it; the steps of the pipeline are commands of their own, each a file in and a file out:

    bascule record run --from app --to numpy -o trace.jsonl -m app
    bascule record counts trace.jsonl -o grouped.jsonl
    bascule record infer grouped.jsonl --label app --module numpy -o app-api.json
    bascule record combine app-api.json other-api.json -o api.json
    bascule record write api.json -o stubs/

Exit statuses: that of the program which was recorded; of a step 0 done, 1 it failed, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse

_STEPS = ("run", "pytest", "counts", "infer", "combine", "write", "report")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser; `run` reads what follows it, since a program's own arguments are part of that."""
    parser = commands.add_parser("record", help="record which API code really uses", add_help=False, prefix_chars="\0")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)


def run(options: argparse.Namespace) -> int:
    """Do the step, or all of them."""
    from bascule.bridge.cli import recording

    arguments = options.arguments
    if arguments and arguments[0] in _STEPS:
        return recording.step(arguments)
    return recording.everything(arguments)
