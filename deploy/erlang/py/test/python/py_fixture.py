"""What the tests of the Erlang application call: code that fails, waits, prints, keeps state and ends its process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bascule import erlang


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

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


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


def hang_with(_account: Account, marker: str) -> None:
    hang(marker)


def wait_with(account: Account, marker: str) -> str:
    wait_for(marker, "")
    return account.owner


def count_with(_account: Account, limit: int, marker: str) -> Any:
    yield from count_to(limit, marker)


def say_with(_account: Account, text: str) -> str:
    return say(text)


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


def ask_node(module: str, function: str, *arguments: Any) -> Any:
    """What a function of the calling node gives."""
    return erlang.call(module, function, list(arguments))


def ask_in_time(module: str, function: str, *arguments: Any) -> str:
    try:
        erlang.call(module, function, list(arguments), timeout=0.05)
    except TimeoutError:
        return "too late"
    return "in time"


def why_not(module: str, function: str, *arguments: Any) -> tuple[str, str, str]:
    """How a function of the calling node fails."""
    try:
        erlang.call(module, function, list(arguments))
    except erlang.CallbackFailed as failure:
        return failure.kind, failure.error["class"], failure.error["message"]
    return "", "", ""


def factorial(number: int) -> int:
    """Half of a recursion, of which the other half is `py_callback_tests:factorial/1`."""
    return 1 if number < 2 else number * erlang.call("py_callback_tests", "factorial", [number - 1])


def apply_to(function: Any, *values: Any) -> list[Any]:
    return [function(value) for value in values]


def send_numbers(to: Any, count: int) -> None:
    for number in range(count):
        erlang.send(to, ("number", number))


def square_in_threads(count: int) -> list[int]:
    """Each thread asks the node, which calls Python again to answer."""
    answers: dict[int, int] = {}
    caller = erlang.caller()

    def work(number: int) -> None:
        answers[number] = caller.ask("py_callback_tests:square", [number])

    threads = [threading.Thread(target=work, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(count)]


def ask_here(what: str, arguments: list[Any]) -> Any:
    return erlang.caller().ask(what, arguments)


def in_a_thread(what: str, arguments: list[Any]) -> list[Any]:
    """Asks from a thread of its own, and waits for that as long as need be."""
    answers: list[Any] = []
    caller = erlang.caller()

    def work() -> None:
        try:
            answers.append(caller.ask(what, arguments))
        except erlang.CallbackFailed as failure:
            answers.append(failure.kind)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        thread.join()
    finally:
        thread.join()
    return answers


def who_calls(_account: Account | None = None) -> list[Any]:
    return [erlang.self(), erlang.self() == erlang.self(), erlang.make_ref() == erlang.make_ref()]


def echo_messages_to(pid: Any) -> None:
    """From now on this worker sends back what it is sent."""
    erlang.set_message_handler(lambda message: erlang.send(pid, ("echo", message)))


def count_to(limit: int, marker: str = "") -> Any:
    """A stream that says when it was closed."""
    try:
        yield from range(limit)
    finally:
        if marker:
            publish(marker + ".closed", "closed")


def total(accounts: Any) -> int:
    """Deposits 10 in each account, wherever it stands."""
    if isinstance(accounts, Account):
        accounts.deposit(10)
        return 10
    if isinstance(accounts, dict):
        accounts = accounts.values()
    return sum(map(total, accounts))


def one_and_no_more(_limit: int, marker: str) -> Any:
    """Its second value never comes."""
    try:
        yield 0
        while True:
            time.sleep(0.005)
    finally:
        publish(marker + ".closed", "closed")


def worker() -> int:
    return os.getpid()


def fail_at(bad: int, number: int) -> int:
    if number == bad:
        raise ValueError(f"not {number}")
    return number


def square_or_fail(number: int) -> int:
    return fail_at(13, number) ** 2


def slowly(number: int) -> int:
    time.sleep(0.01)
    return number


def worker_for(_item: Any) -> int:
    return os.getpid()


def die_at_five(number: int) -> int:
    if number == 5:
        die()
    return number


def die_once(marker: str) -> str:
    """Ends its worker the first time that it is called with this marker."""
    if not Path(marker).exists():
        publish(marker, "")
        die()
    return marker


def hang_once(marker: str) -> str:
    """Comes back the second time that it is called with this marker; the first one hangs until it is stopped."""
    if marker and is_first(marker):
        hang(marker)
    return marker


def is_first(marker: str) -> bool:
    try:
        Path(marker + ".first").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def joined(first: Any, second: Any) -> Any:
    """An associative function of texts, bytes and tuples; the types must have stayed what they were."""
    assert type(first) is type(second), (first, second)
    return first + second


def as_bytes(text: str) -> bytes:
    return text.encode()


def as_tuple(number: int) -> tuple[int, ...]:
    return (number,)


def bridge_of(_item: Any) -> int:
    return os.getppid()


def wait_for_go(marker: str) -> str:
    """Says which bridge runs it, and is done once somebody makes `marker`.go."""
    publish(f"{marker}.started", str(os.getppid()))
    while not Path(f"{marker}.go").exists():
        time.sleep(0.005)
    return "done"


def names(count: int) -> dict[str, int]:
    """So many different names, as a program would have them that reads its names from data."""
    return {f"a name of nobody's {number}": number for number in range(count)}


def forged_atoms(count: int) -> list[erlang.Atom]:
    return [erlang.Atom(f"forged atom {number}") for number in range(count)]
