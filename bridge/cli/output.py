"""What a command does when its output can't be written: a full disk, or a reader that has gone.

Only imported when that has happened: a command writes with `print`, and what goes wrong there ends up here.
"""

from __future__ import annotations

import errno
import os
import select
import sys

_FAILED = 1
_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))


def unwritten(error: OSError, program: str) -> int:
    """Say that the output is not whole; the exit status.

    A reader that has gone away has seen enough (`bascule contract diff old new | head -1`) and is told nothing; but the
    status says that not all was said.

    Raises:
        OSError: It was another mistake: `error` itself.
    """
    if error.filename is not None:
        raise error
    if error.errno in _NO_ROOM:
        print(f"{program}: the output can't be written: {error.strerror}", file=sys.stderr)
    elif not (isinstance(error, BrokenPipeError) and _nobody_reads(sys.stdout.fileno())):
        raise error
    # What is left in the buffers is written when the interpreter ends, and would fail there once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _FAILED


def _nobody_reads(file: int) -> bool:
    poll = select.poll()
    poll.register(file, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
