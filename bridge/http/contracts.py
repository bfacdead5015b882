"""Functions of mounted contracts over HTTP: `POST /<namespace>/<function>`, the argument is the body.

The form is that of Gugugu's own example: the answer is the encoded result, metadata are headers both ways, a name that
nobody mounted is 404. Who accepts `text/event-stream` gets what a function streams as server-sent events, one for each
value, then `event: end`. See `bascule.bridge.contracts.live.over_http` for what is said of errors, and for clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bascule.bridge.contracts.live.over_http import EVENTS, TIMEOUT, metadata_of, seconds_of, status_of, target_of
from bascule.bridge.errors import CallError, NotFound
from bascule.workers.contracts import wire
from bascule.workers.contracts.comparing import CONTRACT_NAME
from bascule.workers.contracts.wire.json_text import Huge, Twice

if TYPE_CHECKING:
    from bascule.bridge.client.trio_client import TrioClient
    from bascule.bridge.http.app import Request, Respond


class Contracts:
    """Answers such requests, and remembers which namespaces are mounted: no other function is called this way."""

    def __init__(self) -> None:
        self._streams: dict[str, frozenset[str]] = {}  # of each namespace that is mounted, which functions stream

    async def call(self, request: Request, respond: Respond) -> None:
        """One request."""
        target = target_of(request.path)
        try:
            if not target:
                raise NotFound(f"there is nothing at {request.path[:200]}")
            argument = _sendable(wire.read_json(request.body))
            seconds = seconds_of(request.headers.get(TIMEOUT.encode(), b"").decode("latin-1"))
            client = await self._client(request, target)
            if EVENTS.encode() in request.headers.get(b"accept", b""):
                await _stream(client, target, argument, request, respond, seconds)
                return
            namespace, _, name = target.partition(":")
            if name in self._streams[namespace]:
                await respond.json({"error": f"{target} streams its result: ask for it with Accept: {EVENTS}"}, 406)
                return
            meta = {"meta": metadata_of(request.headers)}
            answer = await client.apply(target, [argument], meta, timeout=seconds, want="value")
            body, more = wire.write_json(answer["value"]), _headers(answer["meta"])
        except (wire.WireError, CallError) as error:
            await _fail(error, respond)
        else:
            await respond.whole(200, body, more=more)

    async def _client(self, request: Request, target: str) -> TrioClient:
        """What calls it, once it is known that its namespace is a mounted one."""
        client = await request.client()
        namespace = target.partition(":")[0]
        if namespace not in self._streams:
            told = await client.call(f"{namespace}:{CONTRACT_NAME}")
            functions = told["contract"].get("functions", {})
            self._streams[namespace] = frozenset(name for name, each in functions.items() if each.get("stream"))
        return client


async def _stream(
    client: TrioClient, target: str, argument: Any, request: Request, respond: Respond, seconds: float | None
) -> None:
    """The values of a stream; an error before the first one is answered as that of any call."""
    try:
        async for item in client.stream(
            target, argument, timeout=seconds, want="value", meta=metadata_of(request.headers)
        ):
            event = wire.write_json(item)
            if not respond.begun:
                await respond.begin_events()
            await respond.event(event)
    except (wire.WireError, CallError) as error:
        if not respond.begun:
            raise
        await respond.event(wire.write_json(_told(error)), "error")
    else:
        if not respond.begun:
            await respond.begin_events()
        await respond.event(b"null", "end")
    await respond.end()


def _sendable(argument: Any) -> Any:
    """What was read, when it can be sent to a worker.

    Raises:
        DecodeError: It has a number that no type has, or a key twice; the path tells where.
    """
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), argument)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*path, key), each) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), each) for index, each in enumerate(value)]
        elif isinstance(value, (Huge, Twice)):
            raise wire.DecodeError(wire.path_text(path), f"no type has {wire.show(value)}")
    return argument


async def _fail(error: wire.WireError | CallError, respond: Respond) -> None:
    await respond.json(_told(error), 400 if isinstance(error, wire.WireError) else status_of(error))


def _told(error: wire.WireError | CallError) -> dict[str, Any]:
    """What a client is told of a failure; of an error that the contract declares, its value too."""
    if isinstance(error, wire.WireError):
        return {"error": f"the argument is wrong: {error}"}
    told: dict[str, Any] = {"error": error.message or str(error)}
    if "raised" in error.details:
        told.update(raised=error.details["raised"], value=error.details.get("value"))
    return told


def _headers(meta: Any) -> list[tuple[bytes, bytes]]:
    """An implementation's metadata; what can't be a header is left out."""
    pairs = [(str(name), str(value)) for name, value in dict(meta).items()]
    return [
        (name.lower().encode(), value.encode())
        for name, value in pairs
        if name.isascii()
        and name.replace("-", "").replace("_", "").isalnum()
        and value.isascii()
        and value.isprintable()
    ]
