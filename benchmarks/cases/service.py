"""The service as it is run for months: many clients, idle ones, a steady load, memory, its figures.

Clients here are raw sockets that send frames which were made before: so the load is the service's, not the client's.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from bascule.bridge.operations.meter import Meter
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import HEADER, HEADER_SIZE, Codec, Kind, encode_frame
from bascule.protocols.packed import dumps
from bascule.protocols.service import hello
from benchmarks import ours
from benchmarks.measure import alternate, rate
from benchmarks.rows import AtLeast, AtMost, Row

_CLIENTS = 256
_EACH = 40
_TOTAL = _CLIENTS * _EACH
_IDLE = 10_000
_OPEN_CLIENTS = 64
_OPEN_ROUNDS, _OPEN_SECONDS = 9, 0.5
_FIRST, _MANY = 10_000, 1_000_000
_ID = slice(8, 16)  # where a frame has its call's id


class RawClient:
    """A greeted socket."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(path))
        self.sock.sendall(hello(0))
        self._rest = b""
        while not self.read():
            pass

    def read(self) -> list[int]:
        """The ids of the answers that came."""
        data = self._rest + self.sock.recv(1 << 18)
        at, found = 0, []
        while len(data) - at >= HEADER_SIZE:
            length, _, _, _, call_id, _, _ = HEADER.unpack_from(data, at)
            if len(data) - at < HEADER_SIZE + length:
                break
            at += HEADER_SIZE + length
            found.append(call_id)
        self._rest = data[at:]
        return found

    def close(self) -> None:
        self.sock.close()


def frames(count: int, first: int = 1) -> bytes:
    """Calls of f(1, 2)."""
    call = encode_call(Op.CALL, ours.F, dumps([[1, 2]]))
    return b"".join(encode_frame(Kind.CALL, Codec.MSGPACK, 0, first + at, 0, 0, call) for at in range(count))


def _exchange(clients: list[RawClient], data: bytes, each: int, following: bytes = b"") -> None:
    """Every client sends its calls at once, or after each answer the `following` one, and reads all answers."""
    left = {client.sock.fileno(): each for client in clients}
    by_fd = {client.sock.fileno(): client for client in clients}
    poll = select.epoll()
    for client in clients:
        poll.register(client.sock, select.EPOLLIN)
        client.sock.sendall(data)
    while left:
        for fd, _ in poll.poll():
            left[fd] -= len(by_fd[fd].read())
            if not left[fd]:
                del left[fd]
                poll.unregister(fd)
            elif following:
                by_fd[fd].sock.sendall(following)
    poll.close()


def clients() -> Iterator[Row]:
    """256 at a time against one that pipelines the same calls; one among 10,000 idle ones against itself alone."""
    with ours.service(2) as (client, _), ExitStack() as stack:

        def connect() -> RawClient:
            raw = RawClient(client.path)
            stack.callback(raw.close)
            return raw

        one, many = connect(), [connect() for _ in range(_CLIENTS)]
        few, all_calls = frames(_EACH), frames(_TOTAL)
        mine = rate(lambda: _exchange(many, few, _EACH), _TOTAL)
        alone = rate(lambda: _exchange([one], all_calls, _TOTAL), _TOTAL)
        what = f"{_CLIENTS} clients at a time, calls/s"

        def submit_all() -> None:
            for pending in [client.submit(ours.F, 1, 2) for _ in range(_TOTAL)]:
                pending.result()

        compared = alternate(mine, rate(submit_all, _TOTAL), rounds=5)
        yield Row(what, compared.ours, "one Python client, pipelined", compared.peer, compared.ratio, AtLeast(0.8))
        compared = alternate(mine, alone, rounds=5)
        yield Row(what, compared.ours, "one socket, ready made", compared.peer, compared.ratio, AtLeast(0.8))
        before = statistics.median(alone() for _ in range(5))
        for _ in range(_IDLE):
            connect()
        among = statistics.median(alone() for _ in range(5))
        what = f"one client among {_IDLE:,} idle ones, calls/s"
        yield Row(what, among, "the same alone", before, among / before, AtLeast(0.8))


def steady() -> Iterator[Row]:
    """64 clients that call when their time has come, whether or not they were answered, at 70 % of what it can do.

    With arrivals as irregular as these, p99 is 6.6 times p50 in a queue whose calls take irregular times (M/M/1), at
    any load: there is little room below 10. And what else the machine does moves its capacity from one second to the
    next; beyond it a queue only grows. So capacity is measured anew right before each of several short rounds, and the
    round in the middle counts.
    """
    with ours.service(2) as (client, _), ExitStack() as stack:
        raw = [RawClient(client.path) for _ in range(_OPEN_CLIENTS)]
        for each in raw:
            stack.callback(each.close)
        call = frames(1)  # as they will come: in batches it can do more
        calls_per_second = rate(lambda: _exchange(raw, call, _EACH, call), _OPEN_CLIENTS * _EACH)
        rounds = []
        for _ in range(_OPEN_ROUNDS):
            taken = _open_loop(raw, 0.7 * calls_per_second(), _OPEN_SECONDS)
            middle, high = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
            rounds.append((high / middle, high, middle))
        ratio, high, middle = sorted(rounds)[_OPEN_ROUNDS // 2]
        what = f"{_OPEN_CLIENTS} open-loop clients at 70 % load, p99, us"
        yield Row(what, high * 1e6, "p50", middle * 1e6, ratio, AtMost(10))


def _open_loop(clients: list[RawClient], calls_per_second: float, how_long: float) -> list[float]:
    """How long each call took, from the time when it was due."""
    chance = random.Random(7)
    by_fd = {client.sock.fileno(): client for client in clients}
    poll = select.epoll()
    for client in clients:
        poll.register(client.sock, select.EPOLLIN)
    start = time.perf_counter()
    gap = len(clients) / calls_per_second
    due = [(start + chance.expovariate(1 / gap), at) for at in range(len(clients))]
    heapq.heapify(due)
    sent: dict[tuple[int, int], float] = {}
    taken: list[float] = []
    number = 1_000_000
    frame = bytearray(frames(1))  # made once: a load that is slow to make is not the one that was meant
    while due or sent:
        now = time.perf_counter()
        while due and due[0][0] <= now:
            when, at = heapq.heappop(due)
            number += 1
            sent[clients[at].sock.fileno(), number] = when
            frame[_ID] = number.to_bytes(8, "little")
            clients[at].sock.sendall(frame)
            following = when + chance.expovariate(1 / gap)
            if following < start + how_long:
                heapq.heappush(due, (following, at))
        for fd, _ in poll.poll(max(0.0, due[0][0] - time.perf_counter()) if due else 1.0):
            answered = by_fd[fd].read()
            now = time.perf_counter()
            taken += [now - sent.pop((fd, call_id)) for call_id in answered]
    poll.close()
    return taken


def memory() -> Iterator[Row]:
    """What the bridge holds after a million calls, beside what it held after ten thousand."""
    with ours.service(2) as (client, process), ExitStack() as stack:
        raw = RawClient(client.path)
        stack.callback(raw.close)
        data = frames(_FIRST)
        _exchange([raw], data, _FIRST)
        early = _resident(process.pid)
        for _ in range(_MANY // _FIRST - 1):
            _exchange([raw], data, _FIRST)
        late = _resident(process.pid)
        what = "memory of the bridge after 1,000,000 calls, MiB"
        yield Row(what, late / 2**20, "after 10,000", early / 2**20, late / early, AtMost(1.05))


def figures() -> Iterator[Row]:
    """What counting a call costs, as a loop of its own."""
    meter = Meter(200)
    targets = [b"module:function_%d" % number for number in range(20)]
    count = 200_000

    def loop() -> None:
        for number in range(count):
            meter.count(targets[number % 20], number & 0xFFF, False)

    def empty() -> None:
        for number in range(count):
            targets[number % 20], number & 0xFFF

    cost = statistics.median(_processor_time(loop) - _processor_time(empty) for _ in range(7)) / count * 1e6
    yield Row("metrics of one call, us", cost, "what they may cost", 0.3, cost / 0.3, AtMost(1.0))


def _processor_time(step: Callable[[], None]) -> float:
    """Seconds of the processor that this thread used: others may want it too."""
    start = time.thread_time()
    step()
    return time.thread_time() - start


def _resident(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
