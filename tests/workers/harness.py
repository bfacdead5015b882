"""A worker process under test: started by its real command line, spoken to over its real wire.

    with Worker() as worker:
        assert worker.call("math:pow", 2, 8) == 256.0

Every wait has an end (`PATIENCE`), so that a worker that hangs fails its test instead of the run.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bascule.protocols import edn, etf, jsonic, packed, transit
from bascule.protocols.calls import Op, Style, Want, encode_call
from bascule.protocols.envelope import Codec, Flag, FrameReader, Kind, encode_frame
from bascule.protocols.tokens import Handle, new_prefix
from bascule.workers import launch
from bascule.workers import page as pages

if TYPE_CHECKING:
    from bascule.protocols.envelope import Frame

PATIENCE = 60.0  # seconds; a loaded machine is slow
MODULES: dict[int, Any] = {
    Codec.MSGPACK: packed,
    Codec.JSON: jsonic,
    Codec.ETF: etf,
    Codec.EDN: edn,
    Codec.TRANSIT: transit,
}


class CallError(Exception):
    """The worker answered with an error map."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['kind']}: {error['message']}")
        self.error = error
        self.kind = error["kind"]


class Misrouted(Exception):
    """The worker says that handles live elsewhere."""

    def __init__(self, tokens: list[str]) -> None:
        super().__init__(str(tokens))
        self.tokens = tokens


class Worker:
    """One worker process, as the bridge would have it."""

    def __init__(
        self,
        *,
        executable: str = sys.executable,
        prefix: str | None = None,
        slot: int = 3,
        incarnation: int = 1,
        configure: bool = True,
        **configuration: Any,
    ) -> None:
        self.prefix = prefix or new_prefix()
        self.slot, self.incarnation = slot, incarnation
        self.threads = configuration.get("threads", 1)
        self.frames: list[Frame] = []  # read and not asked for yet
        self.output: list[tuple[int, bool, str]] = []  # call id, stderr, text
        self.opened: list[int] = []  # streams that were said to be open
        self.output_sessions: dict[int, set[int]] = {}  # call id -> the sessions that its output carried
        self._next_id = 0
        self._reader = FrameReader()
        to_worker, self._write_fd = os.pipe()
        self._read_fd, from_worker = os.pipe()
        page_fd = pages.create_page()
        self.page = pages.map_page(page_fd)
        self.process = subprocess.Popen(
            launch.command(executable, to_worker, from_worker, page_fd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(to_worker, from_worker, page_fd),
            process_group=0,
        )
        for fd in (to_worker, from_worker, page_fd):
            os.close(fd)
        if configure:
            self.configure(**configuration)
            self.started = self.control_answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The end of the wire, and if that is not enough, of the process."""
        for fd in (self._write_fd, self._read_fd):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._write_fd = self._read_fd = -1
        try:
            self.process.communicate(timeout=PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def end_wire(self) -> None:
        """The bridge is gone, as far as the worker can see."""
        os.close(self._write_fd)
        self._write_fd = -1

    def configure(self, **configuration: Any) -> None:
        """The first message."""
        message = {
            "op": "configure",
            "prefix": self.prefix,
            "slot": self.slot,
            "incarnation": self.incarnation,
            "pool": "tests",
            "paths": [],
            "preload": [],
            "init": None,
            "converters": None,
            "threads": 1,
            "handle_cap": 1000,
            "handle_lease": None,
            "memory": None,
            **configuration,
        }
        self.control(message)

    # Frames

    def write(self, data: bytes) -> None:
        """Bytes to the worker; what it answers meanwhile is kept."""
        os.set_blocking(self._write_fd, False)
        rest = memoryview(data)
        while rest:
            readable, writable, _ = select.select([self._read_fd], [self._write_fd], [], PATIENCE)
            assert readable or writable, "the worker takes nothing"
            if readable:
                self._read()
            if writable:
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(self._write_fd, rest) :]

    def send(self, kind: Kind, call_id: int = 0, payload: bytes = b"", **fields: int) -> None:
        """One frame."""
        codec, flags, session = fields.get("codec", Codec.MSGPACK), fields.get("flags", 0), fields.get("session", 1)
        self.write(encode_frame(kind, codec, flags, call_id, session, 0, payload))

    def send_release(self, handle: Handle, session: int = 1) -> None:
        """One handing out of a handle is not needed any more."""
        self.send(Kind.RELEASE, payload=handle.token.encode(), session=session)

    def control(self, message: dict[str, Any]) -> None:
        """One CONTROL."""
        self.send(Kind.CONTROL, payload=packed.dumps(message), session=0)

    def control_answer(self) -> dict[str, Any]:
        """The next CONTROL from the worker."""
        frame = self.wait_for(lambda frame: frame[0] == Kind.CONTROL)
        answer: dict[str, Any] = packed.loads(frame[6])
        return answer

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """A CONTROL and its answer."""
        self._next_id += 1
        self.control({"op": op, "id": self._next_id, **fields})
        answer = self.control_answer()
        assert answer["id"] == self._next_id
        return answer

    def wait_for(self, wanted: Callable[[Frame], bool]) -> Frame:
        """The first frame that is wanted, of those that came and of those that come."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for index, frame in enumerate(self.frames):
                if wanted(frame):
                    return self.frames.pop(index)
            ready, _, _ = select.select([self._read_fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"the worker says nothing; it said {self.frames!r:.500}"
            assert self._read(), "the worker is gone"

    def poll(self) -> None:
        """Take in what is there, without waiting."""
        while select.select([self._read_fd], [], [], 0)[0] and self._read():
            pass

    def _read(self) -> bool:
        data = os.read(self._read_fd, 1 << 16)
        for frame in self._reader.receive_data(data):
            if frame[0] == Kind.OUTPUT:
                self.output_sessions.setdefault(frame[3], set()).add(frame[4])
                self.output.append((frame[3], bool(frame[2] & Flag.ERR), frame[6].decode()))
            elif frame[0] == Kind.CONTROL and packed.loads(frame[6]).get("op") == "opened":
                self.opened.append(packed.loads(frame[6])["call"])
            else:
                self.frames.append(frame)
        return bool(data)

    # Calls

    def new_id(self) -> int:
        """The next wire id."""
        self._next_id += 1
        return self._next_id

    def start(
        self,
        target: str,
        *args: Any,
        op: Op = Op.CALL,
        kwargs: dict[str, Any] | None = None,
        on: Handle | None = None,
        want: Want = Want.AUTO,
        style: int = 0,
        codec: Codec = Codec.MSGPACK,
        flags: int = 0,
        session: int = 1,
    ) -> int:
        """Send a call; its wire id."""
        arguments = [list(args)] if kwargs is None else [list(args), kwargs]
        payload = encode_call(
            op,
            target,
            MODULES[codec].dumps(arguments, style=int(Style.STR_AS_BINARY)),
            object_token=on.token.encode() if on is not None else b"",
            want=want,
            style=style,
        )
        call_id = self.new_id()
        self.send(Kind.CALL, call_id, payload, codec=codec, flags=flags, session=session)
        return call_id

    def result(self, call_id: int) -> Any:
        """What a call answered.

        Raises:
            CallError: With an error.
            Misrouted: That it does not have the handles.
        """
        frame = self.wait_for(lambda frame: frame[3] == call_id)
        return value_of(frame)

    def call(self, target: str, *args: Any, **options: Any) -> Any:
        """A call and its result."""
        return self.result(self.start(target, *args, **options))

    def exec(self, source: str, **options: Any) -> None:
        """Define something in the worker's `__main__`."""
        self.call("exec", source, op=Op.BUILTIN, **options)

    def error(self, target: str, *args: Any, **options: Any) -> dict[str, Any]:
        """A call that fails: its error map."""
        try:
            value = self.call(target, *args, **options)
        except CallError as error:
            return error.error
        raise AssertionError(f"{target} gave {value!r}")

    def error_or_none(self, target: str, *args: Any, **options: Any) -> str | None:
        """The kind of error that a call fails with, if it does."""
        try:
            self.call(target, *args, **options)
        except CallError as error:
            return str(error.kind)
        return None

    def cancel(self, call_id: int) -> None:
        """As the bridge does it."""
        if self.threads > 1:
            self.control({"op": "cancel", "call": call_id})
            return
        pages.request_cancel(self.page, call_id)
        self.process.send_signal(signal.SIGURG)

    def printed(self, *, call: int | None = None, err: bool = False) -> str:
        """All that was captured so far."""
        return "".join([text for of, is_err, text in self.output if is_err is err and call in (None, of)])

    def wait_until_running(self, call_id: int) -> None:
        """Until that call was begun: its user code runs now, or is about to."""
        if self.threads == 1:
            self.wait_until_armed(call_id)
        else:
            wait_until(lambda: pages.started_id(self.page) >= call_id)

    def wait_until_armed(self, call_id: int) -> None:
        """Until user code of that call runs; what it prints is read meanwhile, else it would wait for room."""

        def armed() -> bool:
            if select.select([self._read_fd], [], [], 0)[0]:
                self._read()
            return pages.armed_id(self.page) == call_id

        wait_until(armed)


def value_of(frame: Frame) -> Any:
    """What an answer says, as a value or an exception."""
    kind, codec, _, _, _, _, payload = frame
    if kind == Kind.ERROR:
        raise CallError(MODULES[codec].loads(payload))
    if kind == Kind.MISROUTED:
        raise Misrouted([payload[at : at + 60].decode() for at in range(0, len(payload), 60)])
    if kind in (Kind.REPLY, Kind.ITEM):
        return MODULES[codec].loads(bytes(payload)) if payload else None
    return Kind(kind)


def wait_until(holds: Callable[[], bool]) -> None:
    """Until something that nobody announces has become true."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.001)
