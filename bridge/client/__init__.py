"""Python clients of the service: a blocking one, made for speed, and one for trio.

    client = bascule.connect()                              blocking, for any number of threads
    client = bascule.bridge.client.local()                  the same, with a bridge of its own
    async with bascule.connect_trio() as client: ...        the same operations, each to be awaited
    async with bascule.connect_asyncio() as client: ...     the same again

`operations` is what both can do. For the blocking one read `blocking`, then `link` (how threads share the socket
without a thread of its own), `futures`, `proxy` (objects that stayed in a worker), `streams` and `mapping`.
"""

from typing import TYPE_CHECKING, Any

from bascule.bridge.client.blocking import Client, connect, local
from bascule.bridge.client.encoding import NotSendable
from bascule.bridge.client.futures import Future
from bascule.bridge.client.proxy import Proxy
from bascule.bridge.client.streams import Stream

if TYPE_CHECKING:
    from bascule.bridge.client.asyncio_client import AsyncioClient as AsyncioClient
    from bascule.bridge.client.asyncio_client import connect_asyncio as connect_asyncio
    from bascule.bridge.client.trio_client import TrioClient as TrioClient
    from bascule.bridge.client.trio_client import connect_trio as connect_trio

__all__ = [
    "AsyncioClient",
    "Client",
    "Future",
    "NotSendable",
    "Proxy",
    "Stream",
    "TrioClient",
    "connect",
    "connect_asyncio",
    "connect_trio",
    "local",
]


def __getattr__(name: str) -> Any:
    """The clients for event loops, imported when it is asked for: the blocking one is there sooner without trio."""
    if name in ("TrioClient", "connect_trio"):
        from bascule.bridge.client import trio_client

        return getattr(trio_client, name)
    if name in ("AsyncioClient", "connect_asyncio"):
        from bascule.bridge.client import asyncio_client

        return getattr(asyncio_client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
