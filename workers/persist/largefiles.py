"""Large results as files beside a database: each written once under a name of its own, never changed, then removed.

A checksum over a megabyte costs more than reading it, so a file that was found good is not checked again as long as the
system says that nobody has touched it: same inode, size and times. A change within the clock tick of the last one would
not show in the times; so only what is older than that is remembered as good.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import time
import uuid
from collections.abc import Callable
from typing import Any

_ABANDONED = 3600.0  # seconds after which a file that no row knows never will be known
_TICK = 50_000_000  # nanoseconds; a kernel's clock ticks at least every 10 ms
_MOST_KNOWN = 4096


class LargeFiles:
    """A folder of files with random names."""

    def __init__(self, folder: str, *, durable: bool) -> None:
        self._folder = folder
        self._durable = durable
        self._good: dict[str, tuple[Any, bytes]] = {}  # by name: what the system said, and the head it was checked with

    def write(self, data: Any) -> str:
        """A new file with this content; its name."""
        name = uuid.uuid4().hex
        path = self._path(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            fd = os.open(path, flags, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if self._durable:
                os.fsync(fd)
        except BaseException:
            self.remove(name)
            raise
        finally:
            os.close(fd)
        return name

    def read(self, name: str, *, mapped: bool) -> tuple[Any, bytes | None, Callable[[bytes], None]]:
        """The content, the head with which it was found good before, and a function that remembers that it is.

        Raises:
            FileNotFoundError: It is gone.
        """
        fd = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            size = status.st_size
            data: Any
            if mapped and size:
                data = memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_READ))
            else:
                data = os.read(fd, size)
                while len(data) < size and (more := os.read(fd, size - len(data))):
                    data += more
        finally:
            os.close(fd)
        now = (status.st_ino, size, status.st_mtime_ns, status.st_ctime_ns)
        known = self._good.get(name)
        if known is not None and known[0] == now:
            return data, known[1], _nothing

        def remember(head: bytes) -> None:
            if time.time_ns() - status.st_ctime_ns > _TICK:
                if len(self._good) >= _MOST_KNOWN:
                    self._good.clear()
                self._good[name] = (now, head)

        return data, None, remember

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self._good.pop(name, None)
        with contextlib.suppress(OSError):
            os.unlink(self._path(name))

    def tidy(self, now: float, known: Callable[[str], bool]) -> int:
        """Remove files that were left by writers that were killed; how many."""
        removed = 0
        with contextlib.suppress(OSError):
            for group in os.scandir(self._folder):
                for entry in os.scandir(group.path):
                    if now - entry.stat().st_mtime > _ABANDONED and not known(entry.name):
                        os.unlink(entry.path)
                        removed += 1
        return removed

    def _path(self, name: str) -> str:
        if len(name) != 32 or not name.isalnum():
            raise FileNotFoundError(name)
        return f"{self._folder}/{name[:2]}/{name}"


def _nothing(head: bytes) -> None:
    """It is remembered already."""
