"""Python clients of the service: a blocking one, made for speed, and one each for trio and asyncio.

    client = bascule.connect()                              blocking, for any number of threads
    client = bascule.bridge.client.local()                  the same, with a bridge of its own
    async with bascule.connect_trio() as client: ...        the same operations, each to be awaited
    async with bascule.connect_asyncio() as client: ...     the same again

`operations` is what all can do. For the blocking one read `blocking` and `gathering` (what has many results), then
`link` (how threads share the socket without a thread of its own), `futures`, `proxy` (objects that stayed in a worker),
`streams` and `mapping`; for the others `async_client` and `async_results`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bascule.bridge.client.asyncio_client import AsyncioClient as AsyncioClient
    from bascule.bridge.client.asyncio_client import connect_asyncio as connect_asyncio
    from bascule.bridge.client.blocking import Client as Client
    from bascule.bridge.client.blocking import connect as connect
    from bascule.bridge.client.blocking import local as local
    from bascule.bridge.client.encoding import NotSendable as NotSendable
    from bascule.bridge.client.futures import Future as Future
    from bascule.bridge.client.proxy import Proxy as Proxy
    from bascule.bridge.client.streams import Stream as Stream
    from bascule.bridge.client.trio_client import TrioClient as TrioClient
    from bascule.bridge.client.trio_client import connect_trio as connect_trio

_HOMES = {
    "AsyncioClient": "asyncio_client",
    "Client": "blocking",
    "Future": "futures",
    "NotSendable": "encoding",
    "Proxy": "proxy",
    "Stream": "streams",
    "TrioClient": "trio_client",
    "connect": "blocking",
    "connect_asyncio": "asyncio_client",
    "connect_trio": "trio_client",
    "local": "blocking",
}

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
    """The public names, imported when first asked for: a service wants none of them, and a blocking client no trio."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value
