"""The first thing that a worker runs: from a bare interpreter to `ready`.

Before any user code: the wire's descriptors are moved out of the way and closed to children, the worker ties its life
to its parent's, signals are taken, forked children are provided for. Then the configuration comes, and with it user
code's first chance: paths, modules to preload, converters, the init function. The answer is `ready`, or `failed` with
the whole error, and the end.
"""

from __future__ import annotations

import os
import sys

from bascule.protocols.envelope import Codec, FrameReader, Kind
from bascule.workers.page import map_page, words
from bascule.workers.wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, NoReturn

    from bascule.protocols.envelope import Frame
    from bascule.workers.loop import Loop
    from bascule.workers.state import WorkerState

_HIGH: Final = 1000  # descriptors from here on: few programs get so far, or close so far
_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9
_OLDEST_MSGPACK: Final = (1, 0, 0)


def main(load: Callable[[str, str], None]) -> NoReturn:
    """Be a worker, until the bridge is gone or says to leave.

    Args:
        load: Loads a package by its location (see `launch.SNIPPET`).
    """
    wire_in, wire_out, page_fd, parent = [int(text) for text in sys.argv[1:5]]
    msgpack_folder, ahead = sys.argv[6], sys.argv[7:]
    sys.argv[:] = [""]
    _die_with_parent(parent)
    page = words(map_page(page_fd))
    os.close(page_fd)
    fd_in, fd_out = _move_away(wire_in), _move_away(wire_out)
    _find_msgpack(load, msgpack_folder)

    from bascule.workers.forks import is_child, leave_child
    from bascule.workers.loop import Leave

    for name in ahead:
        __import__(name)
    wire = Wire(fd_out)
    reader = FrameReader()
    configuration, frames = _read_configuration(fd_in, reader)
    state, loop = _assemble(configuration, page, wire, fd_in, reader)
    status = 0
    try:
        if _prepare(state, loop, configuration):
            loop.serve(frames)
        else:
            status = 1
    except Leave:
        loop.finish()
    except BaseException as error:
        leave_child(error)
        if not is_child():
            os.write(2, f"bascule: worker {state.name} failed: {type(error).__name__}: {error}\n".encode())
        raise
    leave_child()
    state.capture.seal()
    wire.flush()
    sys.exit(status)


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, and leave now if it already did.

    Straight through `_ctypes`: the ctypes package on top of it would stay in every worker's memory for this one call.
    A Python without it goes without: then the bridge's guardian and the end of the wire have to do.
    """
    try:
        import _ctypes

        itself: Any = None  # what is linked into this process
        prctl = _ctypes.dlsym(_ctypes.dlopen(itself, 0), "prctl")
        _ctypes.call_function(prctl, (_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0))
    except (ImportError, AttributeError, OSError):
        pass
    if os.getppid() != parent:
        sys.exit("bascule: the bridge that started this worker is gone, or a wrapper stands between (it must exec)")


def _move_away(fd: int) -> int:
    """The descriptor under a high number, closed to programs that this process starts."""
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    for lowest in (_HIGH, 200, 3):
        try:
            high: int = fcntl(fd, F_DUPFD_CLOEXEC, lowest)
        except OSError:  # the limit on open files is lower than that
            continue
        os.close(fd)
        return high
    sys.exit("bascule: no descriptor left for the wire: raise the limit on open files")


def _find_msgpack(load: Callable[[str, str], None], folder: str) -> None:
    try:
        import msgpack

        if msgpack.version >= _OLDEST_MSGPACK:
            return
    except (ImportError, AttributeError):
        pass
    load("bascule._msgpack", folder)


def _read_configuration(fd: int, reader: FrameReader) -> tuple[dict[str, Any], list[Frame]]:
    """The first frame, and the frames that came with it."""
    from bascule.protocols import packed

    frames: list[Frame] = []
    while not frames:
        data = os.read(fd, 65_536)
        if not data:
            sys.exit(0)
        frames = reader.receive_data(data)
    kind, codec, *_, payload = frames[0]
    message = packed.loads(payload) if (kind, codec) == (Kind.CONTROL, Codec.MSGPACK) else None
    if not isinstance(message, dict) or message.get("op") != "configure":
        sys.exit("bascule: a worker's first message is its configuration")
    return message, frames[1:]


def _assemble(
    configuration: dict[str, Any], page: memoryview, wire: Wire, fd: int, reader: FrameReader
) -> tuple[WorkerState, Loop]:
    from bascule.workers import output, secret
    from bascule.workers.forks import guard_forks
    from bascule.workers.loop import SingleLoop
    from bascule.workers.state import WorkerState

    secret.key = configuration.get("secret") or b""
    state = WorkerState(configuration, page, wire)
    loop: Loop
    if state.threads > 1:
        from bascule.workers.threads import ThreadedLoop

        loop = ThreadedLoop(state, fd, reader)
    else:
        loop = SingleLoop(state, fd, reader)
    loop.take_signals()
    output.install(state.capture)
    guard_forks(state, (fd, wire.fd))
    return state, loop


def _prepare(state: WorkerState, loop: Loop, configuration: dict[str, Any]) -> bool:
    """Everything of the configuration that can fail; says `ready` or `failed`."""
    from bascule.protocols import packed
    from bascule.workers.errors import error_map
    from bascule.workers.forks import leave_child

    try:
        _limit_memory(configuration.get("memory"))
        sys.path[:0] = configuration.get("paths") or ()
        _run_user_setup(state, loop, configuration)
    except BaseException as error:
        leave_child(error)
        message: dict[str, Any] = {"op": "failed", "error": error_map(error, worker=state.name)}
    else:
        leave_child()
        version = ".".join(map(str, sys.version_info[:3]))
        message = {"op": "ready", "pid": os.getpid(), "python": version, "implementation": sys.implementation.name}
    state.capture.seal()
    state.wire.send(Kind.CONTROL, Codec.MSGPACK, 0, 0, 0, packed.dumps(message))
    state.wire.flush()
    return bool(message["op"] == "ready")


def _run_user_setup(state: WorkerState, loop: Loop, configuration: dict[str, Any]) -> None:
    from importlib import import_module

    from bascule.workers import converters

    for name in configuration.get("preload") or ():
        import_module(name)
    converters.install(configuration.get("converters"))
    if configuration.get("mounts"):
        from bascule.workers.contracts.mounting import install

        install(configuration["mounts"])
    if configuration.get("init"):
        from bascule.workers.coroutines import is_awaitable
        from bascule.workers.names import resolve

        function: Any = resolve(configuration["init"]).value
        result = function()
        if is_awaitable(result):
            loop.await_setup(result)


def _limit_memory(most: int | None) -> None:
    """The data segment: second best to a cgroup. Not the address space: libraries reserve far more than they use."""
    if most:
        from resource import RLIMIT_DATA, getrlimit, setrlimit

        hard = getrlimit(RLIMIT_DATA)[1]
        setrlimit(RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))
