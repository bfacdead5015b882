"""The descriptors that the router waits for, and what is to be done when one is ready. The only file with epoll."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable

CHUNK = 64 << 10  # bytes of one read
MOST_EVENTS = 256  # of one turn
IN, OUT, GONE = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR

OnEvent = Callable[[int], None]
"""Takes the mask of what happened."""


class Source:
    """A registered descriptor: what to do when it can be read, or written."""

    __slots__ = ("fd", "on_event", "order")

    def __init__(self, fd: int, order: int, on_event: OnEvent) -> None:
        self.fd = fd
        self.order = order  # within a turn: output before replies, replies before exits
        self.on_event = on_event


class Descriptors:
    """All that are waited for.

    Attributes:
        sources: By descriptor.
        poll: Takes a time limit in seconds (below 0: none) and a number of events; gives descriptors and masks.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.sources: dict[int, Source] = {}
        self.poll = self._epoll.poll

    def add(self, fd: int, order: int, on_event: OnEvent, events: int = IN) -> None:
        """Wait for this one as well.

        Raises:
            PermissionError: It is a regular file, which is always ready.
        """
        self._epoll.register(fd, events)
        self.sources[fd] = Source(fd, order, on_event)

    def change(self, fd: int, events: int) -> None:
        """Wait for something else of it: never for what is not wanted, since an end is told again and again."""
        self._epoll.modify(fd, events)

    def drop(self, fd: int) -> None:
        """Wait for it no more, if we did."""
        if self.sources.pop(fd, None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def dispatch(self, events: list[tuple[int, int]]) -> None:
        """Do what is to be done about several, in their order."""
        sources = self.sources
        ready = [(sources[fd], mask) for fd, mask in events if fd in sources]
        ready.sort(key=_by_order)
        for source, mask in ready:
            if sources.get(source.fd) is source:  # not closed meanwhile, and perhaps opened again as another's
                source.on_event(mask)

    def close(self) -> None:
        """Wait for nothing any more; the descriptors themselves are others' to close."""
        for fd in list(self.sources):
            self.drop(fd)
        self._epoll.close()


def read_some(fd: int) -> bytes | None:
    """Bytes; empty at the end; None when there is nothing now."""
    try:
        return os.read(fd, CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def read_into(fd: int, room: memoryview) -> int | None:
    """How many bytes were read; 0 at the end; None when there is nothing now."""
    try:
        return os.readv(fd, [room])
    except BlockingIOError:
        return None
    except OSError:
        return 0


def _by_order(ready: tuple[Source, int]) -> int:
    return ready[0].order
