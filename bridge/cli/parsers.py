"""The parser of the whole command line, for those who print it: the reference page, completion, the manual page.

`main` builds no more than the parser of the command that was asked for.
"""

from __future__ import annotations

import argparse
import os
from importlib import import_module

import bascule
from bascule.bridge.cli.main import COMMANDS
from bascule.bridge.cli.mistakes import Parser


def whole_parser(*, as_documented: bool = False) -> argparse.ArgumentParser:
    """`bascule` with all its commands.

    Args:
        as_documented: Defaults are shown as a user of systemd has them, whoever we are.
    """
    if as_documented:
        os.environ["XDG_RUNTIME_DIR"] = "/run/user/1000"
        os.environ.pop("BASCULE_SOCKET", None)
    parser = Parser(prog="bascule", description="The bridge between any runtime and Python.")
    parser.add_argument(
        "--version", action="version", version=f"bascule {bascule.__version__}", help="print the version"
    )
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for name in COMMANDS:
        import_module(f"bascule.bridge.cli.{name}").register(commands)
    return parser


def subcommands(parser: argparse.ArgumentParser) -> dict[str, tuple[argparse.ArgumentParser, str]]:
    """The parsers below one, by name, each with what it is for."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            return {name: (inner, helps.get(name, "")) for name, inner in action.choices.items()}
    return {}


def shown_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Its own options and arguments, without `--help` and the commands below it."""
    return [
        one
        for one in parser._actions
        if not isinstance(one, argparse._SubParsersAction | argparse._HelpAction) and one.help is not argparse.SUPPRESS
    ]


def value_words(action: argparse.Action) -> str:
    """What stands for its value: `FILE`, `text|json`; nothing for a switch."""
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        return " ".join(action.metavar) if isinstance(action.metavar, tuple) else action.metavar
    return "|".join(map(str, action.choices)) if action.choices is not None else action.dest.upper()


def help_text(action: argparse.Action) -> str:
    """What it is for, in one line."""
    return " ".join((action.help or "").replace("%%", "%").split())
