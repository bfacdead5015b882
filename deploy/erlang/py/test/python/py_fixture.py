"""What the tests of the Erlang application call: code that fails, waits, prints, keeps state and ends its process."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


class Account:
    """Keeps state: only a handle can show that it is the same object each time."""

    def __init__(self, owner: str = "nobody", *, balance: int = 0) -> None:
        self.owner = owner
        self.balance = balance
        self._entries: list[int] = []

    def deposit(self, amount: int) -> int:
        self.balance += amount
        self._entries.append(amount)
        return self.balance

    def itself(self) -> Account:
        return self

    def worker(self) -> int:
        return os.getpid()


class Chatty(Exception):
    """Has a cause and, where Python can, a note."""


def echo(value: Any) -> Any:
    return value


def kind_of(value: Any) -> str:
    return type(value).__name__


def keywords(**given: Any) -> list[tuple[str, Any]]:
    return sorted(given.items())


def fail_with_cause(number: int) -> None:
    try:
        1 / number
    except ZeroDivisionError as error:
        chatty = Chatty(f"no use: {number}")
        if hasattr(chatty, "add_note"):
            chatty.add_note("try another number")
        raise chatty from error


def hang(marker: str) -> None:
    """Says in `marker`.started that it runs, and in `marker`.stopped that it was stopped by an exception."""
    publish(marker + ".started", str(os.getpid()))
    try:
        while True:
            time.sleep(0.005)
    finally:
        publish(marker + ".stopped", str(os.getpid()))


def wait_for(marker: str, name: str) -> str:
    """Says that it runs, and returns `name` once somebody makes `marker`.go."""
    publish(f"{marker}.started", str(os.getpid()))
    while not Path(f"{marker}.go").exists():
        time.sleep(0.005)
    return name


def publish(path: str, text: str) -> None:
    """The file appears with its content."""
    draft = Path(f"{path}.draft")
    draft.write_text(text)
    draft.replace(path)


def say(text: str) -> str:
    print(text)
    return "said"


def warn(text: str) -> None:
    print(text, file=sys.stderr)


def shout(text: str) -> None:
    """By the C level: nobody's sys.stdout is asked."""
    os.write(1, (text + "\n").encode())


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
