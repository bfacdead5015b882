"""The HTTP door as an ASGI application: finds out who asks, finds the route, and answers what goes wrong.

Routes are a table that is open: a part of Bascule that has something to offer over HTTP adds to it.

    app.route("POST", "/contracts/", handler)       a path that ends with a slash stands for all below it
    async def handler(request: Request, respond: Respond) -> None: ...

A POST must say that it is JSON: so no page of somebody else's can have a browser send one here.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from bascule.bridge.errors import BasculeError
from bascule.bridge.http.entry import TRACEPARENT, Entry, NotAllowed
from bascule.bridge.router.peers import Grant
from bascule.protocols import jsonic

if TYPE_CHECKING:
    from bascule.bridge.client.trio_client import TrioClient

_log = logging.getLogger(__name__)

SILENT_SECONDS = 30.0  # that a client may take to send something more of a request that it has begun

_SECURITY = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'"),
]


Receive = Callable[[], Awaitable[dict[str, Any]]]


@dataclass
class Request:
    """One request that may come in."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    grant: Grant
    body: bytes  # empty where the handler reads it
    entry: Entry = field(repr=False)
    receive: Receive = field(repr=False)
    max_body: int = 0

    async def client(self) -> TrioClient:
        """The session that its calls are made in."""
        return await self.entry.client(self.grant)


class Respond:
    """Answers one request: whole, or as a stream of events."""

    def __init__(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._send = send
        self.begun = False

    async def whole(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        more: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        """An answer in one piece, perhaps with more headers."""
        await self._begin(status, content_type, [(b"content-length", str(len(body)).encode()), *more])
        await self._send({"type": "http.response.body", "body": body})

    async def json(self, value: Any, status: int = 200) -> None:
        """A value."""
        await self.whole(status, jsonic.dumps(value))

    async def begin_events(self) -> None:
        """What follows are server-sent events."""
        await self._begin(200, "text/event-stream", [(b"x-accel-buffering", b"no")])

    async def event(self, data: bytes, name: str = "") -> None:
        """One event; its data is one line."""
        head = f"event: {name}\n".encode() if name else b""
        await self._send({"type": "http.response.body", "body": head + b"data: " + data + b"\n\n", "more_body": True})

    async def begin_lines(self, content_type: str) -> None:
        """What follows are lines."""
        await self._begin(200, content_type, [(b"x-accel-buffering", b"no")])

    async def line(self, data: bytes) -> None:
        """One of them, or several."""
        await self._send({"type": "http.response.body", "body": data + b"\n", "more_body": True})

    async def end(self) -> None:
        """No more events or lines."""
        await self._send({"type": "http.response.body", "body": b""})

    async def _begin(self, status: int, content_type: str, more: list[tuple[bytes, bytes]]) -> None:
        self.begun = True
        headers = [(b"content-type", content_type.encode()), *_SECURITY, *more]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


Handler = Callable[[Request, Respond], Awaitable[None]]


class App:
    """See the module's text.

    Args:
        entry: Who may come in.
        max_body: Bytes of one request.
    """

    def __init__(self, entry: Entry, max_body: int) -> None:
        self._entry = entry
        self._max_body = max_body
        self._routes: dict[tuple[str, str], Handler] = {}
        self._reading: dict[Handler, bytes] = {}
        self.otherwise: Handler | None = None  # POSTs to other paths; it may answer 404 itself

    def route(self, method: str, path: str, handler: Handler) -> None:
        """Have requests to that path (or below it, when it ends with a slash) answered by that handler."""
        self._routes[method, path] = handler

    def route_reading(self, path: str, handler: Handler, content_type: bytes) -> None:
        """Have POSTs of that type answered by a handler that reads the body by itself, and sees the client leave."""
        self.route("POST", path, handler)
        self._reading[handler] = content_type

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        respond = Respond(send)
        try:
            headers = dict(scope["headers"])
            TRACEPARENT.set(headers.get(b"traceparent", b"").decode("latin-1") or None)
            handler = self._find(scope["method"], scope["path"])
            grant = self._entry.grant(headers, scope["query_string"])
            request = Request(
                scope["method"], scope["path"], scope["query_string"], headers, grant, b"", self._entry, receive
            )
            if handler in self._reading:
                _check_type(headers, self._reading[handler])
                request.max_body = self._max_body
                await handler(request, respond)
            else:
                if scope["method"] == "POST" and not (handler is self.otherwise and _is_no_browser(headers)):
                    _check_type(headers, b"application/json")
                request.body = await self._read(scope["method"], receive)
                await _until_gone(handler, request, respond, receive)
        except NotAllowed as refused:
            await respond.json({"error": str(refused)}, refused.status)
        except BasculeError as error:
            if not respond.begun:
                await respond.json({"error": str(error)}, 503)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # it left
        except Exception:
            _log.exception("a request to %s failed", scope["path"])
            if not respond.begun:
                await respond.json({"error": "an error of the bridge's own; its log has more"}, 500)

    def _find(self, method: str, path: str) -> Handler:
        parts = path.split("/")
        above = ["/".join(parts[:at]) + "/" for at in range(len(parts) - 1, 0, -1)]
        for candidate in (path, *(folder for folder in above if folder != "/")):
            found = self._routes.get((method, candidate))
            if found is not None:
                return found
        known = {known_method for known_method, known_path in self._routes if known_path == path}
        if method == "POST" and not known and self.otherwise is not None:
            return self.otherwise
        if known:
            raise NotAllowed(405, f"{path} is asked with {', '.join(sorted(known))}")
        raise NotAllowed(404, f"there is nothing at {path[:200]}")

    async def _read(self, method: str, receive: Any) -> bytes:
        if method != "POST":
            return b""
        body = bytearray()
        while True:
            with trio.move_on_after(SILENT_SECONDS) as patience:
                message = await receive()
            if patience.cancelled_caught:
                raise NotAllowed(408, f"nothing more of the request came within {SILENT_SECONDS:g} s")
            if message["type"] == "http.disconnect":
                raise NotAllowed(400, "the request broke off")
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise NotAllowed(413, f"a request's body has at most {self._max_body} bytes")
            if not message.get("more_body"):
                return bytes(body)


def _is_no_browser(headers: dict[bytes, bytes]) -> bool:
    """Whether a function of a contract takes the body whatever it is said to be, as Gugugu's example servers do.

    A page elsewhere can have a browser send what claims another type, without asking; but that says where it is from.
    """
    return b"origin" not in headers and b"sec-fetch-site" not in headers


def _check_type(headers: dict[bytes, bytes], wanted: bytes) -> None:
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != wanted:
        raise NotAllowed(415, f"a POST's Content-Type must be {wanted.decode()}")


async def _until_gone(handler: Handler, request: Request, respond: Respond, receive: Any) -> None:
    """Handle it; when the client leaves meanwhile, cancel what runs for it."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        try:
            await handler(request, respond)
        except Exception as error:  # raised below: out of the nursery it would come in a group
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
