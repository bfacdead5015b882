"""A router core with workers and clients made of bytes: no process, no descriptor, a clock that the test turns."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import msgpack

from bascule.bridge.doors.base import Request
from bascule.bridge.notices import PoolPolicy, WorkerWire
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.messages import read_control, write_control
from bascule.bridge.router.peers import Session, Worker
from bascule.bridge.supervision.exits import ExitCause
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Codec, FrameReader, Kind, encode_frame
from bascule.protocols.errors import RemoteProtocolError

if TYPE_CHECKING:
    from bascule.protocols.envelope import Frame


class ListDoor:
    """A door whose protocol is: requests are handed over as they are, answers are kept as tuples."""

    def __init__(self) -> None:
        self.takes_callbacks = True
        self.closing = False
        self.requests: list[Request] = []
        self.answers: list[tuple[int, Hashable, bytes]] = []

    def receive_data(self, data: bytes) -> list[Request]:
        if data == b"rubbish":
            raise RemoteProtocolError("rubbish")
        requests, self.requests = self.requests, []
        return requests

    def take_output(self) -> bytes:
        return b""

    def encode(self, kind: int, codec: int, flags: int, call_id: Hashable, payload: bytes) -> list[bytes]:
        self.answers.append((kind, call_id, payload))
        return [payload]

    def receive_eof(self) -> list[Request]:
        return []

    def take_requests(self) -> list[Request]:
        return []


class FakeWorker:
    """The worker's end: what it was sent, and what it may say."""

    def __init__(self, world: World, slot: int, incarnation: int, pool: str, threads: int) -> None:
        self.world = world
        self.page = mmap.mmap(-1, 4096)
        wire = WorkerWire(pool, slot, incarnation, 1_000_000 + slot, -1, -1, -1, -1, -1, self.page, threads)
        self.core: Worker = world.core.attach_worker(wire)
        self._reader = FrameReader()

    def say(
        self,
        kind: int,
        wire_id: int = 0,
        payload: bytes = b"",
        codec: int = Codec.MSGPACK,
        *,
        flags: int = 0,
        session: int = 0,
        micros: int = 0,
    ) -> None:
        frame = encode_frame(kind, codec, flags, wire_id, session, micros, payload)
        self.world.core.answers.worker_data(self.core, frame)

    def ready(self) -> FakeWorker:
        self.say(Kind.CONTROL, payload=write_control({"op": "ready", "pid": 1, "python": "3.11"}))
        return self

    def frames(self) -> list[Frame]:
        """What it was sent since the last look."""
        data = b"".join(self.core.outbox)
        self.core.outbox.clear()
        return self._reader.receive_data(data)

    def calls(self) -> list[int]:
        return [frame[3] for frame in self.frames() if frame[0] == Kind.CALL]

    def start(self, wire_id: int) -> None:
        """As the worker does when it begins a call."""
        struct.pack_into("<Q", self.page, 0, wire_id)

    def reply(self, wire_id: int, value: Any = None, *, micros: int = 0) -> None:
        self.start(max(wire_id, self.started))
        self.say(Kind.REPLY, wire_id, msgpack.packb(value), micros=micros)

    @property
    def started(self) -> int:
        return int(struct.unpack_from("<Q", self.page, 0)[0])

    @property
    def cancelled(self) -> int:
        return int(struct.unpack_from("<Q", self.page, 8)[0])

    def die(self, cause: ExitCause | None = None) -> None:
        self.world.core.endings.worker_exited(self.core, cause or ExitCause(signal=9))


class Client:
    """A client's end."""

    def __init__(self, world: World, pool: str) -> None:
        self.world = world
        self.door = ListDoor()
        self.session: Session = world.core.requests.open_session(self.door, pool)
        self._ids = 0

    def request(
        self, kind: int, client_id: Hashable, payload: bytes = b"", *, flags: int = 0, deadline: int = 0
    ) -> None:
        self.door.requests.append((kind, Codec.MSGPACK, flags, client_id, deadline, payload))
        self.world.core.requests.client_data(self.session, b".")

    def call(
        self,
        target: str = "m:f",
        *,
        object_token: bytes = b"",
        arguments: bytes = b"",
        flags: int = 0,
        deadline: int = 0,
    ) -> int:
        self._ids += 1
        payload = encode_call(Op.CALL, target, arguments, object_token=object_token)
        self.request(Kind.CALL, self._ids, payload, flags=flags, deadline=deadline)
        return self._ids

    def answers(self) -> list[tuple[int, Hashable, Any]]:
        """(kind, id, value) since the last look; errors as their kind."""
        answers, self.door.answers = self.door.answers, []
        shown = []
        for kind, call_id, payload in answers:
            value = msgpack.unpackb(payload, strict_map_key=False) if payload else None
            shown.append((kind, call_id, value["kind"] if kind == Kind.ERROR else value))
        return shown

    def control(self, message: dict[str, Any]) -> dict[str, Any]:
        self.request(Kind.CONTROL, "control", write_control(message))
        kind, _, payload = self.door.answers.pop()
        assert kind == Kind.CONTROL
        return read_control(payload)


class World:
    """One core and those around it."""

    def __init__(self, *, workers: int = 1, size: int | None = None, threads: int = 1, **policy: Any) -> None:
        self.core = RouterCore()
        self.core.set_pool(PoolPolicy("default", size=size or workers, **policy))
        self.workers = [self.spawn(slot, threads=threads) for slot in range(workers)]

    def spawn(self, slot: int, incarnation: int = 1, *, threads: int = 1, ready: bool = True) -> FakeWorker:
        worker = FakeWorker(self, slot, incarnation, "default", threads)
        return worker.ready() if ready else worker

    def client(self) -> Client:
        return Client(self, "default")

    def pass_time(self, seconds: float) -> None:
        self.core.endings.tick(self.core.now + seconds)
