"""A second, tiny process that ends the first where it can't end itself.

A node that stops an instance closes its port, and the process sees the end of its input. Unless user code is in C code
that never gives way: then no thread of Python's runs, and nothing in the process could notice. The guardian does; it
waits for the end of the same pipe, without reading from it, gives the process its grace, and kills what is left.

It is forked while the process is small and has one thread, and twice, so that it is nobody's child: user code that
waits for its children must not find one that it does not know.
"""

from __future__ import annotations

import os
from select import POLLIN, poll
from signal import SIGKILL, pidfd_send_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_POLLRDHUP: Final = 0x2000  # of a socket: the other side has shut down its half
_MOST_FDS: Final = 4096


def start(fd_in: int, patience: float) -> None:
    """Watch the pipe for this process. A system that has no pidfds goes without.

    Args:
        fd_in: The reading end that says whether the node is there.
        patience: Seconds that the process has to end by itself, once it is not.
    """
    try:
        itself = os.pidfd_open(os.getpid())
    except OSError:
        return
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                _watch(fd_in, itself, patience)
        finally:
            os._exit(0)
    os.close(itself)
    os.waitpid(child, 0)


def _watch(fd_in: int, process: int, patience: float) -> None:
    """The guardian's whole life."""
    first = 0
    for kept in sorted((fd_in, process)):
        os.closerange(first, kept)
        first = kept + 1
    os.closerange(first, max(first, _MOST_FDS))
    poller = poll()
    poller.register(fd_in, _POLLRDHUP)  # and the hang-up of a pipe, which poll tells of unasked
    poller.register(process, POLLIN)
    if not any(fd == process for fd, _ in poller.poll()):
        poller.unregister(fd_in)
        if not poller.poll(patience * 1000):
            pidfd_send_signal(process, SIGKILL)
