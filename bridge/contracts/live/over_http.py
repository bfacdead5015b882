"""Contracts over HTTP, as Gugugu's example has them: `POST /<namespace>/<function>`, the argument is the body.

    shop = open_http_client(ShopModule, "http://127.0.0.1:8080", {"authorization": f"Bearer {token}"})
    book = shop.find_book(7)

    async with open_async_http_client(ShopModule, "http://127.0.0.1:8080", headers) as shop:
        book = await shop.find_book(7)

The answer is the result as JSON; enums go by name. Metadata are the headers, both ways. A name that nobody mounted is
404, an argument that is not of its type 400, whatever else went wrong 500, each with a JSON object that says why. A
stream is server-sent events. Contracts are compared when a client is opened, as over the socket.

The blocking client needs the standard library alone; the other one httpx, of the extra `bascule[http]`.
"""

from __future__ import annotations

import http.client
import json
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from bascule.bridge.contracts.live.transports import compare_with, declared, is_stream, opened
from bascule.workers.contracts import wire
from bascule.workers.contracts.comparing import CONTRACT_NAME

if TYPE_CHECKING:
    from bascule.bridge.errors import CallError

Coder = Callable[[Any], Any]
EVENTS: Final = "text/event-stream"
TIMEOUT: Final = "bascule-timeout"
"""The header that says how many seconds a call may take."""
_LONGEST = 4_000_000.0  # seconds
_STATUS = {"not_found": 404, "bad_arguments": 400, "denied": 403, "overloaded": 503, "timeout": 504}
_NOT_METADATA = frozenset(
    (
        *("host", "content-length", "content-type", "connection", "transfer-encoding", "user-agent", TIMEOUT),
        *("accept", "accept-encoding", "authorization", "cookie"),
    )
)


class HttpCallFailed(Exception):
    """The server did not answer with a result.

    Attributes:
        status: HTTP's; 200 when a stream broke off that had begun.
        reason: What it said.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status}: {reason}")
        self.status = status
        self.reason = reason


class _Transport:
    """What the two transports share: what is sent, and what an answer means.

    Args:
        base: Where the server is, such as `http://127.0.0.1:8080`.
        headers: What goes with every call; the token, for example.
        contract: The generated module, which says what is a stream and what may be raised.
        name: The name it is mounted under, where that is not the module's namespace.
        meta: Whether arguments and results come with metadata, as `(metadata, value)`.
        timeout: Seconds for one call; the server keeps to it, too.
    """

    def __init__(
        self,
        base: str,
        headers: Mapping[str, str] | None = None,
        *,
        contract: Any = None,
        name: str | None = None,
        meta: bool = False,
        timeout: float = 60.0,
    ) -> None:
        self._base = base.rstrip("/")
        self._headers = dict(headers or {})
        self._contract = contract
        self._name = name
        self._meta = meta
        self._timeout = timeout

    def _path(self, namespace: Iterable[str], name: str) -> str:
        folder = self._name.replace(".", "/") if self._name else "/".join(namespace)
        return f"{self._base}/{folder}/{name}"

    def _sent(self, encoder: Coder, fa: Any, accept: str = "application/json") -> tuple[bytes, dict[str, str]]:
        """The body and the headers of a request."""
        said, value = fa if self._meta else ({}, fa)
        headers = {"content-type": "application/json", "accept": accept, TIMEOUT: str(self._timeout)}
        texts = {str(name): str(each) for name, each in dict(said or {}).items()}
        return wire.write_json(encoder(value)), {**headers, **self._headers, **texts}

    def _result(self, body: bytes, headers: Mapping[str, str], decoder: Coder) -> Any:
        result = decoder(wire.read_json(body))
        return ({key.lower(): each for key, each in headers.items()}, result) if self._meta else result

    def _failure(self, status: int, body: bytes | str) -> BaseException:
        """What is raised for an answer that is no result."""
        try:
            told = json.loads(body)
            reason = str(told["error"])
        except (ValueError, LookupError, TypeError):
            text = body if isinstance(body, str) else body.decode(errors="replace")
            return HttpCallFailed(status, text[:500])
        return declared(told.get("raised"), told.get("value"), self._contract) or HttpCallFailed(status, reason)

    def _event(self, name: str, data: str, decoder: Coder) -> tuple[bool, Any]:
        """Whether the stream goes on, and its value if it does."""
        if name == "end":
            return False, None
        if name == "error":
            raise self._failure(200, data)
        return True, decoder(wire.read_json(data))


class HttpTransport(_Transport):
    """A `ClientTransport` over HTTP, blocking."""

    def send(self, name: Any, encoder: Coder, decoder: Coder, fa: Any) -> Any:
        """Call a function.

        Raises:
            HttpCallFailed: There is no result.
        """
        if is_stream(self._contract, name.name):
            return self._each(name, encoder, decoder, fa)
        body, headers = self._sent(encoder, fa)
        with self._post(self._path(name.namespace, name.name), body, headers) as answer:
            return self._result(answer.read(), dict(answer.headers), decoder)

    def contract(self, namespace: Iterable[str]) -> Any:
        """What the server says of its contract."""
        body, headers = self._sent(_itself, ({}, None) if self._meta else None)
        with self._post(self._path(namespace, CONTRACT_NAME), body, headers) as answer:
            return wire.read_json(answer.read())

    def _each(self, name: Any, encoder: Coder, decoder: Coder, fa: Any) -> Iterator[Any]:
        body, headers = self._sent(encoder, fa, EVENTS)
        with self._post(self._path(name.namespace, name.name), body, headers) as answer:
            for event, data in _events(line.decode() for line in answer):
                goes_on, value = self._event(event, data, decoder)
                if not goes_on:
                    return
                yield value
        raise HttpCallFailed(200, "the stream broke off")

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
        request = urllib.request.Request(url, body, headers, method="POST")
        try:
            answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            raise self._failure(error.code, error.read()) from None
        return answer


class AsyncHttpTransport(_Transport):
    """The same with httpx, in trio and in asyncio: what is called must be awaited.

    Args:
        client: An `httpx.AsyncClient`; whoever made it closes it.
    """

    def __init__(self, base: str, headers: Mapping[str, str] | None = None, *, client: Any, **more: Any) -> None:
        super().__init__(base, headers, **more)
        self._client = client

    def send(self, name: Any, encoder: Coder, decoder: Coder, fa: Any) -> Any:
        """Call a function.

        Raises:
            HttpCallFailed: There is no result.
        """
        coders = encoder, decoder
        return (self._each if is_stream(self._contract, name.name) else self._call)(name, *coders, fa)

    async def contract(self, namespace: Iterable[str]) -> Any:
        """What the server says of its contract."""
        body, headers = self._sent(_itself, ({}, None) if self._meta else None)
        answer = await self._post(self._path(namespace, CONTRACT_NAME), body, headers)
        return wire.read_json(answer.content)

    async def _call(self, name: Any, encoder: Coder, decoder: Coder, fa: Any) -> Any:
        body, headers = self._sent(encoder, fa)
        answer = await self._post(self._path(name.namespace, name.name), body, headers)
        return self._result(answer.content, answer.headers, decoder)

    async def _each(self, name: Any, encoder: Coder, decoder: Coder, fa: Any) -> AsyncIterator[Any]:
        body, headers = self._sent(encoder, fa, EVENTS)
        url = self._path(name.namespace, name.name)
        async with self._client.stream("POST", url, content=body, headers=headers, timeout=self._timeout) as answer:
            if answer.status_code != 200:
                raise self._failure(answer.status_code, await answer.aread())
            event = ""
            async for line in _lines(answer.aiter_bytes()):
                event, data = _line(line, event)
                if data is not None:
                    goes_on, value = self._event(event, data, decoder)
                    if not goes_on:
                        return
                    yield value
        raise HttpCallFailed(200, "the stream broke off")

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Any:
        answer = await self._client.post(url, content=body, headers=headers, timeout=self._timeout)
        if answer.status_code != 200:
            raise self._failure(answer.status_code, answer.content)
        return answer


def open_http_client(
    module_class: Any, base: str, headers: Mapping[str, str] | None = None, *, check: bool = True, **more: Any
) -> Any:
    """What calls a mounted module over HTTP; its methods take and give values.

    Args:
        module_class: A generated class, `ShopModule` say, made with `--with-client`.
        base: Where the server is.
        headers: What goes with every call.
        check: Compare the contracts first.
        more: What `HttpTransport` takes: `name`, `meta`, `timeout`.

    Raises:
        ContractMismatch: What is mounted is of another contract, and that would hurt.
    """
    module = sys.modules[module_class.__module__]
    transport = HttpTransport(base, headers, contract=module, **more)
    if check:
        compare_with(module, transport.contract(module.NAMESPACE))
    return opened(module_class, transport)


@asynccontextmanager
async def open_async_http_client(
    module_class: Any, base: str, headers: Mapping[str, str] | None = None, *, check: bool = True, **more: Any
) -> AsyncIterator[Any]:
    """The same for trio and asyncio, for the length of an `async with` block: its methods must be awaited.

    Raises:
        ContractMismatch: What is mounted is of another contract, and that would hurt.
        ModuleNotFoundError: httpx is missing: `pip install 'bascule[http]'`.
    """
    import httpx

    module = sys.modules[module_class.__module__]
    async with httpx.AsyncClient() as client:
        transport = AsyncHttpTransport(base, headers, client=client, contract=module, **more)
        if check:
            compare_with(module, await transport.contract(module.NAMESPACE))
        yield opened(module_class, transport)


def _itself(value: Any) -> Any:
    return value


def _line(line: str, event: str) -> tuple[str, str | None]:
    """One line of server-sent events: the event's name so far, and its data if this is it."""
    name, _, rest = line.rstrip("\r\n").partition(": ")
    if name == "data":
        return event, rest
    return (rest if name == "event" else ""), None


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Lines as server-sent events have them; httpx would also end one at a U+2028 within a text of the JSON."""
    parts: list[bytes] = []
    async for chunk in chunks:
        first, *more = chunk.split(b"\n")
        parts.append(first)
        for following in more:
            yield b"".join(parts).decode()
            parts = [following]


def _events(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    event = ""
    for line in lines:
        event, data = _line(line, event)
        if data is not None:
            yield event, data


# ---- The server's side


def target_of(path: str) -> str:
    """`/shop/find_book` -> `shop:find_book`; empty when it is no such path."""
    namespace, _, name = path.strip("/").rpartition("/")
    return f"{namespace.replace('/', '.')}:{name}" if namespace and name else ""


def metadata_of(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """The headers that are a caller's own."""
    read = {key.decode("latin-1").lower(): each.decode("latin-1") for key, each in headers.items()}
    return {key: each for key, each in read.items() if key not in _NOT_METADATA}


def seconds_of(text: str) -> float | None:
    """How long a call may take, as its header says.

    Raises:
        DecodeError: The header says something else.
    """
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST:
        raise wire.DecodeError("", f"the header {TIMEOUT} is a number of seconds above 0, not {text[:60]!r}")
    return seconds


def status_of(error: CallError) -> int:
    """HTTP's word for a failed call."""
    return _STATUS.get(error.kind.value, 500)
