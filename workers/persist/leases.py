"""Locks of a server: a lease with a holder's name, which its holder renews, within a lock of the machine.

A server can't tell that a holder was killed. The kernel can: processes of one machine keep each other off with a lock
file (see `machine`), so whoever has that lock and finds a lease of his own machine knows that its holder is dead, and
takes it over at once. Only a lease of another machine has to run out.
"""

from __future__ import annotations

import abc
import contextlib
import os
import threading
import time
import uuid
from collections.abc import Hashable

from bascule.workers.persist.commoncache import StoreUnavailable
from bascule.workers.persist.locks import Deadlock, Lock
from bascule.workers.persist.machine import machine_id, machine_lock

LEASE = 10.0  # seconds that a lease runs without being renewed
_PAUSE = 0.02
_PATIENCE = 60.0  # seconds of waiting after which there may be a circle, which no kernel sees


class Lease(abc.ABC):
    """One name's lease on a server. Each method raises `StoreUnavailable` when the server can't be used."""

    @abc.abstractmethod
    def take(self, holder: str, instead_of: str | None) -> str:
        """Take it if it is free, has run out, or is `instead_of`'s; who has it now."""

    @abc.abstractmethod
    def renew(self, holder: str) -> None:
        """Let it run for another while, if it is still the holder's."""

    @abc.abstractmethod
    def drop(self, holder: str) -> None:
        """Give it back, if it is still the holder's."""


class LeasedLock(Lock):
    """A lock between all machines that use one server."""

    def __init__(self, place: Hashable, name: str, lease: Lease) -> None:
        self._local = machine_lock(place, name)
        self._lease = lease
        self._machine = machine_id()
        self._holder = f"{self._machine}/{os.getpid()}/{uuid.uuid4().hex}"
        self._ended = threading.Event()

    def acquire(self, *, wait: bool) -> bool:
        """Take the machine's lock, then the server's."""
        if not self._local.acquire(wait=wait):
            return False
        try:
            got = self._take(wait=wait)
        except BaseException:
            self._local.release()
            raise
        if not got:
            self._local.release()
            return False
        threading.Thread(target=self._keep, name="bascule-persist-lease", daemon=True).start()
        return True

    def _take(self, *, wait: bool) -> bool:
        start = time.monotonic()
        dead: str | None = None
        while True:
            holder = self._lease.take(self._holder, dead)
            if holder == self._holder:
                return True
            if holder.partition("/")[0] == self._machine and holder != dead:
                dead = holder  # we have the machine's lock: it can't live
                continue
            if not wait:
                return False
            if time.monotonic() - start > _PATIENCE:
                raise Deadlock
            time.sleep(_PAUSE)

    def _keep(self) -> None:
        while not self._ended.wait(LEASE / 3):
            with contextlib.suppress(StoreUnavailable):
                self._lease.renew(self._holder)

    def release(self) -> None:
        """Give both back."""
        self._ended.set()
        try:
            with contextlib.suppress(StoreUnavailable):
                self._lease.drop(self._holder)
        finally:
            self._local.release()
