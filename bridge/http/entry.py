"""Who a request comes from, and the session that its calls are made in.

HTTP requests have no session of their own: all of one token's share one, made when its first call comes. It is a
session like any other's, over a socket pair, with the grant of that token: the same policy, queues and figures. A
request that is broken off cancels its calls and nobody else's.
"""

from __future__ import annotations

import socket
from contextvars import ContextVar
from urllib.parse import parse_qs

import trio

from bascule.bridge.admission import Admission
from bascule.bridge.app import Bridge
from bascule.bridge.client.trio_client import TrioClient
from bascule.bridge.config import HttpConfig, is_loopback
from bascule.bridge.doors.service import ServiceDoor
from bascule.bridge.policy import NOTHING
from bascule.bridge.router.peers import Grant

LISTENER = "http"
TRACEPARENT: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The header of the request that is being answered."""


class HttpDoor(ServiceDoor):
    """What stands behind the HTTP server: a connection like others, under a name of its own."""

    __slots__ = ()


class NotAllowed(Exception):
    """A request that is turned away, with a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Pair:
    """A place to connect to: the router itself, by a socket pair."""

    silence = "the bridge is stopping"
    token: str | None = None

    def __init__(self, bridge: Bridge, grant: Grant, pool: str | None) -> None:
        self._bridge = bridge
        self._grant = grant
        self._pool = pool

    def __str__(self) -> str:
        return "the HTTP door"

    def dial(self) -> socket.socket:
        """One end is the router's."""
        ours, theirs = socket.socketpair()
        ours.settimeout(10.0)
        fd = theirs.detach()
        pool = self._pool or self._bridge.default_pool()
        self._bridge.pump.attach_client(fd, fd, HttpDoor(), pool=pool, identity="http", grant=self._grant)
        return ours

    def leave(self) -> None:
        """The router notices."""


class Entry:
    """The HTTP listener's rule, and its sessions.

    Raises:
        AdmissionError: Its tokens can't be used.
    """

    def __init__(self, bridge: Bridge, config: HttpConfig) -> None:
        self._bridge = bridge
        self._admission = Admission(LISTENER, config)
        self._config = config
        self._clients: dict[Grant, TrioClient] = {}
        self._opening = trio.Lock()

    def grant(self, headers: dict[bytes, bytes], query: bytes) -> Grant:
        """What a request may do.

        Raises:
            NotAllowed: It may not even come in.
        """
        tokens = self._admission.tokens
        if tokens is None:
            host = headers.get(b"host", b"").decode("latin-1")
            name = host.rpartition(":")[0] or host if not host.endswith("]") else host
            if not is_loopback(name):  # somebody's page has had its name point to this machine
                raise NotAllowed(403, "without tokens only requests to localhost are served (see the Host header)")
            return self._own()
        number = tokens.find(_token_of(headers, query))
        if number is None:
            raise NotAllowed(401, "a token is needed: Authorization: Bearer TOKEN")
        return self._admission.grant_for_token(number, "http")

    def _own(self) -> Grant:
        """Of our own user: the socket lets nobody else in."""
        policy = self._admission.grant_for_token(0, "").policy
        return Grant(LISTENER, "http", None if policy is NOTHING else policy, operator=True)

    async def client(self, grant: Grant) -> TrioClient:
        """The session of a grant."""
        async with self._opening:
            client = self._clients.get(grant)
            if client is None:
                client = TrioClient(_Pair(self._bridge, grant, self._config.pool), output=_drop, name="http")
                client._connection.trace(TRACEPARENT.get)
                await client._connection.open(0)
                self._clients[grant] = client
            return client

    def close(self) -> None:
        """End all sessions."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


def _token_of(headers: dict[bytes, bytes], query: bytes) -> str | None:
    """From the header; or from the address, since an EventSource of a browser can't set headers."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    found = parse_qs(query.decode("latin-1")).get("token")
    return found[0] if found else None


def _drop(_text: str, _stream: str, _call: int) -> None:
    """What calls print has no place in an answer."""
