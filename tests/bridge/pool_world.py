"""A bridge without doors and command line: the real router thread, real workers, and a client that sends raw frames."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from bascule.bridge.doors.base import Request
from bascule.bridge.notices import Notice, RouterFailed
from bascule.bridge.pool import Pool
from bascule.bridge.pool_spec import PoolSpec
from bascule.bridge.router.pump import RouterPump
from bascule.bridge.slots import Slots
from bascule.bridge.supervision.guardian import Guardian
from bascule.bridge.supervision.process import Undertaker
from bascule.bridge.supervision.starting import new_bridge_id
from bascule.protocols import packed
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Codec, FrameReader, Kind, encode_frame


class RawDoor:
    """Frames as they are."""

    def __init__(self) -> None:
        self.closing = False
        self._reader = FrameReader()

    def receive_data(self, data: bytes) -> list[Request]:
        return [
            (kind, codec, flags, call_id, deadline, payload)
            for kind, codec, flags, call_id, _session, deadline, payload in self._reader.receive_data(data)
        ]

    def take_output(self) -> bytes:
        return b""

    def encode(self, kind: int, codec: int, flags: int, call_id: Hashable, payload: bytes) -> list[bytes]:
        assert isinstance(call_id, int)
        return [encode_frame(kind, codec, flags, call_id, 0, 0, payload)]

    def receive_eof(self) -> list[Request]:
        return []

    def take_requests(self) -> list[Request]:
        return []


class CallError(Exception):
    """A call was answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['kind']}: {error['message']}")
        self.error = error
        self.kind = error["kind"]


class Client:
    """One session of a pool. Many tasks may call at the same time."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[trio.Event, list[Any]]] = {}
        self._sending = trio.Lock()
        self.output = ""

    async def read(self) -> None:
        reader = FrameReader()
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
            while data := await self._stream.receive_some(65536):
                for kind, _codec, _flags, call_id, _session, _deadline, payload in reader.receive_data(data):
                    self._hear(kind, call_id, payload)

    def _hear(self, kind: int, call_id: int, payload: bytes) -> None:
        if kind == Kind.OUTPUT:
            self.output += payload.decode()
        else:
            event, box = self._waiting.pop(call_id)
            box += [kind, payload]
            event.set()

    async def call(self, target: str, *args: Any, deadline_ms: int = 0) -> Any:
        """The result, or CallError."""
        call_id = next(self._ids)
        payload = encode_call(Op.CALL, target, packed.dumps([list(args)]))
        event, box = self._waiting[call_id] = (trio.Event(), [])
        async with self._sending:
            await self._stream.send_all(encode_frame(Kind.CALL, Codec.MSGPACK, 0, call_id, 0, deadline_ms, payload))
        with trio.fail_after(60):
            await event.wait()
        value = packed.loads(box[1])
        if box[0] == Kind.ERROR:
            raise CallError(value)
        return value

    def close(self) -> None:
        self._stream.socket.close()


class World:
    """The parts, and the nursery that they run in."""

    def __init__(self, nursery: trio.Nursery, *, guarded: bool = False) -> None:
        self.nursery = nursery
        self.pump = RouterPump()
        self.slots = Slots()
        self.bridge = new_bridge_id()
        self.guardian = Guardian(self.bridge) if guarded else None
        self.undertaker = Undertaker(self.bridge, self.guardian)
        self.pools: dict[str, Pool] = {}
        self.notices: list[Notice] = []
        self.clients: list[Client] = []

    def hear(self, notice: Notice) -> None:
        self.notices.append(notice)
        if isinstance(notice, RouterFailed):
            raise notice.error
        if not hasattr(notice, "pool"):
            return
        self.pools[notice.pool].notify(notice)

    def make_pool(self, **options: Any) -> Pool:
        spec = PoolSpec(**{"size": 1, **options})
        pool = Pool(spec, self.pump, self.undertaker, self.slots, prefix=self.pump.core.prefix)
        self.pools[spec.name] = pool
        return pool

    async def start_pool(self, **options: Any) -> Pool:
        pool = self.make_pool(**options)
        await self.nursery.start(pool.run)
        with trio.fail_after(60):
            await pool.wait_ready()
        return pool

    async def client(self, pool: str = "default") -> Client:
        ours, theirs = socket.socketpair()
        fd = theirs.detach()
        self.pump.attach_client(fd, fd, RawDoor(), pool=pool)
        client = Client(trio.SocketStream(trio.socket.from_stdlib_socket(ours)))
        self.nursery.start_soon(client.read)
        self.clients.append(client)
        return client


@asynccontextmanager
async def world(*, guarded: bool = False) -> AsyncIterator[World]:
    """A running bridge; everything is stopped at the end."""
    async with trio.open_nursery() as outer:
        made = World(outer, guarded=guarded)
        token = trio.lowlevel.current_trio_token()
        made.pump.start()
        made.pump.subscribe(lambda notice: token.run_sync_soon(made.hear, notice))
        if made.guardian is not None:
            made.guardian.start()
        try:
            await outer.start(made.undertaker.run)
            async with trio.open_nursery() as inner:
                made.nursery = inner
                try:
                    yield made
                finally:
                    for client in made.clients:
                        client.close()
                inner.cancel_scope.cancel()
            outer.cancel_scope.cancel()
        finally:
            made.pump.stop()


def is_gone(pid: int) -> bool:
    """Whether no such process is left, not even as a zombie."""
    return not Path(f"/proc/{pid}").exists()


def is_dead(pid: int) -> bool:
    """Whether it runs no more; somebody else may have to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


async def until(condition: Any, seconds: float = 60.0) -> None:
    """Wait for something that nothing tells us of, or fail."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.005)


def own_processes() -> set[int]:
    """The children of this process, zombies included."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def pid_of(pool: Pool, index: int = 0) -> int:
    workers = pool.status()["workers"]
    pid: int = workers[index]["pid"]
    assert pid != os.getpid()
    return pid
