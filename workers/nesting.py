"""Running a call on top of another one that waits on the same thread for the answer to a callback.

The waiting call is in the middle of user code: all that a thread has one of, the current call, the event loop, the
room on the stack, is put aside for the call on top and given back after it. Each level gets as much room below
Python's recursion limit as the first one had, until the machine's own stack could become short.
"""

from __future__ import annotations

import sys

from bascule.protocols.envelope import Kind
from bascule.workers.coroutines import Awaiter
from bascule.workers.explain import RUNNING
from bascule.workers.page import STARTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from bascule.protocols.envelope import Frame
    from bascule.workers.running import Runner

MOST_LEVELS: Final = 1_000
"""Far fewer than the machine's stack has room for, and enough for any program that means it."""
NUMBER: Final = 8  # bytes of a callback's number before a payload
_CALL: Final = int(Kind.CALL)
FOR_CALLBACKS: Final = (int(Kind.REPLY), int(Kind.ERROR), int(Kind.NESTED))
"""The frames that belong to a callback: what came of it, and the calls in its course."""
# Older Pythons use up the machine's stack with each frame.
_MOST_FRAMES: Final = 10_000 if sys.version_info < (3, 11) else 30_000
_plain_limit = 0  # the recursion limit where nothing is nested


def run_on_top(runner: Runner, frame: Frame, other: Callable[[Frame], None]) -> None:
    """Run a NESTED call and put its answer in line."""
    _, codec, flags, call_id, session, deadline, payload = frame
    gate = runner.gate
    aside = (runner.call_id, runner.session, runner.then, runner.plan, runner.frames, runner.awaiter)
    level = runner.level
    waiting = (gate.loop, gate.task)
    page = runner.state.page
    if page[STARTED] < call_id:
        page[STARTED] = call_id
    asyncio: Any = sys.modules.get("asyncio")
    loop = asyncio._get_running_loop() if asyncio is not None else None
    gate.loop = gate.task = None
    if loop is not None:  # an event loop is in the middle of a step: the call on top needs one of its own
        asyncio._set_running_loop(None)
        runner.awaiter = Awaiter(gate)
    limit = _make_room(runner)
    runner.depth += 1
    try:
        if runner.depth > MOST_LEVELS:
            runner.call_id, runner.session = call_id, session
            runner.fail(codec, RecursionError(f"callbacks and calls are nested {MOST_LEVELS} deep"), RUNNING)
            return
        runner.run([(_CALL, codec, flags, call_id, session, deadline, payload[NUMBER:])], other)
    finally:
        sys.setrecursionlimit(limit)
        runner.depth -= 1
        if loop is not None:
            runner.awaiter.close()
            asyncio._set_running_loop(loop)
        gate.loop, gate.task = waiting
        runner.level = level
        runner.call_id, runner.session, runner.then, runner.plan, runner.frames, runner.awaiter = aside


def _make_room(runner: Runner) -> int:
    """Raise the recursion limit by what is in use; the limit to go back to."""
    global _plain_limit
    limit = sys.getrecursionlimit()
    _plain_limit = _plain_limit or limit
    here: Any = sys._getframe(1)
    below, used = runner.level
    frame = here
    while frame is not None and frame is not below:
        used += 1
        frame = frame.f_back
    runner.level = (here, used)
    sys.setrecursionlimit(max(limit, min(used + _plain_limit, _MOST_FRAMES)))
    return limit
