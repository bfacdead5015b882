"""What user code does wrong, for tests of what becomes of it. Imported by workers only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path


def pid() -> int:
    return os.getpid()


def segfault() -> None:
    ctypes.string_at(0)


def kill_self(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def hang_in_c(seconds: float) -> None:
    """Holds the GIL and hears no signal: PyDLL does not let go of it."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


def hang_stubbornly() -> None:
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


def eat_memory() -> int:
    blocks = []
    while True:
        blocks.append(bytearray(16 << 20))


def close_everything() -> str:
    os.closerange(3, 4096)
    return "closed"


def close_everything_and_stay() -> None:
    os.closerange(3, 4096)
    time.sleep(60)


def write_rubbish() -> None:
    """To every descriptor that takes it, the wire among them."""
    for fd in range(3, 1100):
        with contextlib.suppress(OSError):
            os.write(fd, b"\xff" * 4096)
    time.sleep(60)


def fork_and_return() -> int:
    """Both processes come back from the call; only one may answer."""
    os.fork()
    return os.getpid()


def fork_and_leave_child() -> int:
    child = os.fork()
    if child == 0:
        time.sleep(300)
        os._exit(0)
    return child


def start_child(session: bool) -> int:
    command = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(300)"]
    return subprocess.Popen(command, start_new_session=session).pid


def start_child_here(session: bool) -> list[int]:
    return [os.getpid(), start_child(session)]


def exit_hard(code: int) -> None:
    os._exit(code)


def exit_politely(code: int) -> None:
    sys.exit(code)


class Uncaught(BaseException):
    pass


def raise_base() -> None:
    raise Uncaught("not an Exception")


def raise_interrupt() -> None:
    raise KeyboardInterrupt


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1) + 1


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def cyclic() -> list[object]:
    value: list[object] = [1]
    value.append(value)
    return value


class Unencodable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr either")


def unencodable() -> Unencodable:
    return Unencodable()


def print_much(megabytes: int) -> int:
    line = "x" * 1023
    for _ in range(megabytes * 1024):
        print(line)
    return megabytes


def write_everywhere() -> str:
    print("print")
    print("print to stderr", file=sys.stderr)
    os.write(1, b"os.write\n")
    libc = ctypes.CDLL(None)
    libc.dprintf(1, b"dprintf\n")
    subprocess.run(["echo", "child"], check=True)
    return "done"


def cause() -> None:
    try:
        raise KeyError("first")
    except KeyError as error:
        error.add_note("a note") if hasattr(error, "add_note") else None
        raise ValueError("second") from error


def count_up() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def kill_from_thread() -> None:
    threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
    time.sleep(60)


def raise_unprintable() -> None:
    class Bad(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    raise Bad


def wait_for(path: str) -> str:
    """At once for no path; else until somebody writes to that pipe."""
    return Path(path).read_text() if path else "at once"


def print_later(characters: int) -> int:
    """From a process of its own, when no call runs any more; its pid."""
    code = f"import time; time.sleep(0.2); print('x' * {characters})"
    return subprocess.Popen([sys.executable, "-c", code]).pid


def items_then_death(items: int) -> Iterator[int]:
    """A stream that kills its worker."""
    yield from range(items)
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def items_then_rest() -> Iterator[int]:
    """A stream whose second item does not come."""
    yield 1
    time.sleep(600)


def items_then_deaf() -> Iterator[int]:
    """A stream whose second item does not come, and that will not be stopped."""
    yield 1
    while True:
        try:
            time.sleep(600)
        except BaseException:
            continue


class DiesWhenLetGo:
    """An object whose finalizer kills the worker."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
