"""The connections of the HTTP door: hypercorn's, with a limit to what a client may leave undone.

Hypercorn waits for as long as a client takes to read what it is sent, whatever becomes of the server meanwhile. Here it
waits while the client reads on; one that reads nothing for a while is dropped, and the end of the door, when the
service ends or is told of another one, waits for nobody. Clients can't use up all descriptors, as at the listeners.
"""

from __future__ import annotations

import logging
import resource
import socket
import sys
from functools import partial
from typing import Any, Final

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from bascule.bridge.listeners import RESERVED
from bascule.bridge.supervision.lives import grace

_log = logging.getLogger("bascule.http")

UNREAD_SECONDS: Final = 30.0  # that a client may read nothing of what it is sent
_PIECE: Final = 1 << 16  # bytes; that they were taken shows that it reads


class Connection(TCPServer):
    """One client's."""

    async def protocol_send(self, event: Event) -> None:
        """What hypercorn wants sent, or the end."""
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            if await self._sent(memoryview(event.data)):
                return
            await trio.aclose_forcefully(self.stream)
        await self.protocol.handle(Closed())

    async def _sent(self, data: memoryview) -> bool:
        with grace(), trio.move_on_after(UNREAD_SECONDS) as patience:
            try:
                for at in range(0, len(data), _PIECE):
                    patience.deadline = trio.current_time() + UNREAD_SECONDS
                    await self.stream.send_all(data[at : at + _PIECE])
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
            return True
        return False


async def serve(
    app: Any, config: Config, listening: socket.socket, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve an ASGI application at a socket that listens, until cancelled."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    full = sys.maxsize if most == resource.RLIM_INFINITY else most - RESERVED
    context = WorkerContext(None)
    tls = config.create_ssl_context()
    wrapped = ASGIWrapper(app)

    async def connection(stream: trio.SocketStream) -> None:
        if stream.socket.fileno() >= full:
            await trio.aclose_forcefully(stream)
            return
        outside: Any = stream
        if tls is not None:
            outside = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        try:
            await Connection(wrapped, config, context, ConnectionState({}), outside)
        except Exception:  # whatever hypercorn meets with one client is no reason to leave the others
            _log.exception("a connection over HTTP failed")

    listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_listeners, connection, [listener]))
        task_status.started()
