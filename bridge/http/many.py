"""Many calls by one request: JSON-RPC methods of the door's own, whose `params` is an object.

    {"method": "bascule.map", "params": {"function": "math:sqrt", "items": [4, -1, 9], "errors": "return"}}
    {"method": "bascule.reduce", "params": {"function": "operator:add", "items": [1, 2, 3], "each": "operator:neg"}}
    {"method": "bascule.everywhere", "params": {"function": "os:getpid"}}

`POST /rpc` answers with all results; `POST /stream` with `bascule.map` tells each as it is completed, as
`{"index": 1, "result": 2.0}` or `{"index": 1, "error": {...}}`, and now and then the progress. What is done is what the
clients' `scatter`, `reduce` and `everywhere` do. A request that is broken off takes it all back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from bascule.bridge.client.scattering import Errors, Progress
from bascule.bridge.errors import CallError, NotEncodable, to_map
from bascule.protocols import jsonic
from bascule.protocols.errors import ProtocolError

if TYPE_CHECKING:
    from bascule.bridge.client.feed import Feed
    from bascule.bridge.client.trio_client import TrioClient

MAP, REDUCE, EVERYWHERE = "bascule.map", "bascule.reduce", "bascule.everywhere"
METHODS: Final = frozenset((MAP, REDUCE, EVERYWHERE))
_Kinds = type | tuple[type, ...]
_COMMON: Final[Mapping[str, _Kinds]] = {"function": str}
_OVER: Final[Mapping[str, _Kinds]] = {**_COMMON, "items": list, "chunk": int, "idempotent": bool}
_KNOWN: Final[Mapping[str, Mapping[str, _Kinds]]] = {
    MAP: {**_OVER, "star": bool, "errors": str, "ordered": bool},
    REDUCE: {**_OVER, "each": str},
    EVERYWHERE: {**_COMMON, "args": list, "copies": int},
}
_WORDS: Final[Mapping[_Kinds, str]] = {
    str: "text",
    list: "a list",
    int: "a whole number above 0",
    bool: "true or false",
}


class WrongParams(Exception):
    """They are not what the method takes; the message says which, and what is."""


class Wanted:
    """One request, checked.

    Raises:
        WrongParams: It can't be done so.
    """

    def __init__(self, method: str, params: Any, timeout: float | None) -> None:
        known = _KNOWN[method]
        if not isinstance(params, dict) or not set(known).issuperset(params):
            raise WrongParams(f"the params of {method} are an object with some of {', '.join(known)}")
        for name, value in params.items():
            kind = known[name]
            if type(value) is not kind or (type(value) is int and value < 1):
                raise WrongParams(f"{name} is {_WORDS[kind]}, not {value!r:.80}")
        for name in ("function", "items"):
            if name in known and name not in params:
                raise WrongParams(f"{method} needs {name}")
        if params.get("errors", "raise") not in ("raise", "return"):
            raise WrongParams(f'errors is "raise" or "return", not {params["errors"]!r:.80}')
        if params.get("star") and not all(type(item) is list for item in params["items"]):
            raise WrongParams("with star, each item is a list of arguments")
        if method == REDUCE and not params["items"]:
            raise WrongParams("there is nothing to reduce")
        self.method = method
        self.timeout = timeout
        self._params: dict[str, Any] = params
        self.told: Progress | None = None
        self.ready: Callable[[], int] = lambda: 0
        """How many rows come without waiting."""

    @property
    def star(self) -> bool:
        """Whether each item is a list of arguments."""
        return bool(self._params.get("star"))

    def take_from(self, feed: Feed) -> None:
        """Go over what comes from there; whoever feeds it has checked it."""
        self._params = {**self._params, "items": feed}

    async def answer(self, client: TrioClient) -> Any:
        """Do it all.

        Raises:
            CallError: What failed first.
        """
        params = self._params
        function = params["function"]
        if self.method == EVERYWHERE:
            args, copies = params.get("args", []), params.get("copies")
            return _fit(await client.everywhere(function, *args, copies=copies, timeout=self.timeout))
        if self.method == REDUCE:
            more = {name: params[name] for name in ("each", "chunk", "idempotent") if name in params}
            return _fit(await client.reduce(function, params["items"], timeout=self.timeout, **more))
        rows: list[Any] = [None] * len(params["items"])
        async with aclosing(self.rows(client)) as found:
            async for row in found:
                rows[row["index"]] = {"error": row["error"]} if "error" in row else row["result"]
        return rows

    async def rows(self, client: TrioClient) -> AsyncGenerator[dict[str, Any], None]:
        """The results of a map, as they are completed (in order where that is wanted).

        Raises:
            CallError: The first error, where errors are not to be returned.
        """
        params = self._params
        errors = Errors(params.get("errors", "raise"))
        scatter = client.scatter(
            params["function"],
            params["items"],
            ordered=params.get("ordered", False),
            errors=errors.value,
            chunk=params.get("chunk"),
            star=params.get("star", False),
            timeout=self.timeout,
            idempotent=params.get("idempotent", False),
            progress=self._tell,
        )
        self.ready = lambda: scatter.ready
        async with scatter:
            async for result in scatter:
                error = result.error or _unfit(result.value)
                if error is None:
                    yield {"index": result.index, "result": result.value}
                elif errors is Errors.RAISE:
                    raise error
                else:
                    yield {"index": result.index, "error": plain(to_map(error))}

    def take_progress(self) -> dict[str, Any] | None:
        """How far the map is, if that has changed."""
        told, self.told = self.told, None
        return None if told is None else {"done": told.done, "failed": told.failed, "total": told.total}

    def _tell(self, progress: Progress) -> None:
        self.told = progress


def _fit(value: Any) -> Any:
    error = _unfit(value)
    if error is not None:
        raise error
    return value


def _unfit(value: Any) -> CallError | None:
    """Why a result can't be sent, if it can't."""
    try:
        jsonic.dumps(value)
    except (ProtocolError, TypeError, ValueError) as error:
        return NotEncodable(f"the result has no form in JSON: {error}")
    return None


def plain(error: dict[str, Any]) -> dict[str, Any]:
    """An error map without what is empty."""
    return {name: value for name, value in error.items() if value not in (None, [], {})}
