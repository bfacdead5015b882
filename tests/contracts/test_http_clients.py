"""Generated Python clients over HTTP, blocking and awaited."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from generated import EXTENDED, OTHER, SHOP, Dialect, generate, importing
from mounted import IMPLEMENTATIONS, SHAPES, serving_http, short_folder
from test_wire import everything

from bascule.bridge.contracts.live.over_http import (
    HttpCallFailed,
    HttpTransport,
    open_async_http_client,
    open_http_client,
)
from bascule.bridge.contracts.live.transports import ContractMismatch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("http")
    generate(folder, {"Shop": SHOP, "Plus": EXTENDED, "Other": OTHER}, package="made")
    generate(folder, {"Shapes": SHAPES}, package="classic", dialect=Dialect.CLASSIC)
    generate(folder, {"Shapes": SHAPES}, package="other_way")
    generate(folder, {"Shop": SHOP.replace("price   :: Double", "price   :: String")}, package="changed")
    generate(folder, {"Shop": SHOP.replace("Paperback |", "Paperback | Loose |")}, package="wider")
    (folder / "implementations.py").write_text(IMPLEMENTATIONS)
    (folder / "definitions").mkdir()
    (folder / "definitions" / "Shapes.pg").write_text(SHAPES)
    return folder


@pytest.fixture(scope="module")
def made(folder: Path) -> Iterator[SimpleNamespace]:
    names = ("made.shop", "made.plus", "classic.shapes", "other_way.shapes", "changed.shop", "wider.shop")
    for modules in importing(folder, *names):
        yield SimpleNamespace(**{name.replace(".", "_"): each for name, each in zip(names, modules, strict=True)})


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Where the service is, and the headers that let one in."""
    with short_folder() as runtime_folder:
        for base, token in serving_http(folder, runtime_folder):
            yield base, {"authorization": f"Bearer {token}"}


def test_a_blocking_client_calls_over_http(web: Any, made: Any) -> None:
    shop = made.made_shop
    client = open_http_client(shop.ShopModule, *web)
    assert client.find_book(7).binding == shop.Binding.HARD_COVER
    assert client.find_book(-1) is None
    assert [each.id for each in client.all_books(None)] == [1, 2]


def test_awaited_clients_call_over_http_in_trio_and_in_asyncio(web: Any, made: Any) -> None:
    shop, plus = made.made_shop, made.made_plus

    async def main() -> list[Any]:
        async with open_async_http_client(shop.ShopModule, *web) as client:
            assert (await client.find_book(7)).binding == shop.Binding.HARD_COVER
        async with open_async_http_client(plus.PlusModule, *web) as client:
            return [each async for each in client.watch(3)]

    for found in (trio.run(main), asyncio.run(main())):
        assert found == [plus.ShapeCircle(float(number), set()) for number in range(3)]


def test_a_blocking_client_reads_a_stream_and_may_leave_it(web: Any, made: Any) -> None:
    plus = made.made_plus
    client = open_http_client(plus.PlusModule, *web)
    assert [each.radius for each in client.watch(3)] == [0.0, 1.0, 2.0]
    assert next(iter(client.watch(1_000_000))).radius == 0.0
    assert list(client.watch(0)) == []


def test_a_text_in_a_stream_may_have_what_some_take_for_the_end_of_a_line(web: Any, made: Any) -> None:
    plus = made.made_plus

    async def main() -> list[Any]:
        async with open_async_http_client(plus.PlusModule, *web) as client:
            return [each async for each in client.watch(14)]

    circles = trio.run(main)
    assert circles == list(open_http_client(plus.PlusModule, *web).watch(14))
    assert [each.tags for each in circles] == [{"no end of line:\u2028 \x85 \x0b"}] * 14


def test_a_wrong_value_in_a_stream_over_http_is_told_with_its_path(web: Any, made: Any) -> None:
    seen = []
    with pytest.raises(
        HttpCallFailed, match=r'the result is wrong: \[2\]\.CIRCLE\.radius: expected Double, found "two"'
    ):
        seen.extend(open_http_client(made.made_plus.PlusModule, *web).watch(13))
    assert [each.radius for each in seen] == [0.0, 1.0]


def test_a_declared_error_arrives_over_http_as_what_it_is(web: Any, made: Any) -> None:
    plus = made.made_plus
    value = dataclasses.replace(everything(plus, plus._made_other), limit=0)
    with pytest.raises(plus._wire.Raised) as caught:
        open_http_client(plus.PlusModule, *web).find(value)
    assert caught.value.raised == plus.Missing("a limit")

    async def main() -> None:
        async with open_async_http_client(plus.PlusModule, *web) as client:
            with pytest.raises(plus._wire.Raised, match="a limit"):
                await client.find(value)

    trio.run(main)


def test_contracts_are_compared_over_http_before_the_first_call(web: Any, made: Any) -> None:
    with pytest.raises(ContractMismatch, match=r"find_book: result.*price: it was Double and is String"):
        open_http_client(made.changed_shop.ShopModule, *web)
    # A member that only this client knows can't come from that server.
    assert open_http_client(made.wider_shop.ShopModule, *web).find_book(7).id == 7

    async def main() -> None:
        with pytest.raises(ContractMismatch, match="price: it was Double and is String"):
            async with open_async_http_client(made.changed_shop.ShopModule, *web):
                pass

    trio.run(main)


def test_metadata_are_headers_both_ways_and_the_deadline_is_the_calls_own(web: Any, made: Any) -> None:
    shapes = made.classic_shapes
    client = open_http_client(shapes.ShapesModule, *web, name="meta", meta=True, timeout=45)
    meta, result = client.add_up(({"trace": "abc"}, shapes.Pair(2, 3)))
    assert (meta["said"], meta["in-time"], result) == ("abc", "True", 8)
    answer, _ = client.add_up(({}, shapes.Pair(2, 3)))
    assert answer["said"].startswith("default/")


def test_what_is_wrong_has_its_status(web: Any, made: Any) -> None:
    transport = HttpTransport(*web)
    wrong = {
        ("shop", "find_book"): (400, "expected Int32"),
        ("shop", "lose_book"): (404, "lose_book"),
        ("nowhere", "find_book"): (404, "nowhere"),
        ("math", "sqrt"): (404, "contract__"),
    }
    for (namespace, name), (status, reason) in wrong.items():
        with pytest.raises(HttpCallFailed, match=reason) as caught:
            transport.send(SimpleNamespace(namespace=[namespace], name=name), str, str, "x")
        assert caught.value.status == status
    late = HttpTransport(web[0], {**web[1], "bascule-timeout": "soon"})
    with pytest.raises(HttpCallFailed, match="number of seconds above 0, not 'soon'"):
        late.send(SimpleNamespace(namespace=["shop"], name="find_book"), int, int, 7)


@pytest.mark.parametrize(
    ("name", "body", "status", "told"),
    [
        ("find_book", "9" * 5000, 400, "the argument is wrong: no type has a number of 5000 digits"),
        ("find_book", '{"a": [0, {"b": 1, "b": 2}]}', 400, 'a[1]: no type has an object that has "b" twice'),
        ("find_book", "[" * 10_000, 400, "nested too deeply"),
        ("watch", "3", 406, "plus:watch streams its result: ask for it with Accept: text/event-stream"),
    ],
)
def test_what_is_wrong_with_a_request_is_told(name: str, body: str, status: int, told: str, web: Any) -> None:
    base, headers = web
    namespace = "plus" if name == "watch" else "shop"
    request = urllib.request.Request(
        f"{base}/{namespace}/{name}", body.encode(), {**headers, "content-type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    assert caught.value.code == status
    assert told in json.loads(caught.value.read())["error"]


def test_the_body_is_the_argument_whatever_its_type_is_said_to_be_unless_a_page_may_have_sent_it(web: Any) -> None:
    base, headers = web
    ask = urllib.request.Request(f"{base}/shop/find_book", b"7", headers)  # urllib says that it is a form
    with urllib.request.urlopen(ask, timeout=30) as answer:
        assert json.loads(answer.read())["title"]
    for name in ("origin", "sec-fetch-site"):
        from_a_page = urllib.request.Request(f"{base}/shop/find_book", b"7", {**headers, name: "https://example.org"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(from_a_page, timeout=30)
        assert caught.value.code == 415


def test_a_client_that_says_no_contract_is_told_so(web: Any, made: Any) -> None:
    transport = HttpTransport(*web)
    for told in ("{", "[]", {"functions": 3}, {"functions": {"f": {}}, "types": {}}):
        with pytest.raises(HttpCallFailed, match="this is no contract") as caught:
            transport.send(SimpleNamespace(namespace=["shop"], name="contract__"), _itself, _itself, told)
        assert caught.value.status == 400


def _itself(value: Any) -> Any:
    return value
