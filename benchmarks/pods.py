"""The raw client of a pod: it writes invokes that are ready made and counts replies, and does nothing else."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bascule.protocols.bencode import Framer
from benchmarks import ours
from benchmarks.pipes import Process

_CHUNK = 1 << 16
_PEERS = Path(__file__).parent / "peers"
_END = b"d2:id"  # how every reply begins, of ours and of the peers: ids are 6 digits, which it can't be


class Pod(Process):
    """One pod's process, described and warm; a context manager that ends it."""

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__(command)
        os.write(self.write_fd, b"d2:op8:describee")
        framer = Framer()
        while not framer.receive_data(os.read(self.read_fd, _CHUNK)):
            pass
        for _ in range(100):
            self.round_trip(invoke("f", 1, 2))

    def round_trip(self, message: bytes) -> bytes:
        """One call with a small answer."""
        os.write(self.write_fd, message)
        return os.read(self.read_fd, _CHUNK)

    def pipelined(self, messages: Sequence[bytes], window: int) -> None:
        """All messages, at most `window` without an answer."""
        sent = min(window, len(messages))
        os.write(self.write_fd, b"".join(messages[:sent]))
        answered = 0
        while answered < len(messages):
            answers = os.read(self.read_fd, _CHUNK).count(_END)
            answered += answers
            if answers and sent < len(messages):
                os.write(self.write_fd, b"".join(messages[sent : sent + answers]))
                sent += answers

    def large(self, message: bytes, answer: int) -> None:
        """One call with a large message and an answer of so many bytes."""
        os.set_blocking(self.write_fd, False)
        view, got = memoryview(message), 0
        poll = select.poll()
        poll.register(self.write_fd, select.POLLOUT)
        poll.register(self.read_fd, select.POLLIN)
        while got < answer:
            for fd, _ in poll.poll():
                if fd == self.read_fd:
                    got += len(os.read(fd, _CHUNK))
                elif view:
                    view = view[os.write(fd, view) :]
                    if not view:
                        poll.unregister(self.write_fd)
        os.set_blocking(self.write_fd, True)


def answer(value: str) -> bytes:
    """What is said to a call whose id is the usual one."""
    text = json.dumps(value).encode()
    return b"d2:id6:1234566:statusl4:donee5:value%d:%be" % (len(text), text)


def invoke(function: str, *args: Any, id: int = 123456) -> bytes:
    """A message, in the spelling of all clients."""
    text, name = json.dumps(list(args)).encode(), f"benchmarks.subject/{function}".encode()
    return b"d4:args%d:%b2:id6:%06d2:op6:invoke3:var%d:%be" % (len(text), text, id, len(name), name)


def bascule(workers: int = 2, *options: str) -> Pod:
    """`bascule pod`."""
    root = str(ours.ROOT)
    return Pod([ours.executable(), "pod", "--workers", str(workers), "--path", root, *options, "benchmarks.subject"])


def by_hand() -> Pod:
    """The fastest plain pod."""
    return Pod([sys.executable, str(_PEERS / "pod_by_hand.py"), str(ours.ROOT)])


def plain_loop() -> Pod:
    """A loop around bcoding."""
    return Pod([sys.executable, str(_PEERS / "pod_loop.py"), str(ours.ROOT)])
