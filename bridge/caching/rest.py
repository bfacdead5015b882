"""pypersist's REST requests, answered from any store: a pure function from request to response.

It has the shape of Eve's answers, which that client reads: items with `_id` and `_etag`, listings with `_items` and
`_meta`. What differs is what went wrong there: a key has one document, a listing without `max_results` is whole, a hash
may have any characters.

    GET    /persist/                      the functions
    GET    /persist/f?max_results=&page=  its entries
    GET    /persist/f/HASH                one (by its _id, too)
    POST   /persist/f                     store one
    DELETE /persist/f/_id                 with If-Match
    DELETE /persist/f                     all of f's
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from bascule.workers.persist import pickling
from bascule.workers.persist.commoncache import Place, Store, StoreUnavailable
from bascule.workers.persist.entries import Entry, Form, Listed, Stamp, seal
from bascule.workers.persist.serializers import Unreadable, decompressed

_FIELDS = ("funcname", "hash", "namespace", "result", "key", "metadata")
_SEALED = "bascule:1:"
_ID = "id-"
JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Request:
    """What was asked: the target as it stood in the request line."""

    method: str
    target: str
    body: bytes = b""
    content_type: str = ""
    if_match: str | None = None


@dataclass(frozen=True)
class Response:
    """What is answered."""

    status: int
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """The document as JSON; nothing where there is none."""
        return b"" if self.document is None else json.dumps(self.document).encode()


def respond(place: Place, base: str, request: Request) -> Response:
    """The answer to a request for something below `base` (a path that ends with a slash)."""
    path, question, query = request.target.partition("?")
    if not (path + "/").startswith(base):
        return _error(404, f"there is nothing here; the results are below {base}")
    function, slash, rest = path[len(base) :].partition("/")
    if not function:
        return _functions(place, base) if request.method == "GET" else _error(405, "the root can only be read")
    store = place.store(unquote(function))
    store.with_keys = True
    # A client that does not escape sends a hash with slashes or a question mark as if they were the URL's own.
    names = [unquote(rest)] if not question else [unquote(f"{rest}?{query}"), unquote(rest)]
    try:
        if slash and (rest or question):
            return _one(store, unquote(function), names, request)
        return _all(store, unquote(function), query, request)
    except StoreUnavailable as error:
        return _error(503, str(error))


def _one(store: Store, function: str, names: list[str], request: Request) -> Response:
    for name in [*names, *[plain for each in names if (plain := _name_of(each)) is not None]]:
        entry = store.get(name)
        if entry is None:
            continue
        document = item(function, name, entry)
        if request.method == "GET":
            return Response(200, document, {"ETag": f'"{document["_etag"]}"'})
        if request.method != "DELETE":
            return _error(405, f"{request.method} is not for a single result: there are GET and DELETE")
        if request.if_match is None:
            return _error(428, "a result is deleted with If-Match and its _etag")
        if request.if_match.strip('"') not in (document["_etag"], "*"):
            return _error(412, "the result has changed since")
        store.delete(name)
        return Response(204)
    return _error(404, "there is no result of that name")


def _all(store: Store, function: str, query: str, request: Request) -> Response:
    if request.method == "GET":
        return _list(store, function, query)
    if request.method == "DELETE":
        store.clear()
        return Response(204)
    if request.method != "POST":
        return _error(405, f"{request.method} is not for a function's results: there are GET, POST and DELETE")
    if request.content_type.partition(";")[0].strip().lower() != JSON_TYPE:
        return _error(415, f"a result is sent as {JSON_TYPE}")
    try:
        document = json.loads(request.body)
    except ValueError as error:
        return _error(400, f"the body is no JSON: {error}")
    problem = _problem(document, function)
    if problem is not None:
        return _error(422, problem)
    key, name = document.get("key"), document["hash"]
    entry = Entry(
        document["result"].encode("utf-8", "surrogatepass"),
        Stamp(time.time(), form=Form.TEXT),
        None if key is None else key.encode("utf-8", "surrogatepass"),
        document.get("metadata"),
    )
    store.put(name, entry)
    stored = item(function, name, entry)
    return Response(201, {"_status": "OK", **{key: value for key, value in stored.items() if key.startswith("_")}})


def _problem(document: Any, function: str) -> str | None:
    if not isinstance(document, dict):
        return "a result is one JSON object"
    for name, value in document.items():
        if name not in _FIELDS:
            return f"unknown field {name!r}; there are {', '.join(_FIELDS)}"
        if not isinstance(value, str):
            return f"{name} must be text"
    missing = [name for name in ("hash", "result") if name not in document]
    if missing:
        return f"required field {missing[0]!r} is missing"
    if document.get("funcname", function) != function:
        return f"funcname is {document['funcname']!r} in the result and {function!r} in the URL"
    return None


def _list(store: Store, function: str, query: str) -> Response:
    options = parse_qs(query)
    total = store.count()
    try:
        size = int(options["max_results"][-1]) if "max_results" in options else max(total, 1)
        page = int(options.get("page", ["1"])[-1])
        where = json.loads(options["where"][-1]) if "where" in options else {}
        wanted = where.get("hash")
    except (ValueError, AttributeError):
        return _error(400, "max_results and page are whole numbers, where is a JSON object")
    if size < 1 or page < 1:
        return _error(400, "max_results and page begin at 1")
    if wanted is not None:
        entry = store.get(wanted) if isinstance(wanted, str) else None
        items = [] if entry is None else [item(function, wanted, entry)]
        return Response(200, {"_items": items, "_meta": {"page": 1, "max_results": size, "total": len(items)}})
    first, items = (page - 1) * size, []
    for at, listed in enumerate(store.iterate()):
        if at >= first + size:
            break
        if at >= first and (entry := store.get(listed.name)) is not None:
            items.append(item(function, listed.name, entry, listed))
    return Response(200, {"_items": items, "_meta": {"page": page, "max_results": size, "total": total}})


def _functions(place: Place, base: str) -> Response:
    children = [{"title": name, "href": f"{base.strip('/')}/{quote(name, safe='')}"} for name in place.functions()]
    return Response(200, {"_links": {"child": children}})


def item(function: str, name: str, entry: Entry, listed: Listed | None = None) -> dict[str, Any]:
    """An entry as a document."""
    document = {"funcname": function, "hash": name, "namespace": "pypersist", "result": _text(name, entry)}
    if entry.key is not None:
        document["key"] = entry.key.decode("utf-8", "surrogatepass")
    if entry.metadata is not None:
        document["metadata"] = entry.metadata
    created = entry.stamp.created if entry.stamp is not None else listed.created if listed is not None else 0.0
    whole = json.dumps(document, sort_keys=True).encode()
    when = formatdate(created, usegmt=True)
    identifier = _ID + base64.urlsafe_b64encode(name.encode("utf-8", "surrogatepass")).decode().rstrip("=")
    return {
        "_id": identifier,
        "_etag": hashlib.sha1(whole, usedforsecurity=False).hexdigest(),
        "_created": when,
        "_updated": when,
        **document,
    }


def _text(name: str, entry: Entry) -> str:
    """A result as text that pypersist reads, where it can be one; else sealed, for Bascule alone."""
    form = Form.TEXT if entry.stamp is None else entry.stamp.form
    data = bytes(entry.value)
    if form == Form.TEXT:
        return data.decode("utf-8", "surrogatepass")
    kind = form & Form.KIND
    if kind in (Form.PICKLE, Form.RAW) and not form & (Form.ERROR | Form.RECORDED):
        try:
            plain = bytes(decompressed(form, data)) if form & (Form.ZLIB | Form.ZSTD) else data
            return base64.urlsafe_b64encode(plain).decode() if kind == Form.PICKLE else pickling.pickle(plain)
        except Unreadable:
            pass  # by this Python; a client may have what it takes
    return _SEALED + base64.b64encode(seal(name, entry)).decode()


def _name_of(identifier: str) -> str | None:
    """The name in an `_id`."""
    if not identifier.startswith(_ID):
        return None
    text = identifier[len(_ID) :]
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "surrogatepass")
    except ValueError:
        return None


def _error(status: int, message: str) -> Response:
    return Response(status, {"_status": "ERR", "_error": {"code": status, "message": message}})
