"""Generated servers and clients, classic and modern, with every shape of argument and result that Gugugu names.

The transport is a plain one: what is sent is asked for at once, so that nothing but generated code is in between.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from generated import Dialect, generate, importing
from mounted import SHAPES

from bascule.workers.contracts.codecs import JsonDecoder, JsonEncoder

SHAPE = {
    "a value": (lambda value: value, lambda fa, function: function(fa)),
    "metadata and a value": (
        lambda value: ({"trace": "abc"}, value),
        lambda fa, function: (fa[0], function(fa[1])),
    ),
    "values": (lambda value: [value, value], lambda fa, function: [function(each) for each in fa]),
}
"""How an argument is given, and how a function of one value is applied to what is given."""

Then = Callable[[Any, Callable[[Any], Any]], Any]


def in_future(result: Any, function: Callable[[Any], Any]) -> concurrent.futures.Future[Any]:
    """The future of what a function makes of a future's result."""
    found: concurrent.futures.Future[Any] = concurrent.futures.Future()
    result.add_done_callback(lambda done: found.set_result(function(done.result())))
    return found


async def awaited(result: Any, function: Callable[[Any], Any]) -> Any:
    return function(await result)


def continued(result: Any, function: Callable[[Any], Any]) -> Callable[[Callable[[Any], None]], None]:
    return lambda then: result(lambda value: then(function(value)))


def now(value: Any) -> Any:
    return value


def later(value: Any) -> concurrent.futures.Future[Any]:
    found: concurrent.futures.Future[Any] = concurrent.futures.Future()
    threading.Thread(target=found.set_result, args=(value,)).start()
    return found


async def sometime(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def calling_back(value: Any) -> Callable[[Callable[[Any], None]], None]:
    return lambda then: threading.Thread(target=then, args=(value,)).start()


def wait_for_call(result: Any) -> Any:
    found: concurrent.futures.Future[Any] = concurrent.futures.Future()
    result(found.set_result)
    return found.result(30)


RESULT: dict[str, tuple[Callable[[Any], Any], Then, Callable[[Any], Any]]] = {
    "a value": (now, lambda result, function: function(result), now),
    "a future": (later, in_future, lambda result: result.result(30)),
    "something to await": (sometime, awaited, asyncio.run),
    "a continuation": (calling_back, continued, wait_for_call),
}
"""How an implementation gives its result, how a function is applied to what it gives, and how one gets at it."""


@pytest.fixture(scope="module", params=[Dialect.CLASSIC, Dialect.MODERN], ids=["classic", "modern"])
def shapes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = generate(tmp_path_factory.mktemp("shapes"), {"Shapes": SHAPES}, package="shaped", dialect=request.param)
    for (module,) in importing(folder, "shaped.shapes"):
        yield module


@pytest.mark.parametrize("result", RESULT.values(), ids=RESULT.keys())
@pytest.mark.parametrize("argument", SHAPE.values(), ids=SHAPE.keys())
def test_every_shape_goes_to_the_implementation_and_comes_back(argument: Any, result: Any, shapes: Any) -> None:
    give, apply = argument
    answer, after, wait = result

    class Adding(shapes.ShapesModule):  # type: ignore[misc]
        def add_up(self, fa: Any) -> Any:
            return answer(apply(fa, lambda pair: pair.left + pair.right))

    server = shapes.ShapesModule.to_transport(Adding(), JsonDecoder(), JsonEncoder())
    sent: list[Any] = []

    def handle(decode: Any, encode: Any, handler: Any, fr: Any) -> Any:
        return after(handler(apply(fr, decode)), lambda found: apply(found, encode))

    class Joined:
        def send(self, name: Any, encoder: Any, decoder: Any, fa: Any) -> Any:
            request = apply(fa, encoder)
            sent.append(request)
            return after(server.ask(name, handle)(request), lambda found: apply(found, decoder))

    client = shapes.ShapesModule.from_transport(Joined(), JsonEncoder(), JsonDecoder())
    assert wait(client.add_up(give(shapes.Pair(2, 3)))) == give(5)
    assert sent == [give('{"left":2,"right":3}')]


def test_a_server_knows_its_own_names_alone(shapes: Any) -> None:
    class Adding(shapes.ShapesModule):  # type: ignore[misc]
        def add_up(self, fa: Any) -> Any:
            return fa.left + fa.right

    server = shapes.ShapesModule.to_transport(Adding(), JsonDecoder(), JsonEncoder())
    qualified = shapes.ShapesModule.from_transport(_Names(), JsonEncoder(), JsonDecoder()).add_up(None)
    for namespace, name in ((["shapes"], "add"), (["shape"], "add_up"), (["shapes", "more"], "add_up"), ([], "add_up")):
        assert server.ask(type(qualified)(namespace, name), None) is None
    assert server.ask(qualified, None) is not None
    assert (qualified.namespace, qualified.name) == (["shapes"], "add_up")


class _Names:
    """A transport that sends nothing, and tells the name."""

    def send(self, name: Any, _encoder: Any, _decoder: Any, _fa: Any) -> Any:
        return name
