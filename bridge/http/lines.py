"""`POST /map`: a map from JSON lines to JSON lines, with as many items as there are and no more of them here than run.

    POST /map?function=math:sqrt&errors=return        Content-Type: application/x-ndjson
    4
    -1
    -> {"index": 0, "result": 2.0}
       {"index": 1, "error": {"kind": "python", "class": "ValueError", ...}}
       {"done": 1, "failed": 1}

The options of `bascule.map` stand in the address: `errors`, `ordered`, `star`, `chunk`, `idempotent`, `timeout`. Lines
are answered while others are still being sent, as they are completed (in order with `ordered=true`). When as many are
under way as the workers need, no more of the request is read until there are results, and none of these is made before
its reader has room. The last line says how it ended: the counts, or `{"error": {...}}` with what ended it early. An
answer without it was cut off.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import trio

from bascule.bridge.client.encoding import NotSendable
from bascule.bridge.client.feed import Feed
from bascule.bridge.errormaps import error_map
from bascule.bridge.errors import BasculeError, CallError, to_map
from bascule.bridge.http.many import MAP, Wanted, WrongParams, plain
from bascule.protocols import jsonic
from bascule.protocols.errors import ErrorKind, ProtocolError

if TYPE_CHECKING:
    from bascule.bridge.http.app import Request, Respond

CONTENT_TYPE = b"application/x-ndjson"
WAITING = 256  # items that are read ahead of those that were begun
TOGETHER = 256  # rows in one write
_LONGEST = 4_000_000.0  # seconds
_WORDS = {"true": True, "false": False}


class _BadLine(ValueError):
    """A line is no item; the message says which, and why."""


async def map_lines(request: Request, respond: Respond) -> None:
    """`POST /map`."""
    try:
        wanted = _wanted(request.query)
    except WrongParams as error:
        await respond.json({"error": str(error)}, 400)
        return
    client = await request.client()
    room = _Room()
    feed = Feed(room.taken)
    wanted.take_from(feed)
    told = {"done": 0, "failed": 0}
    last: dict[str, Any] = told
    waiting: list[bytes] = []  # rows that came together go together
    gone: BaseException | None = None
    await respond.begin_lines(CONTENT_TYPE.decode())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read, request, wanted, feed, room, nursery.cancel_scope)
        try:
            async with aclosing(wanted.rows(client)) as rows:
                async for row in rows:
                    told["failed" if "error" in row else "done"] += 1
                    waiting.append(jsonic.dumps(row))
                    if not wanted.ready() or len(waiting) >= TOGETHER:
                        await respond.line(b"\n".join(waiting))
                        waiting.clear()
        except CallError as error:
            last = {"error": plain(to_map(error))}
        except (_BadLine, NotSendable) as error:
            last = {"error": plain(error_map(ErrorKind.BAD_ARGUMENTS, str(error)))}
        except BasculeError as error:
            last = {"error": plain(error_map(ErrorKind.POOL_UNAVAILABLE, str(error)))}
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            gone = error  # raised below: out of the nursery it would come in a group
        if gone is None and not nursery.cancel_scope.cancel_called:
            await respond.line(b"\n".join([*waiting, jsonic.dumps(last)]))
            await respond.end()
        nursery.cancel_scope.cancel()
    if gone is not None:
        raise gone


class _Room:
    """Has the reader of lines wait for items to be taken."""

    def __init__(self) -> None:
        self._news = trio.Event()

    def taken(self) -> None:
        """One was."""
        self._news.set()

    async def wait(self, feed: Feed) -> None:
        """Until there is room in the feed."""
        while len(feed) >= WAITING:
            self._news = trio.Event()
            await self._news.wait()


async def _read(request: Request, wanted: Wanted, feed: Feed, room: _Room, scope: trio.CancelScope) -> None:
    """Put the body's lines into the feed; when the client leaves, end it all."""
    number = 0
    rest = bytearray()
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            scope.cancel()
            return
        data = message.get("body", b"")
        more = message.get("more_body", False)
        rest += data
        lines: list[bytearray] = []
        if b"\n" in data or not more:  # only then: a long line comes in many pieces
            *lines, rest = rest.split(b"\n") if more else [*rest.split(b"\n"), bytearray()]
        try:
            for line in lines:
                number += 1
                _check_length(line, number, request.max_body)
                if line.strip():
                    await room.wait(feed)
                    feed.put([_item(bytes(line), number, star=wanted.star)])
            _check_length(rest, number + 1, request.max_body)
        except _BadLine as error:
            feed.end(error)
            break
    else:
        feed.end()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _check_length(line: bytearray, number: int, most: int) -> None:
    if len(line) > most:
        raise _BadLine(f"line {number} is longer than {most} bytes")


def _item(line: bytes, number: int, *, star: bool) -> Any:
    try:
        item = jsonic.loads(line)
    except (ProtocolError, ValueError, RecursionError) as error:
        raise _BadLine(f"line {number} is no JSON: {error}") from None
    if star and type(item) is not list:
        raise _BadLine(f"line {number}: with star, each item is a list of arguments")
    return item


def _wanted(query: bytes) -> Wanted:
    """What the address asks for.

    Raises:
        WrongParams: That can't be done.
    """
    params: dict[str, Any] = {}
    timeout: float | None = None
    for name, word in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name == "token":  # where a header can't be sent: see `entry`
            continue
        if name in params:
            raise WrongParams(f"{name} is given twice")
        if name == "timeout":
            timeout = _seconds(word)
        elif word.isdecimal() and name == "chunk":
            params[name] = int(word)
        elif name != "items":
            params[name] = _WORDS.get(word, word)
    return Wanted(MAP, {**params, "items": []}, timeout)


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST:
        raise WrongParams(f"timeout is a number of seconds above 0, not {word:.40}")
    return seconds
