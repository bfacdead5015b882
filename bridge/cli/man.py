"""`bascule man`: the manual page, made from the parsers.

bascule man | man -l -
bascule man > /usr/local/share/man/man1/bascule.1
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import bascule

_STATUSES = (
    ("0", "done"),
    ("1", "the work failed"),
    ("2", "the command line or the configuration is wrong; nothing was started"),
    ("3", "no service answers at the socket"),
    ("130", "interrupted from the keyboard"),
)
_VARIABLES = (
    ("BASCULE_SOCKET", "where the service listens, and clients look for it"),
    ("XDG_RUNTIME_DIR", "without that, the folder that has bascule/bascule.sock in it"),
)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    commands.add_parser(
        "man",
        help="print the manual page",
        description="Print the manual page, for man: bascule man | man -l -",
    )


def run(_options: argparse.Namespace) -> int:
    """Print it."""
    print(page(), end="")
    return 0


def page() -> str:
    """The page, for troff with the man macros."""
    from bascule.bridge.cli.parsers import subcommands, whole_parser

    parser = whole_parser(as_documented=True)
    lines = [
        f'.TH BASCULE 1 "" "bascule {bascule.__version__}" "User Commands"',
        ".SH NAME",
        r"bascule \- the bridge between any runtime and Python",
        ".SH SYNOPSIS",
        ".B bascule",
        r"[\fB\-\-version\fR] [\fB\-\-help\fR] \fICOMMAND\fR ...",
        ".SH DESCRIPTION",
        "A supervisor keeps pools of Python worker processes alive, balances calls over them, and serves them to other",
        "runtimes: a babashka pod, an Erlang port, a socket and the shell.",
        "Each command explains itself with",
        r".BR \-\-help .",
        ".SH COMMANDS",
    ]
    for name, (command, _) in subcommands(parser).items():
        lines += _command(name, command)
    lines += [".SH EXIT STATUS", *_listed(_STATUSES), ".SH ENVIRONMENT", *_listed(_VARIABLES)]
    return "\n".join(lines) + "\n"


def _command(name: str, parser: argparse.ArgumentParser, prefix: str = "bascule") -> Iterator[str]:
    from bascule.bridge.cli.parsers import help_text, shown_actions, subcommands, value_words

    yield f'.SS "{_plain(f"{prefix} {name}")}"'
    if parser.description:
        yield _plain(parser.description)
    for action in shown_actions(parser):
        yield ".TP"
        value = f"\\fI{_plain(value_words(action))}\\fR" if value_words(action) else ""
        options = ", ".join([f"\\fB{_plain(one)}\\fR" for one in action.option_strings])
        yield " ".join([part for part in (options, value) if part])
        yield _plain(help_text(action)) or "."
    for word, (below, meaning) in subcommands(parser).items():
        below.description = below.description or (meaning[:1].upper() + meaning[1:] + "." if meaning else None)
        yield from _command(word, below, f"{prefix} {name}")


def _listed(rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for word, meaning in rows:
        yield from (".TP", f"\\fB{_plain(word)}\\fR", _plain(meaning))


def _plain(text: str) -> str:
    """Text that troff takes for text: no escapes, no requests, and hyphens that can be copied."""
    escaped = " ".join(text.replace("%%", "%").split()).replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped
