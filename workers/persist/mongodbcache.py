"""`mongodb+http://host:port/persist/`: a REST server as pypersist has one (Eve over MongoDB), or `bascule cache serve`.

    GET    base/funcname/HASH            an entry: _id, _etag, funcname, hash, namespace, result[, key][, metadata]
    GET    base/funcname?page=2          _items, and _meta.total
    POST   base/funcname                 an entry as JSON
    DELETE base/funcname/_id             with If-Match: _etag
    DELETE base/funcname                 all of them

Everything there is text. A result that somebody else can read (the text of a pickle, of a `pickle=` function) is sent
as it is, and its stamp, which such a server has no field for, is left out; what is no text is sent sealed, as base64
with a mark in front; what is too long for one document is sent in pieces, as entries of `funcname.pieces`. Setting
again replaces: what was there is deleted after the new entry has arrived, and of several the newest counts.

A server has no locks. Processes of one machine keep each other from computing twice by a lock file of their user's; for
the machines of a network there is `redis://` or `mongodb://`.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from bascule.workers.persist.commoncache import Place, Store, StoreUnavailable, unavailable
from bascule.workers.persist.entries import Damaged, Entry, Form, Listed, OtherVersion, seal, unseal
from bascule.workers.persist.locks import Lock
from bascule.workers.persist.machine import machine_lock

_SEALED = "bascule:1:"
_IN_PIECES = "bascule:pieces:"
_PIECE = 8 << 20  # characters of one document; MongoDB takes 16 MiB
_NAMESPACE = "pypersist"
_PAGE = 100
TIMEOUT = 10.0  # seconds for each step of a request


def rest_url(url: str) -> str:
    """pypersist's meaning of a URL: whatever its scheme, it is HTTP."""
    scheme, separator, rest = url.partition("://")
    if rest.startswith(("http://", "https://")):  # mongodb://http://host ...
        scheme, _, rest = rest.partition("://")
    return f"mongodb+https://{rest}" if scheme == "https" else f"mongodb+http://{rest if separator else url}"


class RestPlace(Place):
    """A server and a path on it."""

    text = True

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        super().__init__(url, ("rest", parts.scheme, parts.netloc, parts.path.rstrip("/")))
        self.base = quote(parts.path.rstrip("/"), safe="/%")
        self.timeout = timeout
        self._secure = parts.scheme.endswith("https")
        self._host = parts.hostname or "localhost"
        self._port = parts.port
        self._local = threading.local()
        login = f"{parts.username}:{parts.password or ''}" if parts.username else ""
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if login:
            self._headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"

    def store(self, function: str) -> RestStore:
        return RestStore(self, function)

    def functions(self) -> Iterator[str]:
        """`bascule cache serve` tells them; a server that has only what pypersist needs does not."""
        status, body = self.request("GET", "")
        for link in (body or {}).get("_links", {}).get("child", []) if status == 200 else []:
            title = link.get("title")
            if isinstance(title, str):
                yield title

    def claim(self, function: str, owner: str) -> bool:
        """There is no field for an owner: names are told apart within this process."""
        return _claims.setdefault((repr(self.identity), function), owner) == owner

    def request(
        self, method: str, path: str, document: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request on this thread's connection; the status and the JSON of the answer.

        Raises:
            StoreUnavailable: The server does not answer, or not in JSON.
        """
        body = None if document is None else json.dumps(document).encode()
        all_headers = {**self._headers, **(headers or {})}
        for last in (False, True):  # a connection that was kept open may have been closed at the other end
            kept: _Kept | None = getattr(self._local, "kept", None)
            fresh = kept is None or kept.pid != os.getpid()
            if kept is None or fresh:
                kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
                kept = self._local.kept = _Kept(kind(self._host, self._port, timeout=self.timeout))
            connection = kept.connection
            try:
                connection.request(method, f"{self.base}{path}" or "/", body, all_headers)
                answer = connection.getresponse()
                data = answer.read()
                break
            except (OSError, http.client.HTTPException) as error:
                self._local.kept = None
                if fresh or last:
                    raise unavailable(self, "the server does not answer", error) from None
        if not data:
            return answer.status, None
        try:
            return answer.status, json.loads(data)
        except ValueError:
            if answer.status >= 400:
                return answer.status, None
            raise StoreUnavailable(f"{self}: the server does not answer in JSON") from None

    def close(self) -> None:
        self._local.kept = None


class _Kept:
    """A connection of one thread and process, closed when the thread has ended. A forked child makes its own."""

    __slots__ = ("connection", "pid")

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection
        self.pid = os.getpid()

    def __del__(self) -> None:
        self.connection.close()


class RestStore(Store):
    """One function's resource."""

    def __init__(self, place: RestPlace, function: str) -> None:
        self.place = place
        self.function = function
        self._path = f"/{quote(function, safe='')}"
        self._pieces = f"/{quote(f'{function}.pieces', safe='')}"

    def __repr__(self) -> str:
        return f"{self.place.url.rstrip('/')}/{self.function}"

    def _item(self, name: str) -> dict[str, Any] | None:
        """The newest entry of a name."""
        if not name or "/" in name or name in (".", ".."):
            # Not every server takes these in a path: ask for them as a condition.
            items = self._items({"where": json.dumps({"hash": name})})
            found = [item for item in items if item.get("hash") == name]
            return found[-1] if found else None
        status, body = self.place.request("GET", f"{self._path}/{quote(name, safe='')}")
        if status == 404:
            return None
        if status != 200 or not isinstance(body, dict):
            raise StoreUnavailable(f"{self}: the server answers {status}")
        return body

    def _items(self, condition: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            query = urlencode({**(condition or {}), "max_results": _PAGE, "page": page})
            status, body = self.place.request("GET", f"{self._path}?{query}")
            if status == 404:
                return
            if status != 200 or not isinstance(body, dict):
                raise StoreUnavailable(f"{self}: the server answers {status}")
            items = body.get("_items", [])
            yield from items
            meta = body.get("_meta", {})
            if not items or page * int(meta.get("max_results", _PAGE)) >= int(meta.get("total", 0)):
                return
            page += 1

    def get(self, name: str) -> Entry | None:
        seen = None
        while True:
            item = self._item(name)
            if item is None or item.get("hash") != name:
                return None
            try:
                result = self._whole(str(item.get("result", "")))
                break
            except Damaged as why:
                if item.get("_id") == seen:
                    self.damaged(name, why)
                    return None
                seen = item.get("_id")  # or it was replaced just now: then another one is there now
        key, metadata = item.get("key"), item.get("metadata")
        data = None if key is None else str(key).encode("utf-8", "surrogatepass")
        if not result.startswith(_SEALED):
            return Entry(result.encode("utf-8", "surrogatepass"), None, data, metadata)
        try:
            return unseal(name, base64.b64decode(result[len(_SEALED) :], validate=True), data, metadata)
        except (Damaged, ValueError) as why:
            self.damaged(name, why)
        except OtherVersion:
            pass
        return None

    def put(self, name: str, entry: Entry) -> None:
        form = Form.TEXT if entry.stamp is None else entry.stamp.form
        document: dict[str, Any] = {"funcname": self.function, "hash": name, "namespace": _NAMESPACE}
        if form == Form.TEXT and (entry.stamp is None or not entry.stamp.expires) and len(entry.value) <= _PIECE:
            result = bytes(entry.value).decode("utf-8", "surrogatepass")
        else:
            result = _SEALED + base64.b64encode(seal(name, entry)).decode("ascii")
        document["result"] = result if len(result) <= _PIECE else self._cut(result)
        if entry.key is not None:
            document["key"] = entry.key.decode("utf-8", "surrogatepass")
        if entry.metadata is not None:
            document["metadata"] = entry.metadata
        before = self._item(name)
        new = self._post(self._path, document)
        while before is not None and before.get("hash") == name and before.get("_id") != new:
            if not self._delete_item(before):
                break
            before = self._item(name)  # a server that does not replace may have had several

    def _post(self, path: str, document: dict[str, Any]) -> Any:
        status, body = self.place.request("POST", path, document)
        if status not in (200, 201):
            raise StoreUnavailable(f"{self}: the server does not take a result: it answers {status}: {body!r:.200}")
        return body.get("_id") if isinstance(body, dict) else None

    def _cut(self, text: str) -> str:
        """Store a long text in pieces; what stands in its place."""
        generation, count = uuid.uuid4().hex, 0
        common = {"funcname": f"{self.function}.pieces", "namespace": _NAMESPACE}
        for start in range(0, len(text), _PIECE):
            piece = {**common, "hash": f"{generation}-{count}", "result": text[start : start + _PIECE]}
            self._post(self._pieces, piece)
            count += 1
        return f"{_IN_PIECES}{generation}:{count}"

    def _whole(self, text: str) -> str:
        if not text.startswith(_IN_PIECES):
            return text
        pieces = [self.place.request("GET", f"{self._pieces}/{name}") for name in _piece_names(text)]
        if any(status != 200 for status, _ in pieces):
            raise Damaged("some of its pieces are missing")
        return "".join([str(piece["result"]) for _, piece in pieces])

    def _delete_pieces(self, text: str) -> None:
        for name in _piece_names(text):
            status, piece = self.place.request("GET", f"{self._pieces}/{name}")
            if status == 200:
                headers = {"If-Match": str(piece["_etag"])}
                self.place.request("DELETE", f"{self._pieces}/{quote(str(piece['_id']), safe='')}", headers=headers)

    def _delete_item(self, item: dict[str, Any]) -> bool:
        path = f"{self._path}/{quote(str(item['_id']), safe='')}"
        status, _ = self.place.request("DELETE", path, headers={"If-Match": str(item["_etag"])})
        if status not in (200, 204, 404, 412):
            raise StoreUnavailable(f"{self}: the server does not delete: it answers {status}")
        gone = status in (200, 204)
        if gone and str(item.get("result", "")).startswith(_IN_PIECES):  # after it: who finds it finds them
            self._delete_pieces(item["result"])
        return gone

    def delete(self, name: str) -> bool:
        there = False
        while (item := self._item(name)) is not None and item.get("hash") == name:
            if not self._delete_item(item):
                break
            there = True
        return there

    def iterate(self) -> Iterator[Listed]:
        seen: set[str] = set()
        for item in self._items():
            name = str(item.get("hash", ""))
            if name in seen:
                continue
            seen.add(name)
            key = item.get("key")
            created = _http_time(item.get("_updated") or item.get("_created"))
            data = None if key is None else str(key).encode("utf-8", "surrogatepass")
            yield Listed(name, len(str(item.get("result", ""))), created, created, 0.0, data)

    def count(self) -> int:
        status, body = self.place.request("GET", f"{self._path}?max_results=1")
        if status == 404:
            return 0
        if status != 200 or not isinstance(body, dict):
            raise StoreUnavailable(f"{self}: the server answers {status}")
        return int(body.get("_meta", {}).get("total", 0))

    def clear(self) -> None:
        for path in (self._path, self._pieces):
            status, _ = self.place.request("DELETE", path)
            if status not in (200, 204, 404):
                raise StoreUnavailable(f"{self}: the server does not clear: it answers {status}")

    def lock(self, name: str) -> Lock:
        return machine_lock(self.place.identity, f"{self.function}\0{name}")


_claims: dict[tuple[str, str], str] = {}


def _piece_names(text: str) -> list[str]:
    """What the pieces of a cut result are called."""
    generation, _, count = text[len(_IN_PIECES) :].partition(":")
    if not (generation.isalnum() and count.isdecimal() and len(count) < 6):
        raise Damaged("it does not say where its pieces are")
    return [f"{generation}-{number}" for number in range(int(count))]


def _http_time(text: Any) -> float:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(str(text)).timestamp()
    except (TypeError, ValueError):
        return time.time()
