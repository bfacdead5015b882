"""`redis://host:port/db`: a Redis server, through the package redis.

bascule:functions                  the set of function names
bascule:owners                     function -> owner
bascule:results:FUNCTION           a hash: name -> the entry, sealed, with its key and metadata
bascule:used:FUNCTION              a hash: name -> when it was last used, where that matters
bascule:statistics:FUNCTION        a hash of counts
bascule:lock:FUNCTION:NAME         a lease (see `leases`)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from bascule.workers.persist.commoncache import Place, Store, unavailable
from bascule.workers.persist.entries import Damaged, Entry, Listed, OtherVersion, seal_all, unseal_all
from bascule.workers.persist.leases import LEASE, Lease, LeasedLock
from bascule.workers.persist.locks import Lock

_LEASE_MS = int(LEASE * 1000)
_TAKE = """
local holder = redis.call('get', KEYS[1])
if not holder or holder == ARGV[1] or holder == ARGV[2] then
  redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[3])
  return ARGV[1]
end
return holder
"""
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('pexpire', KEYS[1], ARGV[2]) end"
_DROP = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end"


class RedisPlace(Place):
    """A database of a server."""

    def __init__(self, url: str, *, timeout: float) -> None:
        try:
            import redis
        except ImportError:
            raise ImportError("a redis:// store needs the package redis: pip install 'bascule[redis]'") from None
        super().__init__(url, ("redis", url))
        self._errors: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self.client: Any = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)

    def store(self, function: str) -> RedisStore:
        return RedisStore(self, function)

    def functions(self) -> Iterator[str]:
        with self.trouble("can't list"):
            names = self.client.smembers("bascule:functions")
        for name in sorted(names):
            yield name.decode("utf-8", "surrogatepass")

    def claim(self, function: str, owner: str) -> bool:
        try:
            with self.trouble("can't write"):
                self.client.hsetnx("bascule:owners", _bytes(function), _bytes(owner))
                return bool(self.client.hget("bascule:owners", _bytes(function)) == _bytes(owner))
        except OSError:
            return True

    @contextlib.contextmanager
    def trouble(self, what: str) -> Iterator[None]:
        """Whatever the client raises, as one error."""
        try:
            yield
        except self._errors as error:
            raise unavailable(self, what, error) from None

    def close(self) -> None:
        self.client.close()


class RedisStore(Store):
    """One function's hash."""

    def __init__(self, place: RedisPlace, function: str) -> None:
        self.place = place
        self.function = function
        name = _bytes(function)
        self._results = b"bascule:results:" + name
        self._used = b"bascule:used:" + name
        self._statistics = b"bascule:statistics:" + name
        self._lock = b"bascule:lock:" + name + b":"

    def __repr__(self) -> str:
        return f"{self.place.url}#{self.function}"

    def get(self, name: str) -> Entry | None:
        with self.place.trouble("can't read"):
            data = self.place.client.hget(self._results, _bytes(name))
        if data is None:
            return None
        try:
            return unseal_all(name, data)
        except Damaged as why:
            self.damaged(name, why)
        except OtherVersion:
            pass
        return None

    def put(self, name: str, entry: Entry) -> None:
        with self.place.trouble("can't write"):
            pipe = self.place.client.pipeline()
            pipe.sadd("bascule:functions", _bytes(self.function))
            pipe.hset(self._results, _bytes(name), seal_all(name, entry))
            pipe.hdel(self._used, _bytes(name))
            pipe.execute()

    def delete(self, name: str) -> bool:
        with self.place.trouble("can't delete"):
            self.place.client.hdel(self._used, _bytes(name))
            return bool(self.place.client.hdel(self._results, _bytes(name)))

    def iterate(self) -> Iterator[Listed]:
        cursor, first = 0, True
        seen: set[bytes] = set()  # a scan may give a name twice while the hash grows
        while first or cursor:
            first = False
            with self.place.trouble("can't list"):
                cursor, page = self.place.client.hscan(self._results, cursor, count=500)
                new = [name for name in page if name not in seen]
                used = self.place.client.hmget(self._used, new) if new else []
            for name, when in zip(new, used):
                seen.add(name)
                if (listed := _listed(name, page[name], when)) is not None:
                    yield listed

    def lock(self, name: str) -> Lock:
        lease = RedisLease(self.place, self._lock + _bytes(name))
        return LeasedLock(self.place.identity, f"{self.function}\0{name}", lease)

    def count(self) -> int:
        with self.place.trouble("can't count"):
            return int(self.place.client.hlen(self._results))

    def clear(self) -> None:
        with self.place.trouble("can't clear"):
            self.place.client.delete(self._results, self._used)

    def touch(self, name: str, now: float) -> None:
        with contextlib.suppress(OSError), self.place.trouble("can't write"):
            self.place.client.hset(self._used, _bytes(name), repr(now))

    def add_statistics(self, numbers: dict[str, float]) -> None:
        with self.place.trouble("can't write"):
            pipe = self.place.client.pipeline()
            for name, number in numbers.items():
                pipe.hincrbyfloat(self._statistics, name, number)
            pipe.execute()

    def statistics(self) -> dict[str, float]:
        with self.place.trouble("can't read"):
            found = self.place.client.hgetall(self._statistics)
        return {name.decode(): float(number) for name, number in found.items()}


class RedisLease(Lease):
    """A key that runs out."""

    def __init__(self, place: RedisPlace, key: bytes) -> None:
        self._place = place
        self._key = key

    def take(self, holder: str, instead_of: str | None) -> str:
        with self._place.trouble("can't lock"):
            found = self._place.client.eval(_TAKE, 1, self._key, holder, instead_of or holder, _LEASE_MS)
        return str(found.decode())

    def renew(self, holder: str) -> None:
        with self._place.trouble("can't lock"):
            self._place.client.eval(_RENEW, 1, self._key, holder, _LEASE_MS)

    def drop(self, holder: str) -> None:
        with self._place.trouble("can't unlock"):
            self._place.client.eval(_DROP, 1, self._key, holder)


def _listed(name: bytes, data: bytes, used: bytes | None) -> Listed | None:
    text = name.decode("utf-8", "surrogatepass")
    try:
        entry = unseal_all(text, data, check=False)
    except (Damaged, OtherVersion):
        return None
    created, expires = (entry.stamp.created, entry.stamp.expires) if entry.stamp is not None else (0.0, 0.0)
    return Listed(text, len(entry.value), created, float(used) if used else created, expires, entry.key)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
