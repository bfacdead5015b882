"""Shows each step in the terminal and keeps the count of what was right and what was not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

Check = Callable[[object], bool]


class Stage:
    """What the steps tell the audience through.

    Attributes:
        right: How many answers were as expected.
        wrong: What was not, as lines to show again at the end.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.right = 0
        self.wrong: list[str] = []
        self._act = ""

    @contextmanager
    def act(self, title: str) -> Iterator[None]:
        """A part of the demo. An exception in it is shown and counted, and the next part goes on."""
        around, self._act = self._act, title
        self.console.print()
        self.console.rule(f"[bold]{escape(title)}", align="left")
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            self._failed(f"{type(error).__name__}: {error}")
            self.console.print_exception(max_frames=8)
        finally:
            self._act = around
        self.console.print(f"  [dim]{(time.perf_counter() - started) * 1e3:.0f} ms")

    def expect(self, what: str, actual: object, expected: object) -> None:
        """Show `what` with its answer; it must equal `expected`, in type as well."""
        self.check(what, actual, actual == expected and type(actual) is type(expected), f"expected {expected!r}")

    def check(self, what: str, actual: object, right: bool, why: str = "not as expected") -> None:
        """Show `what` with its answer, and whether it is right."""
        shown = actual if isinstance(actual, str) else repr(actual)
        shown = shown if len(shown) <= 90 else f"{shown[:87]}..."
        if right:
            self.right += 1
            self.console.print(f"  [green]ok[/]  {escape(what)}  [dim]->[/]  [cyan]{escape(shown)}", highlight=False)
        else:
            self.console.print(f"  [red]no[/]  {escape(what)}  [dim]->[/]  {escape(shown)}", highlight=False)
            self._failed(f"{what} -> {shown}: {why}")

    def say(self, text: str) -> None:
        """A remark."""
        self.console.print(f"      [dim]{escape(text)}", highlight=False)

    def _failed(self, why: str) -> None:
        self.wrong.append(f"{self._act}: {why}")
