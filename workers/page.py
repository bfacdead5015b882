"""The page that a worker shares with the bridge: four numbers that each can read while the other is busy.

A pipe can't tell the bridge what a worker is doing: what is in the pipe may have been read or not, and a worker that
died can't be asked. So both map one page of an anonymous file:

| word | written by | what |
|---|---|---|
| STARTED | worker | the highest wire id that was started: calls start in the order of their ids, so what is above is untouched and may be given to another worker |
| CANCEL | bridge | the wire id to cancel, before it sends SIGURG |
| ARMED | worker | the wire id whose user code runs right now, 0: none; nothing is interrupted while it is 0 |
| ASIDE | worker | 1 while code of clients' runs that is no call: finalizers of what they let go of, pickling |

Each word is eight aligned bytes, stored and loaded whole.
"""  # noqa: E501 - a table row can't be wrapped

from __future__ import annotations

import mmap
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

PAGE_SIZE: Final = 4096
STARTED: Final = 0
CANCEL: Final = 1
ARMED: Final = 2
ASIDE: Final = 3
WORDS: Final = 4
_WORD: Final = struct.Struct("=Q")


def create_page() -> int:
    """A new page, all zero, as a close-on-exec descriptor that a worker can inherit.

    Raises:
        OSError: The system has no memfd_create (it is no Linux), or no memory.
    """
    fd = os.memfd_create("bascule-page", os.MFD_CLOEXEC)
    os.ftruncate(fd, PAGE_SIZE)
    return fd


def map_page(fd: int) -> mmap.mmap:
    """The page behind a descriptor, which may be closed afterwards."""
    return mmap.mmap(fd, PAGE_SIZE)


def words(page: mmap.mmap) -> memoryview:
    """The worker's view: `words(page)[STARTED] = 7` is one store."""
    return memoryview(page).cast("Q")[:WORDS]


def read_word(page: mmap.mmap, index: int) -> int:
    """The bridge's view of one word. It holds no buffer on the page, so that the page can be closed at any time."""
    value: int = _WORD.unpack_from(page, index * _WORD.size)[0]
    return value


def write_word(page: mmap.mmap, index: int, value: int) -> None:
    """Set one word from the bridge's side: CANCEL is the only one that is its to set."""
    _WORD.pack_into(page, index * _WORD.size, value)


def started_id(page: mmap.mmap) -> int:
    """The highest wire id that the worker has started."""
    return read_word(page, STARTED)


def armed_id(page: mmap.mmap) -> int:
    """The wire id whose user code runs now, 0: none (or the worker runs several threads)."""
    return read_word(page, ARMED)


def is_aside(page: mmap.mmap) -> bool:
    """Whether code of clients' runs that is no call."""
    return read_word(page, ASIDE) != 0


def request_cancel(page: mmap.mmap, wire_id: int) -> None:
    """Name the call to cancel; then send SIGURG."""
    write_word(page, CANCEL, wire_id)
