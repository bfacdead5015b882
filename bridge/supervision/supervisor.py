"""The nursery that keeps its children alive.

    supervisor = Supervisor("bridge", SupervisorFlags(Strategy.REST_FOR_ONE), [ChildSpec("router", run_router), ...])
    await nursery.start(supervisor.run)     # when this returns, all children are up

One task, the *keeper*, does everything that changes the family, one thing at a time: it takes an event (a child
ended, a restart is to be tried again, somebody asks for something), lets `restart` decide, and carries the decision
out. So nobody ever sees a family half restarted. Requests from other tasks wait for their turn.

Children are stopped by cancellation, right to left, and each is waited for. What a child does on its way out it does
inside `with grace():` (see `lives`), a shield that lasts as long as the child's `shutdown` allows.

Cancelling `run` stops the children in that same order: the nursery that holds them is shielded from the cancellation,
and the keeper passes it on child by child. This is why `run` may outlive its own cancellation, and why a supervisor
that is the child of another should have `Shutdown.INFINITY`.

Do not call a supervisor's requests from the start of one of its own children: the keeper waits for that start.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import trio

from bascule.bridge.supervision import restart
from bascule.bridge.supervision.lives import Life, Status, enter, grace
from bascule.bridge.supervision.restart import Action, End, EndReason, Family, Phase, Start, Stop
from bascule.bridge.supervision.spec import ChildRefused, ChildSpec, Refusal, Strategy, SupervisorFlags

_log = logging.getLogger(__name__)


class SupervisorFailed(Exception):
    """A supervisor gave up: its children were restarted too often, or did not start at all. All are stopped."""


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """What `which_children` tells of a child."""

    id: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class ChildCount:
    """What `count_children` tells."""

    specs: int
    active: int


@dataclass(eq=False, slots=True)
class _Request:
    """What somebody asked for, and the answer."""

    child_id: str
    act: Callable[[], Awaitable[Any]]
    done: trio.Event = field(default_factory=trio.Event)
    value: Any = None
    error: Exception | None = None


class _NotStarted(Exception):
    """A child did not start, because of `__cause__`."""

    def __init__(self, child_id: str) -> None:
        super().__init__(child_id)
        self.child_id = child_id


class Supervisor:
    """Keeps children alive; see the module's text.

    Args:
        name: For logs and messages.
        flags: Strategy, restart intensity, auto_shutdown.
        children: In start order. A dynamic supervisor has exactly one: the spec of its instances.

    Raises:
        SpecError: The children do not go with the flags.
    """

    def __init__(self, name: str, flags: SupervisorFlags, children: Iterable[ChildSpec] = ()) -> None:
        self.name = name
        self._template: ChildSpec | None = None
        if flags.strategy is Strategy.DYNAMIC:
            (self._template,) = children
            flags.check([self._template])
            children = ()
        self._family: Family = restart.found(flags, children)
        self._instances = 0
        self._lives: dict[str, Life] = {}
        self._coming: Life | None = None  # the one that the keeper is starting
        self._post, self._events = trio.open_memory_channel[Callable[[], Awaitable[None]]](math.inf)
        self._requests: set[_Request] = set()
        self._nursery: trio.Nursery | None = None
        self._stopping = False
        self._failure: SupervisorFailed | None = None

    async def run(self, *, task_status: trio.TaskStatus[Supervisor] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the children, keep them alive, and stop them when cancelled. A supervisor runs once.

        Returns when a significant child ended and `auto_shutdown` says so.

        Raises:
            SupervisorFailed: A child did not start, or there were too many restarts.
        """
        if self._nursery is not None:
            raise RuntimeError(f"supervisor {self.name} has run already: make a new one")
        keeper_done = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep, task_status, keeper_done)
            try:
                await keeper_done.wait()
            except trio.Cancelled:
                self._stopping = True
                if self._coming is not None:  # a start may take long: it is not waited for
                    self._coming.stop()
                self._post.send_nowait(self._wake)
                raise
        if self._failure is not None:
            raise self._failure

    # What others may ask.

    async def start_child(self, spec: ChildSpec) -> Any:
        """Add a child at the right end and start it; returns what it gave to `task_status.started`.

        Raises:
            ChildRefused: There is one of that id, or this supervisor is dynamic or ended.
            SpecError: The spec does not go with the supervisor's flags.
            Exception: Whatever the child's start raised; the spec is discarded then.
        """
        if self._template is not None:
            raise ChildRefused(Refusal.DYNAMIC, spec.id)
        return await self._ask(spec.id, partial(self._add, spec))

    async def start_instance(self, *args: Any) -> tuple[str, Any]:
        """Start one more instance of a dynamic supervisor's spec with these arguments.

        Returns:
            Its id, and what it gave to `task_status.started`.

        Raises:
            ChildRefused: This supervisor is not dynamic, or ended.
            Exception: Whatever the child's start raised.
        """
        if self._template is None:
            raise ChildRefused(Refusal.NOT_DYNAMIC, self.name)
        self._instances += 1
        name = f"{self._template.id}-{self._instances}"
        spec = replace(self._template, id=name, start=partial(self._template.start, *args))
        return name, await self._ask(name, partial(self._add, spec))

    async def terminate_child(self, child_id: str) -> None:
        """Stop a child; its spec stays (not that of a temporary child or an instance).

        Raises:
            ChildRefused: There is no such child.
        """
        await self._ask(child_id, partial(self._terminate, child_id))

    async def restart_child(self, child_id: str) -> Any:
        """Start a stopped child; returns what it gave to `task_status.started`. Not counted as a restart.

        Raises:
            ChildRefused: It is not stopped, there is none, or it is an instance.
            Exception: Whatever the child's start raised; it stays stopped then.
        """
        return await self._ask(child_id, partial(self._start_again, child_id))

    async def delete_child(self, child_id: str) -> None:
        """Forget a stopped child.

        Raises:
            ChildRefused: It is not stopped, there is none, or it is an instance.
        """
        await self._ask(child_id, partial(self._delete, child_id))

    def which_children(self) -> list[ChildInfo]:
        """The children in start order; one that is just being started is RESTARTING."""
        coming = None if self._coming is None else self._coming.spec.id
        return [
            ChildInfo(child.spec.id, Phase.RESTARTING if child.spec.id == coming else child.phase)
            for child in self._family.children
        ]

    def count_children(self) -> ChildCount:
        """How many children there are, and how many of them run."""
        return ChildCount(len(self._family.children), len(self._family.running()))

    async def _ask(self, child_id: str, act: Callable[[], Awaitable[Any]]) -> Any:
        """Have the keeper do this in its turn, and wait for the answer."""
        if self._stopping:
            raise ChildRefused(Refusal.STOPPED, child_id)
        request = _Request(child_id, act)
        self._requests.add(request)
        self._post.send_nowait(partial(self._answer, request))
        await request.done.wait()
        if request.error is not None:
            raise request.error
        return request.value

    # The keeper.

    async def _keep(self, task_status: trio.TaskStatus[Supervisor], done: trio.Event) -> None:
        """Hold the children, out of reach of what cancels `run`, until none is left."""
        try:
            with grace():
                async with trio.open_nursery() as self._nursery:
                    try:
                        await self._start_first()
                        task_status.started(self)
                        while not self._stopping:
                            event = await self._events.receive()
                            await event()
                    except SupervisorFailed as failure:
                        self._failure = failure
                    finally:
                        await self._stop_family()
        finally:
            for request in self._requests:
                request.error = ChildRefused(Refusal.STOPPED, request.child_id)
                request.done.set()
            done.set()

    async def _start_first(self) -> None:
        try:
            await self._start_all(restart.start_all(self._family))
        except _NotStarted as failed:
            message = f"{self.name}: child {failed.child_id} did not start: {_short(failed.__cause__)}"
            raise SupervisorFailed(message) from failed.__cause__

    async def _stop_family(self) -> None:
        self._stopping = True
        self._family, stop = restart.stop_all(self._family)
        try:
            await self._stop_all(stop)
        except trio.Cancelled:  # our own grace is over, and so is theirs
            for life in self._lives.values():
                life.end_grace(-math.inf)
            raise

    async def _perform(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Stop):
                await self._stop_all(action)
            elif isinstance(action, Start):
                await self._start_or_try_again(action)
            else:
                self._end(action)

    def _end(self, action: End) -> None:
        self._stopping = True
        if action.reason is EndReason.TOO_MANY_RESTARTS:
            limit = self._family.flags.limit
            raise SupervisorFailed(
                f"{self.name}: its children were restarted more than {limit.intensity} times within {limit.period:g} s"
            )
        _log.info("%s: ends, since %s", self.name, action.reason.value)

    async def _start_or_try_again(self, action: Start) -> None:
        try:
            await self._start_all(action)
        except _NotStarted as failed:
            if self._stopping:
                return
            _log.error("%s: child %s did not start again: %s", self.name, failed.child_id, _short(failed.__cause__))
            self._family = restart.start_failed(self._family, failed.child_id)
            self._post.send_nowait(partial(self._try_again, failed.child_id))

    async def _start_all(self, action: Start) -> None:
        for child_id in action.ids:
            try:
                await self._start(child_id)
            except Exception as error:
                raise _NotStarted(child_id) from error

    async def _start(self, child_id: str) -> Any:
        """Start one child and wait until it is up; returns what it gave to `task_status.started`."""
        child = self._family.find(child_id)
        assert child is not None and self._nursery is not None
        if self._stopping:
            raise ChildRefused(Refusal.STOPPED, child_id)
        life = self._coming = Life(child.spec)
        try:
            value = await self._nursery.start(self._live, life)
        except Exception:
            if life.leaving:
                raise ChildRefused(Refusal.STOPPED, child_id) from None
            raise
        finally:
            self._coming = None
        self._family = restart.started(self._family, child_id)
        self._lives[child_id] = life
        if life.ended.is_set():  # it was up, and over, before we looked
            self._post.send_nowait(partial(self._exited, life))
        return value

    async def _live(self, life: Life, *, task_status: trio.TaskStatus[Any]) -> None:
        """A child's task, from its start to its end. Once it is up, no `Exception` of its leaves here."""
        enter(life)
        try:
            with life.scope:
                await life.spec.start(task_status=Status(life, task_status))
        except Exception as error:
            if not life.up:
                raise  # to the one who wanted it started
            life.error = error
        finally:
            life.ended.set()
            if self._lives.get(life.spec.id) is life and not life.leaving:
                self._post.send_nowait(partial(self._exited, life))

    async def _stop_all(self, action: Stop) -> None:
        if action.at_once:
            for child_id in action.ids:
                self._lives[child_id].stop()
        for child_id in action.ids:
            await self._stop(child_id)

    async def _stop(self, child_id: str) -> None:
        """Stop a child, and wait for its end."""
        life = self._lives[child_id]
        if not life.leaving:
            life.stop()
        await life.ended.wait()
        del self._lives[child_id]
        if life.error is not None:
            _log.error("%s: child %s failed while it was stopped: %s", self.name, child_id, _short(life.error))

    # Events, each carried out by the keeper in its turn.

    async def _wake(self) -> None:
        """Nothing: the keeper looks up."""

    async def _answer(self, request: _Request) -> None:
        try:
            request.value = await request.act()
        except Exception as error:
            request.error = error
        self._requests.discard(request)
        request.done.set()

    async def _exited(self, life: Life) -> None:
        if self._lives.get(life.spec.id) is not life or life.leaving:
            return  # it was stopped meanwhile: an old story
        del self._lives[life.spec.id]
        if life.error is not None:
            _log.error("%s: child %s ended: %s", self.name, life.spec.id, _short(life.error), exc_info=life.error)
        now = trio.current_time()
        self._family, actions = restart.exited(self._family, life.spec.id, normal=life.error is None, now=now)
        await self._perform(actions)

    async def _try_again(self, child_id: str) -> None:
        self._family, actions = restart.try_again(self._family, child_id, now=trio.current_time())
        await self._perform(actions)

    async def _add(self, spec: ChildSpec) -> Any:
        self._family = restart.added(self._family, spec)
        try:
            return await self._start(spec.id)
        except BaseException:
            self._family = restart.not_started(self._family, spec.id)
            raise

    async def _terminate(self, child_id: str) -> None:
        self._family, actions = restart.terminated(self._family, child_id)
        await self._perform(actions)

    async def _start_again(self, child_id: str) -> Any:
        restart.check_stopped(self._family, child_id)
        return await self._start(child_id)

    async def _delete(self, child_id: str) -> None:
        self._family = restart.deleted(self._family, child_id)


def _short(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"
