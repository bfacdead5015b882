"""What the router knows of a pool: who takes calls, who stands by, what waits, and how long calls of a kind take.

How many calls may wait *inside* a worker is decided by how long such calls take. For calls of microseconds a deep
window is what makes batches, and batches are worth a factor of ten; a call behind one that takes a second is stuck,
since what is in a worker's pipe can't be given to another. So each target has a `Profile` with a moving average of its
time, and an unknown target is taken to be slow until it has answered once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

from bascule.bridge.notices import PoolPolicy
from bascule.bridge.router.calls import Call, CallState
from bascule.bridge.scheduling import Chooser, chooser

if TYPE_CHECKING:
    from bascule.bridge.operations.meter import Meter
    from bascule.bridge.router.peers import Worker

_WINDOWS = ((100, 32), (1_000, 4), (5_000, 1))
"""(calls faster than this many microseconds, so many may wait in a worker beside those that run)."""
_MOST_PROFILES = 4096
_SWEEP_ABOVE = 1024
_TURN = 8  # calls of one session that go together, where as many may wait in a worker: 0.8 ms at most


class Profile:
    """How long calls of one target take, and what follows from it."""

    __slots__ = ("micros", "waiting")

    def __init__(self) -> None:
        self.micros = -1.0  # never answered
        self.waiting = 0  # calls that may wait inside a worker behind the running ones

    def learn(self, micros: int) -> None:
        """A call took this long."""
        known = self.micros
        self.micros = known = micros if known < 0 else known + (micros - known) * 0.125
        for limit, waiting in _WINDOWS:
            if known < limit:
                self.waiting = waiting
                return
        self.waiting = 0


class NothingBehind(Profile):
    """Of a target that makes callbacks: how long it takes says nothing about who may wait behind it. Nobody may."""

    __slots__ = ()

    def learn(self, micros: int) -> None:
        """There is nothing to learn."""


class FairQueue:
    """Calls that wait for a worker: sessions take turns, each session's calls keep their order.

    A turn is one call; of the quickest ones it is a few. Taken singly from 256 sessions, each answer is a write of its
    own to a client, and what that client sends next a read of its own, which costs the router as much as the call.

    A settled call is not looked for: it is skipped when its turn comes, and all such are swept out when they are many.
    """

    def __init__(self) -> None:
        self._turns: deque[int] = deque()
        self._queues: dict[int, deque[Call]] = {}
        self.waiting = 0
        self.bytes = 0
        self._taken = 0  # in this turn
        self._settled = 0  # calls that are still in a line and wait for nothing any more

    def push(self, call: Call, *, first: bool = False) -> None:
        """Put a call at the end (or, when its worker died before it was started, at the head) of its session's line."""
        call.state = CallState.QUEUED
        call.queue = self
        session = call.session.id
        queue = self._queues.get(session)
        if queue is None:
            queue = self._queues[session] = deque()
            self._turns.append(session)
        if first:
            queue.appendleft(call)
        else:
            queue.append(call)
        self.waiting += 1
        self.bytes += len(call.payload)

    def waiting_of(self, session: int) -> int:
        """How many calls one session has in line."""
        return len(self._queues.get(session, ()))

    def peek(self) -> Call | None:
        """The call whose turn it is, or None."""
        turns, queues = self._turns, self._queues
        while turns:
            queue = queues[turns[0]]
            while queue:
                if queue[0].queue is self:
                    return queue[0]
                queue.popleft()
                self._settled -= 1
            del queues[turns.popleft()]
        return None

    def pop(self) -> Call | None:
        """Take the call whose turn it is. The next turn is another session's, after a few calls where they are quick:
        answers that come together are written together, and so are the calls that follow them.
        """
        call = self.peek()
        if call is not None:
            queue = self._queues[self._turns[0]]
            queue.popleft()
            self._forget(call)
            call.state = CallState.ACCEPTED
            if queue:
                self._taken += 1
                if self._taken >= _TURN or call.profile.waiting < _TURN:
                    self._taken = 0
                    self._turns.rotate(-1)
            else:
                self._taken = 0
                del self._queues[self._turns.popleft()]
        return call

    def settle(self, call: Call) -> None:
        """A call that stands in line here has ended."""
        self._forget(call)
        self._settled += 1
        if self._settled > _SWEEP_ABOVE and self._settled > self.waiting:
            self._sweep()

    def _forget(self, call: Call) -> None:
        call.queue = None
        self.waiting -= 1
        self.bytes -= len(call.payload)

    def _sweep(self) -> None:
        """Take all settled calls out of their lines."""
        for session, queue in list(self._queues.items()):
            left = deque(call for call in queue if call.queue is self)
            if left:
                self._queues[session] = left
            else:
                del self._queues[session]
        self._turns = deque(session for session in self._turns if session in self._queues)
        self._settled = 0


class Pool:
    """One pool as the router sees it."""

    def __init__(self, policy: PoolPolicy) -> None:
        self.policy = policy
        self.choose: Chooser = chooser(policy.scheduler)
        self.active: list[Worker] = []  # by slot
        self.spares: list[Worker] = []
        self.queue = FairQueue()
        self.failed: str | None = None  # why the pool answers PoolUnavailable
        self.meter: Meter | None = None  # told how long calls took, where somebody wants to know
        self.least_busy = policy.scheduler == "least_busy"
        self._profiles: dict[bytes, Profile] = {}

    def set_policy(self, policy: PoolPolicy) -> None:
        """A new policy; a scheduler that did not change keeps its state."""
        if policy.scheduler != self.policy.scheduler:
            self.choose = chooser(policy.scheduler)
            self.least_busy = policy.scheduler == "least_busy"
        self.policy = policy

    def profile(self, target: bytes) -> Profile:
        """The profile of a target; forgets all when there are too many (an attack, or generated names)."""
        profile = self._profiles.get(target)
        if profile is None:
            if len(self._profiles) >= _MOST_PROFILES:
                self._profiles.clear()
            profile = self._profiles[target] = Profile()
        return profile

    def let_nothing_wait_behind(self, call: Call) -> None:
        """The call waits for something outside: no call may wait in a worker behind its like, from now on."""
        if not isinstance(call.profile, NothingBehind):
            call.profile = self._profiles[call.target] = NothingBehind()
            call.session.head = None  # it knows the old one

    def worker_for(self, call: Call) -> Worker | None:
        """Who takes this call now, or None when it must wait."""
        waiting = call.profile.waiting
        if self.least_busy:
            best: Worker | None = None
            fewest = 1 << 30
            for worker in self.active:
                outstanding = len(worker.calls)
                if not outstanding and not worker.streams:  # an item of a stream may take long
                    return worker
                if outstanding < fewest and outstanding < worker.threads + waiting and worker.open_to(waiting):
                    best, fewest = worker, outstanding
            return best
        free = [
            worker for worker in self.active if len(worker.calls) < worker.threads + waiting and worker.open_to(waiting)
        ]
        return cast("Worker", self.choose(free)) if free else None
