"""Iterating over something in a worker, as it is produced.

Items come as they are made, and no more than a window of them ahead of whoever reads: each time half of it is used up,
the service is given credit for as many more. Closing a stream (or dropping it) stops the generator in the worker.

There are two objects: the link holds the `Flow`, into which items are put; the user holds a `Reader` (`Stream`, or the
trio client's), which takes them out. So a stream that its user has dropped is seen to be dropped.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Any

from bascule.bridge.client.futures import RAISED, REPLY, VALUE, Entry
from bascule.bridge.errors import BasculeError
from bascule.protocols.envelope import Codec, Kind, encode_frame

if TYPE_CHECKING:
    from bascule.bridge.client.settling import Settling
    from bascule.protocols.envelope import Payload

_ITEM = int(Kind.ITEM)
_credit = struct.Struct("<I").pack


class Flow(Entry):
    """What has come of a stream and was not read."""

    __slots__ = ("_gate", "items")

    def __init__(self, link: Settling, call_id: int, what: str, kept: list[Any] | None = None) -> None:
        super().__init__(link, call_id, what, kept)
        self.items: deque[Payload] = deque()
        self._gate: Entry | None = None
        self.watchers = [self._open_gate]

    def receive(self, kind: int, payload: Payload) -> None:
        """An item, or the end."""
        if kind == _ITEM:
            self.items.append(payload)
            self._open_gate()
        else:
            self.link.pending.pop(self.call_id, None)
            self.settle(VALUE, None)

    def grant(self, items: int) -> None:
        """Let so many more come."""
        self.link.out.append(encode_frame(Kind.CREDIT, Codec.MSGPACK, 0, self.call_id, 0, 0, _credit(items)))

    def gate(self) -> Entry | None:
        """What to wait for: it is settled with the next news. None: there are news.

        The gate is set before a last look for items, and opened after each one is added: one of the two sees the other.
        """
        self._gate = gate = Entry(self.link, self.call_id, self.what)
        return None if self.items or self.state else gate

    def abandon(self) -> None:
        """Nobody reads any more."""
        super().abandon()
        for payload in self.items:
            self.link.discard(payload)
        self.items.clear()
        if self.state == REPLY:
            self.link.discard(self.outcome)

    def _open_gate(self) -> None:
        gate = self._gate
        if gate is not None and not gate.state:
            gate.settle(VALUE, None)


class Reader:
    """The reading end of a flow."""

    __slots__ = ("_flow", "_over", "_used", "_window")

    def __init__(self, flow: Flow, window: int) -> None:
        self._flow = flow
        self._over = False
        self._window = window
        self._used = 0  # items read since credit was given last
        flow.grant(window)
        flow.link.flush()

    def close(self) -> None:
        """Stop it; what is left is not read."""
        if not self._over:
            self._over = True
            self._flow.abandon()

    def __del__(self) -> None:
        # The garbage collector may come at any moment, in any thread: `abandon` waits for no lock.
        if not getattr(self, "_over", True):
            self._flow.abandon()

    def __repr__(self) -> str:
        return f"<stream of call {self._flow.call_id}, {self._flow.what}>"

    def _take(self) -> Any:
        flow = self._flow
        payload = flow.items.popleft()
        self._used += 1
        if self._used * 2 >= self._window and not flow.state:
            flow.grant(self._used)
            flow.link.flush()
            self._used = 0
        return flow.link.loads(payload)

    def _finish(self) -> None:
        """The end, or an error; or the call gave a list, or the like, rather than something to iterate over."""
        self._over = True
        flow = self._flow
        flow.link.decode(flow)
        if flow.state == RAISED:
            raise flow.outcome
        if flow.outcome is not None:
            kind = type(flow.outcome).__name__
            raise BasculeError(f"{flow.what} gave a {kind}, not a generator or an iterator: use call()")


class Stream(Reader):
    """An iterator over what a call yields. Read by one thread at a time; `close` (or `with`) ends it early."""

    __slots__ = ()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        flow = self._flow
        while not self._over:
            if flow.items:
                return self._take()
            if flow.state:
                if not flow.items:  # else they came just before the end did
                    self._finish()
            elif (gate := flow.gate()) is not None:
                flow.link.connection.wait(flow, None, gate)
        raise StopIteration

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
