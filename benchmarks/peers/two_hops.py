"""A bare two-hop epoll echo that runs the same codec: what a router costs that promises nothing.

A router process reads {packet, 4} frames from its client and deals them out over worker processes, which decode the
call's arguments, call, and encode the result with Bascule's own codec. No supervision, no deadlines, no handles, no
checks: nobody could use it, and nothing in Python with two hops can be much faster.
"""

from __future__ import annotations

import itertools
import os
import select
import struct
import subprocess
import sys
from typing import Any

from benchmarks.pipes import Piped, packet

_LENGTH = struct.Struct(">I")
_CHUNK = 65536
_MODULE = "benchmarks.peers.two_hops"  # also where this runs as a script


def start(workers: int = 2) -> Piped:
    """The router with its workers."""
    return Piped([sys.executable, "-m", _MODULE, "router", str(workers)])


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole frames, lengths included, and what is left."""
    frames = []
    position, end = 0, len(data)
    while end - position >= 4:
        stop = position + 4 + _LENGTH.unpack_from(data, position)[0]
        if stop > end:
            break
        frames.append(data[position:stop])
        position = stop
    return frames, data[position:]


def route(count: int) -> None:
    """Client on 0 and 1; frames go to the workers in turn, answers come back as they are."""
    command = [sys.executable, "-m", _MODULE, "worker"]
    pipe = subprocess.PIPE
    workers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0) for _ in range(count)]
    write_fds = [worker.stdin.fileno() for worker in workers if worker.stdin]
    rests = {worker.stdout.fileno(): b"" for worker in workers if worker.stdout}
    turn = itertools.cycle(range(count))
    poller = select.epoll()
    for fd in (0, *rests):
        poller.register(fd, select.EPOLLIN)
    rest = b""
    while True:
        for fd, _ in poller.poll():
            data = os.read(fd, _CHUNK)
            if not data:
                return
            if fd:
                frames, rests[fd] = split(rests[fd] + data)
                os.write(1, b"".join(frames))
                continue
            frames, rest = split(rest + data)
            batches: dict[int, list[bytes]] = {}
            for frame in frames:
                batches.setdefault(write_fds[next(turn)], []).append(frame)
            for write_fd, batch in batches.items():
                os.write(write_fd, b"".join(batch))


def work() -> None:
    """Decode, call, encode."""
    from bascule.protocols import etf
    from bascule.protocols.calls import decode_head
    from bascule.protocols.envelope import REST, REST_SIZE, Kind
    from benchmarks import subject

    functions = {b"benchmarks.subject:f": subject.f}
    rest = b""
    while data := os.read(0, _CHUNK):
        frames, rest = split(rest + data)
        answers = []
        for frame in frames:
            _, codec, _, call_id, _, _ = REST.unpack_from(frame, 4)
            payload = frame[4 + REST_SIZE :]
            _, _, _, target, _, start_of_arguments = decode_head(payload)
            arguments: Any = etf.loads(payload[start_of_arguments:])
            result = etf.dumps(functions[target](*arguments[0]))
            answers.append(packet(REST.pack(Kind.REPLY, codec, 0, call_id, 0, 0) + result))
        os.write(1, b"".join(answers))


if __name__ == "__main__":
    if sys.argv[1] == "router":
        route(int(sys.argv[2]))
    else:
        work()
