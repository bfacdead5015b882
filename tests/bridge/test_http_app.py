"""The HTTP door as an application: requests that don't go on."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio

from bascule.bridge.http.app import App, Request, Respond
from bascule.bridge.http.entry import Entry
from bascule.bridge.router.peers import Grant


class Anybody:
    """Lets everybody in."""

    def grant(self, _headers: dict[bytes, bytes], _query: bytes) -> Grant:
        return Grant("http", "anybody")


@pytest.mark.trio
async def test_a_request_that_does_not_go_on_is_answered_and_given_up(autojump_clock: Any) -> None:
    app = App(cast(Entry, Anybody()), 1000)
    handled: list[Request] = []

    async def handle(request: Request, _respond: Respond) -> None:
        handled.append(request)

    app.route("POST", "/rpc", handle)
    parts = [{"type": "http.request", "body": b"{", "more_body": True}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop()
        await trio.sleep_forever()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/rpc", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    assert sent[0]["status"] == 408
    assert b"nothing more of the request came within 30 s" in sent[1]["body"]
    assert handled == []
