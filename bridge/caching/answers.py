"""The router's side of caching: who runs, who waits, who is answered at once.

A call of a function that has a rule is known by its pool, its codec and the bytes of its payload: the same bytes are
the same call, and nothing is decoded. Its answer is the encoded reply. So a call that comes in is

    answered at once     its answer was seen a moment ago (`_front`)
    looked up            by the thread of the stores; meanwhile it waits, with all others of its kind, on a `Flight`
    run                  one of them leads: it is placed like any other call, and what it is answered all are answered

Each call keeps what it is promised: it is a call of its own session, with its own deadline, and is settled once. When
the one that leads is cancelled, or its client leaves, the next one leads and is run. What it raises all get, and it is
not kept unless the rule says so. A reply with a handle in it is nobody else's: the others are then run each by itself.

A client of another format says the same in other bytes. So the one that leads is sent to its worker in a form that
lets the worker look into the same store by what the call means (see `sharing`); what it finds there it tells.

All of this is called in the router's thread.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from bascule.bridge.caching.policy import Rule, Rules
from bascule.bridge.caching.sharing import shared_call
from bascule.bridge.router.calls import SETTLED, Call
from bascule.protocols.calls import Op, Want
from bascule.protocols.envelope import Flag, Kind
from bascule.protocols.errors import ErrorKind

if TYPE_CHECKING:
    from bascule.bridge.caching.shelves import Answer, Shelves
    from bascule.bridge.router.calls import Head
    from bascule.bridge.router.core import RouterCore
    from bascule.protocols.envelope import Payload

_REPLY, _ERROR = int(Kind.REPLY), int(Kind.ERROR)
_CALL, _HANDLE = int(Op.CALL), int(Want.HANDLE)
_WANT_AT = 1  # where in a call's head it stands
_NOT_CACHED, _FRESH = int(Flag.CAST | Flag.STREAM), int(Flag.FRESH)
_OF_THE_CALLER = {ErrorKind.TIMEOUT.value, ErrorKind.CANCELLED.value, ErrorKind.CLIENT_GONE.value}

SEEN_FOR = 2.0  # seconds that an answer is given without looking into its store
FRONT_BYTES = 64 << 20
MOST = 64 << 20  # bytes of an answer that is kept


class Flight:
    """Calls that are the same, while one of them is looked up or run."""

    __slots__ = ("created", "leader", "name", "rule", "target", "waiting")

    def __init__(self, name: str, rule: Rule, target: str) -> None:
        self.name = name
        self.rule = rule
        self.target = target
        self.leader: Call | None = None  # none while it is looked up
        self.waiting: list[Call] = []
        self.created: float | None = None  # when the answer was computed, if that was for another client


class AnswerCache:
    """Stands between accepting a call and placing it.

    Args:
        core: The router's core.
        rules: Which functions, and how.
        shelves: The stores.
        post: Has a function called in the router's thread.
    """

    def __init__(
        self, core: RouterCore, rules: Rules, shelves: Shelves, post: Callable[[Callable[[], None]], None]
    ) -> None:
        self.rules = rules
        self.counts = {"hits": 0, "misses": 0, "shared": 0}
        self._core = core
        self._shelves = shelves
        self._post = post
        self._flights: dict[str, Flight] = {}
        self._leaders: dict[Call, Flight] = {}
        self._front: OrderedDict[str, tuple[float, int, bytes]] = OrderedDict()
        self._front_bytes = 0

    def take(self, call: Call, head: Head) -> bool:
        """Whether the call is in our hands; else its router must place it."""
        found = self.rules.of(call.target)
        if found is None or head.op != _CALL or call.flags & _NOT_CACHED or call.payload[_WANT_AT] == _HANDLE:
            return False
        rule, target = found
        name = self._name(call, rule)
        if call.flags & _FRESH:
            self._lead(Flight(name, rule, target), call, fresh=True)
            return False
        seen = self._front.get(name)
        if seen is not None and time.monotonic() < seen[0]:
            self._count(rule, target, "hits")
            self._core.settle(call, seen[1], call.codec, seen[2])
            return True
        flight = self._flights.get(name)
        if flight is not None:
            flight.waiting.append(call)
            return True
        flight = self._flights[name] = Flight(name, rule, target)
        flight.waiting.append(call)
        self._shelves.look(rule, target, name, lambda answer: self._post(partial(self._looked_up, flight, answer)))
        return True

    def settled(self, call: Call, kind: int, codec: int, payload: Payload, outcome: str | None) -> None:
        """A call has ended: if it led others, they end like it. `outcome` is said of errors of the bridge's own."""
        flight = self._leaders.pop(call, None)
        if flight is None:
            return
        flight.leader = None
        self._count(flight.rule, flight.target, "misses" if flight.created is None else "hits")
        if outcome in _OF_THE_CALLER or (kind == _ERROR and not payload):
            self._next_leads(flight)
            return
        self._end(flight)
        others = [each for each in flight.waiting if each.state is not SETTLED]
        if kind == _REPLY and self._core.prefix_bytes in payload:
            for each in others:
                self._place(each)
            return
        answer = bytes(payload)
        if outcome is None and (kind == _REPLY or flight.rule.errors) and len(answer) <= MOST:
            seconds = self._core.now - call.accepted_at
            created = time.time() if flight.created is None else flight.created
            self._see(flight, kind, answer, flight.rule.lifetime.expires(created))
            self._shelves.keep(flight.rule, flight.target, flight.name, kind, codec, answer, seconds, created)
        for each in others:
            self._count(flight.rule, flight.target, "shared")
            self._core.settle(each, kind, codec, answer, outcome)

    def was_kept(self, call: Call, created: float) -> None:
        """The worker has found what this call asks for, computed at that time."""
        flight = self._leaders.get(call)
        if flight is not None:
            flight.created = created

    def close(self) -> None:
        """Let the stores finish."""
        self._shelves.close()

    def _looked_up(self, flight: Flight, answer: Answer | None) -> None:
        if answer is None:
            self._next_leads(flight)
            return
        kind, payload, expires = answer
        self._end(flight)
        self._see(flight, kind, payload, expires)
        for call in flight.waiting:
            if call.state is not SETTLED:
                self._count(flight.rule, flight.target, "hits")
                self._core.settle(call, kind, call.codec, payload)

    def _next_leads(self, flight: Flight) -> None:
        """The first of those who still wait is run."""
        while flight.waiting:
            call = flight.waiting.pop(0)
            if call.state is not SETTLED and not call.session.dead:
                self._lead(flight, call)
                self._place(call)
                return
        self._end(flight)

    def _lead(self, flight: Flight, call: Call, *, fresh: bool = False) -> None:
        flight.leader = call
        flight.created = None
        self._leaders[call] = flight
        call.payload = shared_call(bytes(call.payload), flight.rule, flight.target, call.pool.policy.name, fresh=fresh)

    def _place(self, call: Call) -> None:
        """Have it run, if its pool still takes calls."""
        pool = call.pool
        if self._core.pools.get(pool.policy.name) is not pool:
            self._core.fail(call, ErrorKind.POOL_UNAVAILABLE, f"pool {pool.policy.name!r} was removed")
        elif pool.failed is not None:
            self._core.fail(call, ErrorKind.POOL_UNAVAILABLE, pool.failed)
        else:
            self._core.place(call)

    def _end(self, flight: Flight) -> None:
        if self._flights.get(flight.name) is flight:
            del self._flights[flight.name]

    def _see(self, flight: Flight, kind: int, payload: bytes, expires: float) -> None:
        """Keep an answer at hand for a moment."""
        lasts = SEEN_FOR if not expires else min(SEEN_FOR, expires - time.time())
        before = self._front.pop(flight.name, None)
        if before is not None:
            self._front_bytes -= len(before[2])
        if lasts <= 0 or len(payload) > FRONT_BYTES // 8:
            return
        self._front[flight.name] = (time.monotonic() + lasts, kind, payload)
        self._front_bytes += len(payload)
        while self._front_bytes > FRONT_BYTES:
            _, (_, _, dropped) = self._front.popitem(last=False)
            self._front_bytes -= len(dropped)

    def _name(self, call: Call, rule: Rule) -> str:
        digest = blake2b(call.payload, digest_size=20, person=b"bascule-answer")
        digest.update(f"\0{call.codec}\0{call.pool.policy.name}\0{rule.version}".encode())
        return digest.hexdigest()

    def _count(self, rule: Rule, target: str, what: str) -> None:
        self.counts[what] += 1
        self._shelves.count(rule, target, "hits" if what == "shared" else what)
