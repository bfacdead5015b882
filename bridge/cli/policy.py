"""`bascule policy`: what a listener should allow, from what its clients were seen to call."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "policy",
        help="suggest what a listener should allow",
        description="Suggest what a listener should allow.",
    )
    steps = parser.add_subparsers(metavar="STEP", required=True)
    suggest = steps.add_parser(
        "suggest",
        help="from the trace of a service's calls",
        description="Print the lines for a listener's table of the configuration that allow what clients were seen to "
        "call, and nothing else.",
    )
    suggest.add_argument("traces", nargs="+", type=Path, metavar="TRACE", help="what a service recorded")
    suggest.add_argument(
        "--modules", action="store_true", help="allow whole modules (`math:*`) instead of single functions"
    )
    suggest.add_argument(
        "--strict", action="store_true", help="a damaged line is an error; else it is told and skipped"
    )


def run(options: argparse.Namespace) -> int:
    """Print the suggestion; the exit status."""
    from bascule.bridge.recording.policy import suggest
    from bascule.bridge.recording.reading import Damage, InputError

    damage = Damage(strict=options.strict)
    try:
        suggestion = suggest(options.traces, damage, modules=options.modules)
    except InputError as error:
        print(f"bascule policy: {error}", file=sys.stderr)
        return 1
    for line in damage.lines():
        print(f"bascule policy: {line}", file=sys.stderr)
    print(suggestion.as_toml(), end="")
    return 0
