"""The end of the process: the node has closed the port, or is gone.

What runs has a few seconds to finish, though nobody waits for its result: it may be writing a file. Threads that wait
for Erlang's answer are told at once that there will be none. Then the interpreter ends as any other; if it can't,
because user code still runs, the exit functions are run from here, and the process ends under it.
"""

from __future__ import annotations

import os
import sys
from _thread import start_new_thread
from time import sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, NoReturn

GRACE: Final = 2.0
"""Seconds for what runs, and as many again for exit functions."""


def end_within_grace() -> None:
    """From now on the process has so long to end by itself."""
    start_new_thread(_end_later, ())


def _end_later() -> None:
    sleep(GRACE)
    start_new_thread(_end_anyway, ())
    import atexit

    try:
        atexit._run_exitfuncs()
        for stream in (sys.__stdout__, sys.stderr):
            if stream is not None:
                stream.flush()
    except BaseException as error:
        print(f"bascule-erlport: at exit: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(0)


def _end_anyway() -> None:
    sleep(GRACE)
    os._exit(0)


def leave_child(error: BaseException | None) -> NoReturn:
    """End a child that user code forked and that came back from the called function: it must not answer as well.

    Args:
        error: What it came back with.
    """
    status = 0
    try:
        if isinstance(error, SystemExit):
            status = error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            import traceback

            traceback.print_exception(type(error), error, error.__traceback__)
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
