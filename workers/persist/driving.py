"""Going through the steps of `flights`, in a thread or in a task of an event loop: how each of them waits.

A task looks for another process's lock in short turns, which can be cancelled. Where waiting could be in a circle, only
the kernel can tell: then a thread waits in the task's place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bascule.workers.persist.event_loops import loop_here
from bascule.workers.persist.flights import Flight, Step, Steps, Turn, try_lock
from bascule.workers.persist.locks import Deadlock, Lock

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02  # seconds between two looks at another process's lock


def run(steps: Steps, call: Callable[[], Any]) -> Any:
    """Go through the steps in this thread."""
    try:
        step, subject = next(steps)
        while True:
            try:
                if step is Step.CALL:
                    answer = call()
                elif step is Step.LANDING:
                    subject.wait()
                    answer = None
                else:
                    answer = _wait_for_lock(*subject)
            except BaseException as error:
                step, subject = steps.throw(error)
            else:
                step, subject = steps.send(answer)
    except StopIteration as end:
        return end.value


async def run_async(steps: Steps, call: Callable[[], Awaitable[Any]]) -> Any:
    """Go through the steps in this task, of asyncio or trio."""
    try:
        step, subject = next(steps)
        while True:
            try:
                if step is Step.CALL:
                    answer = await call()
                elif step is Step.LANDING:
                    await _landing(subject)
                    answer = None
                else:
                    answer = await _wait_for_lock_async(*subject)
            except BaseException as error:
                step, subject = steps.throw(error)
            else:
                step, subject = steps.send(answer)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


def _wait_for_lock(lock: Lock, flight: Flight, nested: bool) -> Turn:
    try:
        return Turn.OURS if lock.wait() else Turn.AGAIN
    except Deadlock:
        pass
    while True:
        if nested or flight.needed_by_leaders:
            return Turn.NEVER
        if try_lock(lock):
            return Turn.OURS
        time.sleep(_FIRST_PAUSE)


async def _wait_for_lock_async(lock: Lock, flight: Flight, nested: bool) -> Turn:
    """In short looks, which can be cancelled; who leads a flight asks the kernel, who alone sees circles."""
    pause = _FIRST_PAUSE
    while not nested and not flight.needed_by_leaders:
        if try_lock(lock):
            return Turn.OURS
        await loop_here().sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    waiter = _Waiter(lock, flight)
    try:
        await _landing(waiter.ended)
    except BaseException:
        waiter.give_up()
        raise
    return waiter.turn


async def _landing(flight: Flight) -> None:
    await loop_here().wait_until_told(flight.call_when_landed)


class _Waiter:
    """A thread that waits for a lock in the place of a task."""

    def __init__(self, lock: Lock, flight: Flight) -> None:
        self.ended = Flight()
        self.turn = Turn.NEVER
        self._unwanted = False
        self._mutex = threading.Lock()
        self._lock = lock
        self._flight = flight
        threading.Thread(target=self._wait, name="bascule-persist-lock", daemon=True).start()

    def _wait(self) -> None:
        try:
            turn = _wait_for_lock(self._lock, self._flight, True)
        except OSError:
            turn = Turn.NEVER
        with self._mutex:
            self.turn = turn
            if turn is Turn.OURS and self._unwanted:
                self._lock.release()
        self.ended.land()

    def give_up(self) -> None:
        """Its task was cancelled."""
        with self._mutex:
            self._unwanted = True
            if self.turn is Turn.OURS:
                self._lock.release()
