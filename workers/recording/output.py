"""The trace of one process: lines, each in the file as soon as it is written.

There is no buffer, since lines are few: a place tells each thing once. So nothing is lost when the process is killed,
and no thread is needed to flush. The first process writes the file that was asked for; a child writes another beside
it, named after its process id, which is merged when the first one ends or when the trace is read.

A program may close descriptors that it does not know; should another file have got our number, the trace is opened
anew. A full disk ends the recording, not the program.
"""

from __future__ import annotations

import contextlib
import os
import sys

CHILD = ".{pid}.part"


class Output:
    """Appends lines to a file.

    Attributes:
        path: The file.
        lines: How many lines this process wrote.
        failed: Why nothing is written any more; None while all is well.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines = 0
        self.failed: str | None = None
        self._fd = -1
        self._identity: tuple[int, int] | None = None
        self._open()

    def write(self, line: bytes) -> None:
        """Append one line, with its newline."""
        if self.failed is not None:
            return
        try:
            if self._identity != _identity(self._fd):
                self._open()
            written = os.write(self._fd, line)
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            self.failed = f"{self.path}: {error.strerror}"
            _complain(f"recording ended, the program goes on: {self.failed}")
            return
        self.lines += 1

    def close(self) -> None:
        """Write nothing any more."""
        if self._fd >= 0 and self._identity == _identity(self._fd):
            os.close(self._fd)
        self._fd = -1
        if self.failed is None:
            self.failed = f"{self.path}: closed"

    def in_child(self, path: str) -> None:
        """Go on in a forked child, in its own file."""
        if self._fd >= 0 and self._identity == _identity(self._fd):
            os.close(self._fd)
        self.path = path
        self.lines = 0
        try:
            self._open()
        except OSError as error:
            self.failed = f"{path}: {error.strerror}"

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self.path, flags, 0o666)
        self._identity = _identity(self._fd)


def child_path(path: str, pid: int) -> str:
    """The file of a child process."""
    return path + CHILD.format(pid=pid)


def merge_children(path: str) -> tuple[int, int]:
    """Append the files of child processes to the first one's and remove them: how many files and lines."""
    merged = lines = 0
    for child in _children(path):
        with open(child, "rb") as source, open(path, "ab") as target:
            for line in source:
                if line.endswith(b"\n"):
                    target.write(line)
                    lines += 1
        os.remove(child)
        merged += 1
    return merged, lines


def remove_children(path: str) -> None:
    """Remove what an earlier recording to the same file left of its children."""
    for child in _children(path):
        os.remove(child)


def _children(path: str) -> list[str]:
    folder, name = os.path.split(path)
    entries = sorted(os.listdir(folder or "."))
    return [os.path.join(folder, each) for each in entries if each.startswith(name + ".") and each.endswith(".part")]


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        told = os.fstat(fd)
    except OSError:
        return None
    return told.st_dev, told.st_ino


def _complain(message: str) -> None:
    with contextlib.suppress(Exception):
        print(f"bascule record: {message}", file=sys.__stderr__)
