"""Contracts over HTTP, as Gugugu's example has them: `POST /<namespace>/<function>`, the argument is the body.

The answer is the result as JSON; enums go by name. Metadata are the headers, both ways. A name that nobody mounted is
404, an argument that is not of its type 400, whatever else went wrong 500, each with a JSON object that says why.

`HttpTransport` is the client's side, with the standard library alone.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bascule.workers.contracts import wire

if TYPE_CHECKING:
    from bascule.bridge.errors import CallError

Coder = Callable[[Any], Any]
_STATUS = {"not_found": 404, "bad_arguments": 400, "denied": 403, "overloaded": 503, "timeout": 504}
_NOT_METADATA = frozenset(
    ("host", "content-length", "content-type", "connection", "accept", "accept-encoding", "authorization", "cookie")
)


class HttpCallFailed(Exception):
    """The server did not answer with a result.

    Attributes:
        status: HTTP's.
        reason: What it said.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status}: {reason}")
        self.status = status
        self.reason = reason


class HttpTransport:
    """A `ClientTransport` over HTTP, blocking.

    Args:
        base: Where the server is, such as `http://127.0.0.1:8080`.
        headers: What goes with every call; the token, for example.
        meta: Whether arguments and results come with metadata, as `(metadata, value)`.
        timeout: Seconds for one call.
    """

    def __init__(
        self, base: str, headers: Mapping[str, str] | None = None, *, meta: bool = False, timeout: float = 60.0
    ) -> None:
        self._base = base.rstrip("/")
        self._headers = dict(headers or {})
        self._meta = meta
        self._timeout = timeout

    def send(self, name: Any, encoder: Coder, decoder: Coder, fa: Any) -> Any:
        """Call a function.

        Raises:
            HttpCallFailed: There is no result.
        """
        said, value = fa if self._meta else ({}, fa)
        path = "/".join([*name.namespace, name.name])
        headers = {"content-type": "application/json", **self._headers, **said}
        body = wire.write_json(encoder(value))
        request = urllib.request.Request(f"{self._base}/{path}", body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                text, told = answer.read(), {key.lower(): each for key, each in answer.headers.items()}
        except urllib.error.HTTPError as error:
            raise HttpCallFailed(error.code, _reason(error.read())) from None
        result = decoder(wire.read_json(text))
        return (told, result) if self._meta else result


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, LookupError, TypeError):
        return body.decode(errors="replace")[:500]


def target_of(path: str) -> str:
    """`/shop/find_book` -> `shop:find_book`; empty when it is no such path."""
    namespace, _, name = path.strip("/").rpartition("/")
    return f"{namespace.replace('/', '.')}:{name}" if namespace and name else ""


def metadata_of(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """The headers that are a caller's own."""
    read = {key.decode("latin-1").lower(): each.decode("latin-1") for key, each in headers.items()}
    return {key: each for key, each in read.items() if key not in _NOT_METADATA}


def status_of(error: CallError) -> int:
    """HTTP's word for a failed call."""
    return _STATUS.get(error.kind.value, 500)
