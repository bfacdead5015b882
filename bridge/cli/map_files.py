"""`bascule map --over FILE`: from a file of JSON lines to a file of results, in a way that survives every death.

A result is a line `{"line": 7, "result": ...}`, an error `{"line": 7, "error": {...}}`; the number is that of the
item's line, from 1 on. Lines are written whole, many with one system call, as results are completed. So a file is
always a whole number of lines and at most one torn one, which `--resume` cuts off before it goes on with the lines that
have neither a result nor an error.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bascule.bridge.client.progress import Shown
from bascule.bridge.errors import BasculeError, CallError, Timeout, to_map
from bascule.protocols import jsonic
from bascule.protocols.errors import ProtocolError

if TYPE_CHECKING:
    import argparse

    from bascule.bridge.client import Client
    from bascule.bridge.client.scattering import Result

_BATCH = 64 << 10  # bytes that are written at once, or
_BATCH_SECONDS = 0.2  # what was completed within so long
INTERRUPTED = 130


class FileError(Exception):
    """A file can't be used; the message says which and why."""


class DiskError(FileError):
    """A file could not be written while the work was done."""


class Done:
    """Which lines are done, one bit each."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self.count = 0

    def add(self, line: int) -> None:
        """This line has a result or an error."""
        at = line >> 3
        if at >= len(self._bits):
            self._bits.extend(bytes(max(1024, at - len(self._bits) + 1)))
        if not self._bits[at] & 1 << (line & 7):
            self._bits[at] |= 1 << (line & 7)
            self.count += 1

    def __contains__(self, line: int) -> bool:
        at = line >> 3
        return at < len(self._bits) and bool(self._bits[at] & 1 << (line & 7))


class LineFile:
    """A file of JSON lines that is only appended to.

    Args:
        path: Where.
        resume: Whether it may be there already; a torn last line is then cut off.

    Raises:
        FileError: It is there and should not be, can't be opened, or somebody else writes it.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | (0 if resume else os.O_EXCL)
        try:
            self._fd = os.open(path, flags, 0o666)
        except FileExistsError:
            raise FileError(f"{path} is there already: --resume goes on with it; or remove it") from None
        except OSError as error:
            raise FileError(f"{path}: {error.strerror}") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise FileError(f"{path} is being written by another `bascule map`, or is named twice") from None
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._size = 0

    def read(self, done: Done) -> None:
        """Note the lines that are there, and cut off what is torn.

        Raises:
            FileError: It has a line that none of us has written.
        """
        with open(self._fd, "rb", closefd=False) as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    done.add(int(json.loads(line)["line"]))
                except (ValueError, KeyError, TypeError):
                    raise FileError(
                        f"{self.path}:{number}: this is no line of `bascule map`; choose another file"
                    ) from None
                self._size += len(line)
        os.ftruncate(self._fd, self._size)

    def add(self, row: dict[str, Any]) -> None:
        """One more line, soon."""
        line = jsonic.dumps(row) + b"\n"
        self._waiting.append(line)
        self._bytes += len(line)
        if self._bytes >= _BATCH:
            self.write()

    def write(self) -> None:
        """Write what waits.

        Raises:
            DiskError: It can't be written; the file ends with a whole line.
        """
        data = b"".join(self._waiting)
        try:
            os.ftruncate(self._fd, self._size)  # Ctrl-C may have ended the last attempt halfway
            written = 0
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            self._waiting.clear()
            raise DiskError(f"{self.path}: {error.strerror}; go on with --resume when there is room") from None
        # Ctrl-C comes with calls: never between these three, or the same lines would be written again.
        self._size, self._waiting, self._bytes = self._size + len(data), [], 0

    def close(self) -> None:
        """No more of it."""
        os.close(self._fd)


class Items:
    """The items of a file that are not done yet, with the numbers of their lines. Read as they are wanted."""

    def __init__(self, path: Path, done: Done, *, star: bool) -> None:
        self.path = path
        self._done = done
        self._star = star
        self.lines: dict[int, int] = {}  # index of an item under way -> its line
        self.bad: list[tuple[int, str]] = []  # lines that are no JSON

    def left(self) -> int | None:
        """How many there are; None if that can't be told without taking them."""
        if not self.path.is_file():
            return None
        with self.path.open("rb") as file:
            return sum(number not in self._done for number, line in enumerate(file, 1) if line.strip())

    def __iter__(self) -> Iterator[Any]:
        index = 0
        with self.path.open("rb") if str(self.path) != "-" else contextlib.nullcontext(sys.stdin.buffer) as file:
            for number, line in enumerate(file, 1):
                if number in self._done or not line.strip():
                    continue
                try:
                    item = jsonic.loads(line)
                    if self._star and not isinstance(item, list):
                        raise ValueError("with --star each item is a list of arguments")
                except (ValueError, ProtocolError) as error:
                    self.bad.append((number, str(error)))
                    continue
                self.lines[index] = number
                index += 1
                yield item


def run_over(options: argparse.Namespace, client: Client) -> int:
    """Map the file; the exit status."""
    try:
        done = Done()
        output, errors = _open(options, done)
        items = Items(options.over, done, star=options.star)
        try:
            return _Job(options, client, items, output, errors, done.count).run()
        finally:
            output.close()
            errors.close()
    except FileError as error:
        print(f"bascule map: {error}", file=sys.stderr)
        return 2 if not isinstance(error, DiskError) else 1


def _open(options: argparse.Namespace, done: Done) -> tuple[LineFile, LineFile]:
    if str(options.over) != "-" and not options.over.is_file():
        raise FileError(f"{options.over}: there is no such file")
    output = LineFile(options.output, resume=options.resume)
    try:
        errors = LineFile(options.errors, resume=options.resume)
        output.read(done)
        errors.read(done)
    except FileError:
        output.close()
        raise
    return output, errors


class _Job:
    """One run over the items."""

    def __init__(
        self,
        options: argparse.Namespace,
        client: Client,
        items: Items,
        output: LineFile,
        errors: LineFile,
        before: int,
    ) -> None:
        self._options = options
        self._client = client
        self._items = items
        self._output = output
        self._errors = errors
        self._before = before
        self._failed = 0
        self._done = 0
        self._late = 0
        self._until = time.monotonic() + (options.timeout or math.inf)
        self._written_at = time.monotonic()

    def run(self) -> int:
        """Until all is done, or something ends it; the exit status."""
        options = self._options
        scatter = self._client.scatter(
            options.target,
            iter(self._items),
            ordered=False,
            errors="return",
            idempotent=options.idempotent,
            timeout=options.timeout,
            chunk=options.chunk,
            star=options.star,
            progress=Shown("bascule map", sums_up=False, total=self._items.left() if sys.stderr.isatty() else None),
        )
        problem: BasculeError | None = None
        status = 0
        try:
            with scatter:
                for result in scatter:
                    self._note(result)
        except KeyboardInterrupt:
            status = INTERRUPTED
        except BasculeError as error:
            problem, status = error, 1
        if self._late and not status:  # no other was to be begun
            problem, status = Timeout(f"{_count(self._late, 'item')} of the last had no time left"), 1
        self._note_bad_lines()
        self._output.write()
        self._errors.write()
        self._say(problem, status)
        return status or (1 if self._failed else 0)

    def _note(self, result: Result) -> None:
        line = self._items.lines.pop(result.index)
        if isinstance(result.error, Timeout) and time.monotonic() >= self._until:
            self._late += 1  # it is not the item's fault: --resume tries it again
            return
        if result.error is None:
            try:
                self._output.add({"line": line, "result": result.value})
                self._done += 1
            except (TypeError, ValueError, ProtocolError) as error:  # what came back is a handle, or no JSON
                self._fail(line, {"kind": "not_encodable", "message": f"the result can't be written as JSON: {error}"})
        else:
            self._fail(line, to_map(result.error))
        self._note_bad_lines()
        if time.monotonic() - self._written_at > _BATCH_SECONDS:
            self._written_at = time.monotonic()
            self._output.write()
            self._errors.write()

    def _note_bad_lines(self) -> None:
        while self._items.bad:
            line, why = self._items.bad.pop()
            self._fail(line, {"kind": "bad_arguments", "message": f"this line is no item: {why}"})

    def _fail(self, line: int, error: dict[str, Any]) -> None:
        self._failed += 1
        self._errors.add(
            {"line": line, "error": {name: value for name, value in error.items() if value not in (None, [], {})}}
        )

    def _say(self, problem: BasculeError | None, status: int) -> None:
        output, errors = self._options.output, self._options.errors
        words = f"bascule map: {_count(self._done, 'result')} in {output}, {_count(self._failed, 'error')} in {errors}"
        if self._before:
            words += f"; {self._before} were there before"
        if problem is not None:
            kind = f"{problem.kind.value}: " if isinstance(problem, CallError) else ""
            words += f"; it ended early: {kind}{problem}"
        if status:
            words += "; go on with --resume"
        print(words, file=sys.stderr)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
