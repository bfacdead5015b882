"""`mongodb://host:port/database`: a MongoDB server, through the package pymongo.

    results     {_id: {f: function, n: name}, data, key, metadata, size, created, used, expires, generation, pieces}
    pieces      {_id: {f, n, g: generation, i: number}, data}: of results that are too large for one document
    functions   {_id: function, owner, statistics}
    locks       {_id: {f, n}, holder, until}: leases (see `leases`)

The collections' names begin with `bascule_`. A large result's pieces are written before its document, which names their
generation, and the old ones removed after it: a reader has the old result, or the new one, or looks again.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from bascule.workers.persist.commoncache import Place, Store, StoreUnavailable, unavailable
from bascule.workers.persist.entries import HEAD_SIZE, Damaged, Entry, Listed, OtherVersion, checked, head_of
from bascule.workers.persist.leases import LEASE, Lease, LeasedLock
from bascule.workers.persist.locks import Lock

_DATABASE = "bascule"
_PIECE = 8 << 20  # bytes; a document may have 16 MiB
_TIMEOUTS = {"serverSelectionTimeoutMS": 5000, "connectTimeoutMS": 5000, "socketTimeoutMS": 60_000}
"""Unless the URL says them."""
_not_ours: list[Any] = []  # clients of the process that we were forked from: not even to be closed here


class MongoPlace(Place):
    """A database of a server."""

    def __init__(self, url: str) -> None:
        try:
            import pymongo
            import pymongo.errors
        except ImportError:
            raise ImportError("a mongodb:// store needs the package pymongo: pip install 'bascule[mongodb]'") from None
        super().__init__(url, ("mongodb", url))
        self._errors: tuple[type[Exception], ...] = (pymongo.errors.PyMongoError, OSError)
        self.duplicate: type[Exception] = pymongo.errors.DuplicateKeyError
        self._timeouts = {name: ms for name, ms in _TIMEOUTS.items() if name.lower() not in url.lower()}
        self._name = urlsplit(url).path.strip("/") or _DATABASE
        self._pymongo: Any = pymongo
        self._client: tuple[int, Any] | None = None

    def collection(self, name: str) -> Any:
        """One of ours. The client is made when first used: it must not be carried over a fork."""
        if self._client is None or self._client[0] != os.getpid():
            _not_ours.append(self._client)
            self._client = (os.getpid(), self._pymongo.MongoClient(self.url, **self._timeouts))
        return self._client[1][self._name][f"bascule_{name}"]

    def store(self, function: str) -> MongoStore:
        return MongoStore(self, function)

    def functions(self) -> Iterator[str]:
        with self.trouble("can't list"):
            names = [document["_id"] for document in self.collection("functions").find()]
        yield from sorted(map(_plain, names))

    def claim(self, function: str, owner: str) -> bool:
        try:
            with self.trouble("can't write"):
                functions, where = self.collection("functions"), {"_id": _safe(function)}
                functions.update_one(where, {"$setOnInsert": {"owner": _safe(owner)}}, upsert=True)
                functions.update_one({**where, "owner": None}, {"$set": {"owner": _safe(owner)}})
                found = functions.find_one(where)
                return found is not None and found.get("owner") == _safe(owner)
        except StoreUnavailable:
            return True

    @contextlib.contextmanager
    def trouble(self, what: str) -> Iterator[None]:
        """Whatever the client raises, as one error."""
        try:
            yield
        except self._errors as error:
            if isinstance(error, StoreUnavailable):
                raise
            raise unavailable(self, what, OSError(str(error)[:300])) from None

    def close(self) -> None:
        if self._client is not None and self._client[0] == os.getpid():
            self._client[1].close()
            self._client = None


class MongoStore(Store):
    """One function's documents."""

    def __init__(self, place: MongoPlace, function: str) -> None:
        self.place = place
        self.function = function
        self._f = _safe(function)

    def __repr__(self) -> str:
        return f"{self.place.url}#{self.function}"

    def _id(self, name: str) -> dict[str, str]:
        return {"f": self._f, "n": _safe(name)}

    def get(self, name: str) -> Entry | None:
        seen = None
        try:
            while True:
                with self.place.trouble("can't read"):
                    document = self.place.collection("results").find_one({"_id": self._id(name)})
                    if document is None:
                        return None
                    try:
                        return self._entry(name, document)
                    except Damaged as damaged:
                        if document == seen:
                            why = damaged
                            break
                        seen = document  # or its pieces were replaced just now: then another one is there now
        except OtherVersion:
            return None
        self.damaged(name, why)
        return None

    def _entry(self, name: str, document: dict[str, Any]) -> Entry:
        data, key, metadata = document.get("data"), document.get("key"), document.get("metadata")
        if not isinstance(data, bytes) or not isinstance(key, (bytes, type(None))):
            raise Damaged("its fields are of other types")
        if not document.get("pieces"):
            return checked(name, data, memoryview(data)[HEAD_SIZE:], key, metadata)
        found = self.place.collection("pieces").find(self._pieces(name, document.get("generation"))).sort("_id.i", 1)
        return checked(name, data, b"".join([piece["data"] for piece in found]), key, metadata)

    def _pieces(self, name: str, generation: Any) -> dict[str, Any]:
        return {"_id.f": self._f, "_id.n": _safe(name), "_id.g": generation}

    def put(self, name: str, entry: Entry) -> None:
        place, size = self.place, len(entry.value)
        head, generation, count = head_of(name, entry), uuid.uuid4().hex, 0
        created, expires = (entry.stamp.created, entry.stamp.expires) if entry.stamp else (time.time(), 0.0)
        with place.trouble("can't write"):
            results, pieces = place.collection("results"), place.collection("pieces")
            if size > _PIECE:
                view = memoryview(entry.value)
                for count, start in enumerate(range(0, size, _PIECE)):
                    identifier = {**self._id(name), "g": generation, "i": count}
                    pieces.insert_one({"_id": identifier, "data": bytes(view[start : start + _PIECE])})
                count += 1
            place.collection("functions").update_one({"_id": self._f}, {"$setOnInsert": {"owner": None}}, upsert=True)
            document = {
                "data": head if count else head + bytes(entry.value),
                "key": entry.key,
                "metadata": entry.metadata,
                "size": size,
                "created": created,
                "used": created,
                "expires": expires,
                "generation": generation,
                "pieces": count,
            }
            before = results.find_one_and_replace({"_id": self._id(name)}, document, upsert=True)
            if before is not None and before.get("pieces"):
                pieces.delete_many(self._pieces(name, before.get("generation")))

    def delete(self, name: str) -> bool:
        with self.place.trouble("can't delete"):
            gone = self.place.collection("results").find_one_and_delete({"_id": self._id(name)})
            if gone is not None and gone.get("pieces"):
                self.place.collection("pieces").delete_many(self._pieces(name, gone.get("generation")))
            return gone is not None

    def iterate(self) -> Iterator[Listed]:
        fields = {"size": 1, "created": 1, "used": 1, "expires": 1, "key": 1}
        with self.place.trouble("can't list"):
            for document in self.place.collection("results").find({"_id.f": self._f}, fields):
                numbers = [document.get(field) for field in ("created", "used", "expires")]
                created, used, expires = [float(each) if isinstance(each, (int, float)) else 0.0 for each in numbers]
                name, size = _plain(str(document["_id"]["n"])), int(document.get("size") or 0)
                yield Listed(name, size, created, used, expires, document.get("key"))

    def lock(self, name: str) -> Lock:
        return LeasedLock(self.place.identity, f"{self.function}\0{name}", MongoLease(self.place, self._id(name)))

    def count(self) -> int:
        with self.place.trouble("can't count"):
            return int(self.place.collection("results").count_documents({"_id.f": self._f}))

    def clear(self) -> None:
        with self.place.trouble("can't clear"):
            self.place.collection("results").delete_many({"_id.f": self._f})
            self.place.collection("pieces").delete_many({"_id.f": self._f})

    def touch(self, name: str, now: float) -> None:
        with contextlib.suppress(StoreUnavailable), self.place.trouble("can't write"):
            self.place.collection("results").update_one({"_id": self._id(name)}, {"$set": {"used": now}})

    def add_statistics(self, numbers: dict[str, float]) -> None:
        with self.place.trouble("can't write"):
            change = {"$inc": {f"statistics.{name}": number for name, number in numbers.items()}}
            self.place.collection("functions").update_one({"_id": self._f}, change, upsert=True)

    def statistics(self) -> dict[str, float]:
        with self.place.trouble("can't read"):
            found = self.place.collection("functions").find_one({"_id": self._f}) or {}
        return {str(name): float(number) for name, number in (found.get("statistics") or {}).items()}


class MongoLease(Lease):
    """A document with a time until which it holds."""

    def __init__(self, place: MongoPlace, identifier: dict[str, str]) -> None:
        self._place = place
        self._id = identifier

    def take(self, holder: str, instead_of: str | None) -> str:
        now = time.time()
        ours = {"holder": holder, "until": now + LEASE}
        free = {"_id": self._id, "$or": [{"until": {"$lt": now}}, {"holder": {"$in": [holder, instead_of]}}]}
        with self._place.trouble("can't lock"):
            locks = self._place.collection("locks")
            try:
                locks.update_one(free, {"$set": ours}, upsert=True)
            except self._place.duplicate:
                found = locks.find_one({"_id": self._id})
                return str(found["holder"]) if found is not None else ""
        return holder

    def renew(self, holder: str) -> None:
        with self._place.trouble("can't lock"):
            change = {"$set": {"until": time.time() + LEASE}}
            self._place.collection("locks").update_one({"_id": self._id, "holder": holder}, change)

    def drop(self, holder: str) -> None:
        with self._place.trouble("can't unlock"):
            self._place.collection("locks").delete_one({"_id": self._id, "holder": holder})


def _safe(text: str) -> str:
    """Text without what BSON does not take: lone surrogates stand in the hexadecimal form of all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "\\u" + text.encode("utf-8", "surrogatepass").hex()
    return "\\\\" + text[1:] if text.startswith("\\") else text


def _plain(text: str) -> str:
    """What `_safe` was given."""
    if not text.startswith("\\"):
        return text
    if text.startswith("\\u"):
        return bytes.fromhex(text[2:]).decode("utf-8", "surrogatepass")
    return text[1:]
