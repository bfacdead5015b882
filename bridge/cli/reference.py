"""The reference page of all commands, made from their parsers: `python -m bascule.bridge.cli.reference`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from importlib import import_module

from bascule.bridge.cli.main import COMMANDS


def page() -> str:
    """The page, in Markdown."""
    os.environ["XDG_RUNTIME_DIR"] = "/run/user/1000"  # defaults are shown as a user of systemd has them
    os.environ.pop("BASCULE_SOCKET", None)
    root = argparse.ArgumentParser(prog="bascule")
    commands = root.add_subparsers(metavar="COMMAND", dest="command")
    lines = [
        "# Commands and options",
        "",
        "Every command with every option, as `--help` has them; [the command line](cli.md) has examples.",
        "",
        "This page is made by `python -m bascule.bridge.cli.reference`.",
    ]
    for name in COMMANDS:
        import_module(f"bascule.bridge.cli.{name}").register(commands)
        lines += _command(commands.choices[name])
    return "\n".join(lines) + "\n"


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from ("", f"## {parser.prog}", "", parser.description or "", "")
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    yield from ("```text", usage, "```")
    yield from _arguments(parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            for name, inner in action.choices.items():
                yield from ("", f"### {inner.prog}", "", f"{(helps.get(name) or '').capitalize()}.")
                yield from _arguments(inner)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    shown = [
        action
        for action in parser._actions
        if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction)
    ]
    if shown:
        yield from ("", "| argument | meaning |", "|---|---|")
    for action in shown:
        yield f"| `{_words(action)}` | {_cell(action.help or '')} |"


def _words(action: argparse.Action) -> str:
    value = action.metavar or (None if action.nargs == 0 else action.dest.upper())
    value = "\\|".join(map(str, action.choices)) if action.choices is not None and action.metavar is None else value
    names = ", ".join(action.option_strings)
    return " ".join(part for part in (names, str(value) if value else "") if part)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("%%", "%")


if __name__ == "__main__":
    print(page(), end="")
