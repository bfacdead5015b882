"""argparse's parser, with better words for what is wrong with a command line.

A word that is not known is answered with the one that comes close, by the parser of the command that was meant; and
arguments may stand on both sides of an option, as shell users write them. Only imported where argparse reads at all.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

_NUMBERS: dict[type, str] = {int: "whole number", float: "number"}


class Parser(argparse.ArgumentParser):
    """A command's parser; those of the commands below it are of the same class."""

    def parse_known_args(  # type: ignore[override]  # argparse's own is overloaded on the namespace's type
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse does; what it would hand to its caller as unknown is taken or refused here."""
        values, rest = super().parse_known_args(args, namespace)
        if rest:
            self._take(values, rest)
        return values, []

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, how the command is written, and where to read more; exit with status 2."""
        self.print_usage()
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")

    def print_usage(self, file: Any = None) -> None:
        """On standard error, unless told otherwise."""
        import sys

        super().print_usage(file or sys.stderr)

    def _take(self, values: Any, rest: list[str]) -> None:
        """Words that were left: more of the arguments that come in any number, else a mistake."""
        unknown = [word for word in rest if word.startswith("-")]
        if unknown:
            close = _close(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"there is no option {unknown[0]}{close or self._dashes()}")
        last = self._get_positional_actions()[-1:]
        if not last or last[0].nargs != "*":
            self.error(f"too many arguments: {' '.join(rest)}")
        setattr(values, last[0].dest, [*getattr(values, last[0].dest), *rest])

    def _dashes(self) -> str:
        """How an argument with a dash is given, where the command takes any."""
        return "; an argument that begins with a dash stands behind --" if self._get_positional_actions() else ""

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        wanted = _NUMBERS.get(action.type) if isinstance(action.type, type) else None
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            if wanted is None:
                raise
            raise argparse.ArgumentError(action, f"{arg_string!r} is no {wanted}") from None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        guess = _close(str(value), known)
        raise argparse.ArgumentError(action, f"there is no {value!r}{guess or '; allowed: ' + ', '.join(known)}")


def _close(word: str, known: Iterable[str]) -> str:
    """`; did you mean a or b?`, or nothing."""
    named = {each.lstrip("-"): each for each in sorted(known)}  # without dashes, which all options have in common
    bare = word.lstrip("-")
    close = [each for name, each in named.items() if bare and name.startswith(bare)]
    close += [named[name] for name in difflib.get_close_matches(bare, named, 3) if named[name] not in close]
    return f"; did you mean {' or '.join(close[:3])}?" if close else ""
