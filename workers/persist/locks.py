"""Locks between processes that end with their owner.

Whoever computes a result holds a lock on its name, and the kernel drops the lock when that process dies, however it
dies. A lock is one byte of a lock file, at an offset made of the name: no file per name, nothing to clean up.

These are POSIX record locks, which belong to a process: a child that was forked from the owner does not keep them. The
price is that they tell no threads apart (`flights` does, inside a process) and that closing *any* descriptor of the
file drops them all. So each lock file is opened once in a process and stays open.

Who waits does so as a sharer (`wait`): all who wait are woken together, and look, instead of passing the lock on from
one to the next.

The kernel refuses to wait in a circle (EDEADLK). Since it sees processes, not threads, such a circle may be none:
`Deadlock` is a hint, and `flights` decides.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_COMMITS = 1 << 62  # where the second range begins: short locks around the writing of an entry
_RANGE = (1 << 61) - 1


class Deadlock(Exception):
    """Waiting might be for ever."""


class Lock:
    """What a store gives for a name. This one is nobody's: for stores that no other process sees."""

    def acquire(self, *, wait: bool) -> bool:
        """Take it; without `wait` only if it is free now.

        Raises:
            Deadlock: Waiting might be for ever.
            OSError: There can be no lock here (a folder that can't be written ...).
        """
        return True

    def wait(self) -> bool:
        """Wait until whoever has it gives it back; whether it is ours now. If not, look, and try again.

        Raises:
            Deadlock, OSError: As above.
        """
        return self.acquire(wait=True)

    def release(self) -> None:
        """Give it back."""


class KernelLock(Lock):
    """A byte of a lock file."""

    def __init__(self, path: str | os.PathLike[str], name: str, *, commit: bool = False) -> None:
        number = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        self._path = os.fspath(path)
        self.offset = number % _RANGE + (_COMMITS if commit else 0)
        self._fd = -1

    def acquire(self, *, wait: bool) -> bool:
        """Take it; the threads of one process are not kept apart."""
        fd = _opened(self._path)
        if not self._lock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB):
            return False
        self._fd = fd
        with _guard:
            _held[fd, self.offset] += 1
        return True

    def wait(self) -> bool:
        """Wait together with all others, who are woken at the same time: as sharers, so that none waits for another."""
        fd = _opened(self._path)
        self._lock(fd, fcntl.LOCK_SH)
        with _guard:
            if not _held[fd, self.offset]:
                fcntl.lockf(fd, fcntl.LOCK_UN, 1, self.offset)
        return False

    def _lock(self, fd: int, how: int) -> bool:
        try:
            fcntl.lockf(fd, how, 1, self.offset)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN) and how & fcntl.LOCK_NB:
                return False
            if error.errno == errno.EDEADLK:
                raise Deadlock from None
            raise
        return True

    def release(self) -> None:
        """Give it back once every thread that took it has."""
        place = (self._fd, self.offset)
        with _guard:
            _held[place] -= 1
            if _held[place] > 0:
                return
            del _held[place]
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, self.offset)


@contextmanager
def committing(path: str | os.PathLike[str], name: str) -> Iterator[None]:
    """Hold the short lock around the writing of one entry, against threads and processes alike."""
    lock = KernelLock(path, name, commit=True)
    with _stripes[lock.offset % len(_stripes)]:
        while True:
            try:
                lock.acquire(wait=True)
                break
            except Deadlock:  # it can't be one: nobody waits for anything while it holds such a lock
                time.sleep(_PAUSE)
        try:
            yield
        finally:
            lock.release()


_PAUSE = 0.001  # seconds
_stripes = [threading.Lock() for _ in range(64)]
_guard = threading.RLock()  # whatever the garbage collector closes may give back a lock in the midst of it
_files: dict[str, tuple[int, tuple[int, int]]] = {}  # path -> descriptor, what it is open on
_held: Counter[tuple[int, int]] = Counter()


def _opened(text: str) -> int:
    """The one descriptor of a lock file; a new one when the file was removed under our feet."""
    with _guard:
        known = _files.get(text)
        if known is not None:
            try:
                found = os.stat(text)
            except FileNotFoundError:
                found = None
            if found is not None and (found.st_dev, found.st_ino) == known[1]:
                return known[0]
        # The old descriptor stays open: others of its locks may be held.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(text, flags, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(text), exist_ok=True)
            fd = os.open(text, flags, 0o666)
        status = os.fstat(fd)
        _files[text] = (fd, (status.st_dev, status.st_ino))
        return fd


def _forget() -> None:
    """In a forked child: its parent's locks are not its own."""
    global _guard
    _guard = threading.RLock()
    _stripes[:] = [threading.Lock() for _ in _stripes]
    _held.clear()


os.register_at_fork(after_in_child=_forget)
