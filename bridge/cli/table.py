"""A command's options as a table, for two readers of the command line.

argparse reads any command line, explains it, and says what is wrong with it; importing it costs a pod a tenth of the
time that its client waits. So `plainly` reads the command lines that programs write: known options, each with its value
as the next argument, and positionals. For anything else, it gives up, and argparse has the word.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import Any


class Option:
    """One option of a command.

    Args:
        flag: As it is written.
        metavar: What stands for its value; None: it is a switch.
        help: What its user reads.
        default: Its value where it is not given.
        read: Makes the value of its text, or raises ValueError.
        choices: The values that are allowed.
        many: It may be repeated: its value is a list.
    """

    __slots__ = ("choices", "default", "flag", "help", "many", "metavar", "name", "read")

    def __init__(
        self,
        flag: str,
        metavar: str | None,
        help: str,
        *,
        default: Any = None,
        read: Callable[[str], Any] = str,
        choices: tuple[Any, ...] = (),
        many: bool = False,
    ) -> None:
        self.flag = flag
        self.metavar = metavar
        self.help = help
        self.default: Any = [] if many else False if metavar is None else default
        self.read = read
        self.choices = choices
        self.many = many
        self.name = flag.lstrip("-").replace("-", "_")

    def add_to(self, parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
        """Make it known to argparse."""
        if self.metavar is None:
            parser.add_argument(self.flag, action="store_true", help=self.help)
            return
        from argparse import ArgumentTypeError

        def read(text: str) -> Any:
            try:
                return self.read(text)
            except ValueError as error:
                raise ArgumentTypeError(str(error)) from None

        parser.add_argument(
            self.flag,
            action="append" if self.many else "store",
            type=read,
            choices=self.choices or None,
            default=list(self.default) if self.many else self.default,
            metavar=self.metavar,
            help=self.help,
        )


class Values:
    """What a command line said, by the options' names."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def plainly(arguments: Sequence[str], options: Sequence[Option], positionals: str = "") -> Values | None:
    """The values of a command line that holds nothing but whole options and positionals; else None.

    Args:
        arguments: Without the command itself.
        options: What it may hold.
        positionals: The name for all that is no option; there must be nothing such where it is empty.
    """
    values: dict[str, Any] = {each.name: list(each.default) if each.many else each.default for each in options}
    rest: list[str] = []
    if positionals:
        values[positionals] = rest
    by_flag = {each.flag: each for each in options}
    at = 0
    while at < len(arguments):
        argument = arguments[at]
        at += 1
        if not argument.startswith("-"):
            if not positionals:
                return None
            rest.append(argument)
            continue
        option = by_flag.get(argument)
        if option is None:
            return None
        if option.metavar is None:
            values[option.name] = True
            continue
        if at == len(arguments) or arguments[at].startswith("-"):
            return None
        try:
            value = option.read(arguments[at])
        except ValueError:
            return None
        if option.choices and value not in option.choices:
            return None
        at += 1
        if option.many:
            values[option.name].append(value)
        else:
            values[option.name] = value
    return Values(values)
