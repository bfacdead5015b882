"""What user code reads and prints: text goes to Erlang as `{'P', Text}`, each write at once; there is nothing to read.

That is the level of Python. Below it, descriptor 0 is empty and descriptor 1 is standard error, so neither C code nor a
child process can write between the frames.
"""

from __future__ import annotations

import io

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from bascule.workers.erlport.exchange import Exchange


class PortOutput(io.TextIOBase):
    """`sys.stdout`: a text stream that Erlang prints."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    encoding = "UTF-8"
    mode = "w"
    name = "<stdout>"

    def readable(self) -> bool:
        """It is not."""
        return False

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """As ErlPort says: so programs print as they would for a person."""
        return True

    def fileno(self) -> int:
        """A descriptor that may be given to a child: it is standard error."""
        return 1

    def write(self, text: str) -> int:
        """Send the text."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if not isinstance(text, str):
            raise TypeError(f"must be str, not {type(text).__name__}")
        self._exchange.send(self._exchange.conversation.output(str.__str__(text)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        """Send all of it in one."""
        self.write("".join(lines))


class NoInput(io.TextIOBase):
    """`sys.stdin`: Erlang has no way to type."""

    encoding = "UTF-8"
    mode = "r"
    name = "<stdin>"

    def readable(self) -> bool:
        """It is not."""
        return False

    def _refuse(self, *_: object) -> NoReturn:
        raise io.UnsupportedOperation("a process that Erlang started has no standard input to read")

    fileno = read = readline = readlines = _refuse
    __next__ = _refuse
