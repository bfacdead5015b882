"""What becomes of a child that user code forks.

`os.fork()` in a called function gives a second process in the middle of that call. It must never speak on the wire: a
frame of its own between the parent's would answer a call twice, or be cut in two. So at once, in the child: the wire
is closed, what waited to be sent is forgotten (the parent sends it), printed text goes straight to descriptors 1 and 2,
signals do what they do in a fresh Python, and the cells that every call touches are made unusable.

A child that ends by itself (multiprocessing's do) never notices. One that returns from the called function touches its
cell, which raises, and `leave_child` ends it there, without unwinding what belongs to the parent.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_DFL, SIGINT, SIGTERM, SIGURG, default_int_handler, signal
    from typing import Final, NoReturn

    from bascule.workers.state import WorkerState
else:  # lighter than the signal module, see cancel
    from _signal import SIG_DFL, SIGINT, SIGTERM, SIGURG, default_int_handler, signal

_FOLDERS: Final = (__file__.rpartition("/")[0], "bascule/workers")
"""Where our own code is; as a compiled module names its file, too."""
_in_child = False


def guard_forks(state: WorkerState, fds: tuple[int, ...]) -> None:
    """From now on, a forked child is cut off from the bridge."""

    def cut_off() -> None:
        global _in_child
        if _in_child:
            return  # a child's child: these numbers may be other files by now
        _in_child = True
        for fd in fds:
            os.close(fd)
        state.wire.abandon()
        state.capture.go_plain()
        state.page.release()
        for gate in state.gates:
            gate.cell.clear()
        for items in state.mapped.values():
            items.clear()  # the item that forked is the child's only one
        try:
            for number in (SIGTERM, SIGURG):
                signal(number, SIG_DFL)
            signal(SIGINT, default_int_handler)
        except ValueError:  # forked from a thread that Python does not take for the main one
            pass

    os.register_at_fork(after_in_child=cut_off)


def is_child() -> bool:
    """Whether this process was forked from a worker."""
    return _in_child


def leave_child(error: BaseException | None = None) -> None:
    """End the process if it is a forked child; does nothing in the worker itself.

    Args:
        error: What came up through the loop: with it, or behind it, what user code ended with.
    """
    if _in_child:
        _leave(error)


def _leave(error: BaseException | None) -> NoReturn:
    status = 0
    cause = error
    while cause is not None and _is_touch(cause):
        cause = cause.__context__
    try:
        if isinstance(cause, SystemExit):
            status = _status(cause)
        elif cause is not None:
            import traceback

            traceback.print_exception(type(cause), cause, cause.__traceback__)
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        status = 1
    finally:
        os._exit(status)


def _is_touch(error: BaseException) -> bool:
    """Whether it was our own code that raised it, by touching an unusable cell."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code_file = trace.tb_frame.f_code.co_filename if trace is not None else ""
    return isinstance(error, (ValueError, IndexError)) and code_file.rpartition("/")[0] in _FOLDERS


def _status(error: SystemExit) -> int:
    code = error.code
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    print(code, file=sys.stderr)
    return 1
