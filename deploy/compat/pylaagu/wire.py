"""Standard input and output of a program that is a pod, kept for the conversation with its client.

A program written as Py.Laagu's README shows reads messages from `sys.stdin.buffer`, writes answers to
`sys.stdout.buffer` and calls `dispatch` in between. There a `print`, an exception in the called function, a result that
JSON cannot carry, and the end of the input each ended it. `watch` puts itself between:

- What the program prints goes to standard error, and so does what anything else writes to descriptor 1.
- The end of the input raises EOFError, which such programs await; bcoding reads on and trips over it.
- When `dispatch` failed, the next answer that the program writes becomes an error for the client.

A program is taken for a pod when its client says so (BABASHKA_POD), else when it reads from standard input while both
ends are pipes or sockets. Until that is clear what it prints is held back; a program that turns out to be none prints
to standard output in the end.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import stat
import sys
import traceback
from collections.abc import Callable
from typing import Any

from bcoding import bdecode, bencode


class _Pod:
    """The conversation; there is at most one in a process."""

    def __init__(self) -> None:
        self.speaking = False
        self.failure: BaseException | None = None
        self._held: list[str] = []
        self._stdout = sys.stdout
        self._wire: io.BufferedWriter | None = None

    def begin(self) -> None:
        """It is a pod: from here on descriptor 1 is standard error, and the client is elsewhere."""
        if self.speaking:
            return
        self.speaking = True
        self._stdout.flush()
        self._wire = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        for text in self._held:
            sys.stderr.write(text)
        self._held.clear()

    def printed(self, text: str) -> None:
        """Somebody printed."""
        if self.speaking:
            sys.stderr.write(text)
        else:
            self._held.append(text)

    def end(self) -> None:
        """The program ends; was it no pod, what it printed was meant for its standard output."""
        if not self.speaking:
            self._stdout.write("".join(self._held))
            self._held.clear()
            self._stdout.flush()

    def write(self, data: bytes) -> int:
        """An answer of the program's; an error in its place when the call failed."""
        self.begin()
        assert self._wire is not None
        failure, self.failure = self.failure, None
        try:
            self._wire.write(data if failure is None else _with_error(data, failure))
            self._wire.flush()
        except BrokenPipeError:
            raise EOFError("the pod's client has gone") from None
        return len(data)


def _with_error(answer: bytes, failure: BaseException) -> bytes:
    message = dict(bdecode(answer))
    message.pop("value", None)
    trace = traceback.format_exception(type(failure), failure, failure.__traceback__)
    data = {
        "class": type(failure).__name__,
        "module": type(failure).__module__,
        "message": str(failure),
        "traceback": "".join(trace),
    }
    message["status"] = ["done", "error"]
    message["ex-message"] = f"{type(failure).__name__}: {failure}"
    message["ex-data"] = json.dumps(data)
    encoded: bytes = bencode(message)
    return encoded


class _Answers(io.RawIOBase):
    """What `sys.stdout.buffer` is."""

    def __init__(self, pod: _Pod) -> None:
        self._pod = pod

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, data: Any) -> int:
        """One answer."""
        return self._pod.write(bytes(data))


class _Printed(io.TextIOBase):
    """What `sys.stdout` is."""

    def __init__(self, pod: _Pod) -> None:
        self._pod = pod
        self.buffer = _Answers(pod)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, text: str) -> int:
        """Something printed."""
        self._pod.printed(text)
        return len(text)


class _Messages(io.RawIOBase):
    """What `sys.stdin.buffer` is."""

    def __init__(self, pod: _Pod, source: Any) -> None:
        self._pod = pod
        self._source = source

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0

    def read(self, size: int = -1) -> bytes:
        """As a file's, but EOFError at the end."""
        self._pod.begin()
        data: bytes = self._source.read(size)
        if not data and size != 0:
            raise EOFError("the pod's client has gone")
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def peek(self, size: int = 0) -> bytes:
        """What can be seen without taking it; EOFError at the end."""
        self._pod.begin()
        data: bytes = self._source.peek(size)
        if not data:
            raise EOFError("the pod's client has gone")
        return data


class _Input(io.TextIOBase):
    """What `sys.stdin` is."""

    def __init__(self, pod: _Pod, source: Any) -> None:
        self._source = source
        self.buffer = _Messages(pod, source.buffer)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0

    def read(self, size: int | None = -1) -> str:
        text: str = self._source.read(size)
        return text

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        text: str = self._source.readline(size)
        return text


_pod: _Pod | None = None


def watch() -> None:
    """Stand between the program and its client, if it may be a pod."""
    global _pod
    said = os.environ.get("BABASHKA_POD") == "true"
    if _pod is not None or not (said or (_is_pipe(0) and _is_pipe(1))):
        return
    if not (hasattr(sys.stdin, "buffer") and sys.stdout is sys.__stdout__ and sys.stdin is sys.__stdin__):
        return  # somebody else has put something in their place
    _pod = _Pod()
    sys.stdin, sys.stdout = _Input(_pod, sys.stdin), _Printed(_pod)  # type: ignore[assignment]
    atexit.register(_pod.end)
    if said:
        _pod.begin()


def _is_pipe(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def answered(call: Callable[[], Any]) -> Any:
    """Do it; in a pod what it raises is kept for the client, and None is given in its place.

    Raises:
        Exception: What it raised, where there is no client to tell it.
    """
    pod = _pod
    if pod is None or not pod.speaking:
        return call()
    pod.failure = None
    try:
        value = call()
    except (Exception, SystemExit) as error:
        pod.failure = error
        return None
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        pod.failure = TypeError(f"the result, of type {type(value).__name__}, can't be written as JSON: {error}")
        return None
    return value
