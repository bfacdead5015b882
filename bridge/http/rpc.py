"""JSON-RPC 2.0 over POST, for runtimes without a client of ours; and streams as server-sent events.

    POST /rpc     {"jsonrpc": "2.0", "id": 1, "method": "math:pow", "params": [2, 16]}
                  -> {"jsonrpc": "2.0", "id": 1, "result": 65536.0}
    POST /stream  {"method": "app:lines", "params": ["big.txt"]}
                  -> data: "first line" ... event: end

`params` is a list of positionals or an object of keywords. A list of requests is a batch, whose calls run side by side;
a request without an id is a notification. Results travel as values; an object that can't is the error `not_encodable`.
The error's `data` is the error map that every client of Bascule gets. A request may also say `timeout`, in seconds.
The methods `bascule.map`, `bascule.reduce` and `bascule.everywhere` make many calls: see `many`; `lines` is for more
items than one request should hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import trio

from bascule.bridge.client.encoding import NotSendable
from bascule.bridge.client.trio_client import TrioClient
from bascule.bridge.errors import BasculeError, CallError, to_map
from bascule.bridge.http.app import Request, Respond
from bascule.bridge.http.many import MAP, METHODS, Wanted, WrongParams, plain
from bascule.protocols import jsonic
from bascule.protocols.errors import ErrorKind, ProtocolError

PARSE_ERROR, INVALID_REQUEST, NOT_FOUND, INVALID_PARAMS, SERVER_ERROR = -32700, -32600, -32601, -32602, -32000
MOST_IN_A_BATCH = 10_000
_LONGEST = 4_000_000.0  # seconds
_CODES = {ErrorKind.NOT_FOUND: NOT_FOUND, ErrorKind.BAD_ARGUMENTS: INVALID_PARAMS}


class _Invalid(Exception):
    """What was sent is no request."""


async def rpc(request: Request, respond: Respond) -> None:
    """`POST /rpc`."""
    try:
        sent = jsonic.loads(request.body)
    except (ProtocolError, ValueError, RecursionError) as error:
        await respond.json(_error(None, PARSE_ERROR, f"this is no JSON: {error}"))
        return
    batch = sent if isinstance(sent, list) else [sent]
    if not batch or len(batch) > MOST_IN_A_BATCH:
        await respond.json(_error(None, INVALID_REQUEST, f"a batch has 1 to {MOST_IN_A_BATCH} requests"))
        return
    client = await request.client()
    answers: list[Any] = [None] * len(batch)
    async with trio.open_nursery() as nursery:
        for at, one in enumerate(batch):
            nursery.start_soon(_answer, client, one, answers, at)
    said = [answer for answer in answers if answer is not None]
    if not said:
        await respond.whole(204, b"")
    else:
        await respond.json(said if isinstance(sent, list) else said[0])


async def stream(request: Request, respond: Respond) -> None:
    """`POST /stream`."""
    try:
        sent = jsonic.loads(request.body)
        target, args, kwargs, timeout = _read(sent)
        if target in METHODS and target != MAP:
            raise _Invalid(f"{target} has one result: POST it to /rpc")
        wanted = Wanted(target, sent.get("params"), timeout) if target == MAP else None
    except (ProtocolError, ValueError, RecursionError, _Invalid, WrongParams) as error:
        await respond.json({"error": str(error)}, 400)
        return
    client = await request.client()
    await respond.begin_events()
    try:
        if wanted is not None:
            await _tell_rows(wanted, client, respond)
        else:
            async for item in client.stream(target, *args, timeout=timeout, want="value", **kwargs):
                await respond.event(jsonic.dumps(item))
        await respond.event(b"null", "end")
    except CallError as error:
        await respond.event(jsonic.dumps(plain(to_map(error))), "error")
    await respond.end()


async def _tell_rows(wanted: Wanted, client: TrioClient, respond: Respond) -> None:
    async with aclosing(wanted.rows(client)) as rows:
        async for row in rows:
            await respond.event(jsonic.dumps(row))
            if (progress := wanted.take_progress()) is not None:
                await respond.event(jsonic.dumps(progress), "progress")


async def _answer(client: TrioClient, sent: Any, answers: list[Any], at: int) -> None:
    number = sent.get("id") if isinstance(sent, dict) else None
    answer: dict[str, Any]
    try:
        if not isinstance(sent, dict) or sent.get("jsonrpc") != "2.0":
            raise _Invalid('a request is an object with "jsonrpc": "2.0"')
        if isinstance(number, (bool, float, list, dict)):
            raise _Invalid("an id is text, a whole number or null")
        target, args, kwargs, timeout = _read(sent)
        if target in METHODS:
            result = await Wanted(target, sent.get("params"), timeout).answer(client)
        else:
            result = await client.apply(target, args, kwargs, want="value", timeout=timeout)
        answer = {"jsonrpc": "2.0", "id": number, "result": result}
        jsonic.dumps(result)  # before it stands among others in a batch
    except _Invalid as error:
        answer = _error(number if isinstance(number, (str, int)) else None, INVALID_REQUEST, str(error))
    except (NotSendable, WrongParams) as error:
        answer = _error(number, INVALID_PARAMS, str(error))
    except CallError as error:
        answer = _error(number, _CODES.get(error.kind, SERVER_ERROR), str(error), plain(to_map(error)))
    except BasculeError as error:
        answer = _error(number, SERVER_ERROR, str(error))
    except (ProtocolError, TypeError, ValueError) as error:
        answer = _error(number, SERVER_ERROR, f"the result has no form in JSON: {error}")
    if not isinstance(sent, dict) or "id" in sent or "error" in answer:
        answers[at] = answer


def _read(sent: Any) -> tuple[str, list[Any], dict[str, Any], float | None]:
    """Target, positionals, keywords and timeout.

    Raises:
        _Invalid: It has none.
    """
    if not isinstance(sent, dict) or not isinstance(sent.get("method"), str):
        raise _Invalid("method is the name of a function, such as math:pow")
    params, timeout = sent.get("params", []), sent.get("timeout")
    if not isinstance(params, (list, dict)):
        raise _Invalid("params is a list of positionals or an object of keywords")
    if timeout is not None and (
        isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= _LONGEST
    ):
        raise _Invalid("timeout is a number of seconds above 0")
    args = params if isinstance(params, list) else []
    kwargs = params if isinstance(params, dict) else {}
    if not all(isinstance(name, str) for name in kwargs):
        raise _Invalid("keywords are texts")
    return sent["method"], args, kwargs, timeout


def _error(number: Any, code: int, message: str, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": number, "error": error}
