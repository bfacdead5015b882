"""The reference page of all commands, made from their parsers: `python -m bascule.bridge.cli.reference`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from bascule.bridge.cli.parsers import shown_actions, subcommands, whole_parser


def page() -> str:
    """The page, in Markdown."""
    lines = [
        "# Commands and options",
        "",
        "Every command with every option, as `--help` has them; [the command line](cli.md) has examples.",
        "",
        "This page is made by `python -m bascule.bridge.cli.reference`.",
    ]
    for parser, _ in subcommands(whole_parser(as_documented=True)).values():
        lines += _command(parser)
    return "\n".join(lines) + "\n"


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from ("", f"## {parser.prog}", "", parser.description or "", "")
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    yield from ("```text", usage, "```")
    yield from _arguments(parser)
    for inner, meaning in subcommands(parser).values():
        yield from ("", f"### {inner.prog}", "", f"{meaning.capitalize()}.")
        yield from _arguments(inner)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    shown = shown_actions(parser)
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
