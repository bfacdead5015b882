"""Implementations mounted on a running service, called through its doors by generated clients and by anybody."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio
from generated import EXTENDED, OTHER, SHOP, Dialect, generate, importing
from mounted import IMPLEMENTATIONS, SHAPES, short_folder
from pod_client import PodClient, PodError
from running_service import Service
from test_wire import everything

import bascule
from bascule.bridge.contracts.live.loading import load
from bascule.bridge.contracts.live.transports import (
    ContractMismatch,
    open_async_client,
    open_client,
)
from bascule.bridge.errors import BadArguments, NotEncodable

MOUNT = """
[pools.default]
size = 1
paths = [{folder!r}]

[mount]
shop = "implementations:Shop"
plus = "implementations:Plus"
value = "implementations:Value"
meta = "implementations:Meta"
many = "implementations:Many"
promised = "implementations:Future"
awaited = "implementations:Awaited"
continued = "implementations:Continued"
loaded = "implementations:Loaded"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mount")
    generate(folder, {"Shop": SHOP, "Plus": EXTENDED, "Other": OTHER}, package="made")
    generate(folder, {"Shapes": SHAPES}, package="classic", dialect=Dialect.CLASSIC)
    generate(folder, {"Shapes": SHAPES}, package="other_way")
    (folder / "implementations.py").write_text(IMPLEMENTATIONS)
    (folder / "definitions").mkdir()
    (folder / "definitions" / "Shapes.pg").write_text(SHAPES)
    (folder / "service.toml").write_text(MOUNT.format(folder=str(folder)))
    return folder


@pytest.fixture(scope="module")
def made(folder: Path) -> Iterator[tuple[ModuleType, ...]]:
    yield from importing(folder, "made.shop", "made.plus", "classic.shapes")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    """One service for all tests here: they add to what is mounted, and change nothing."""
    with short_folder() as runtime_folder, pytest.MonkeyPatch.context() as patch:
        service = Service(runtime_folder, "--config", str(folder / "service.toml"))
        patch.setenv("BASCULE_SOCKET", str(service.socket))
        yield service
        service.stop()


def test_a_generated_client_calls_a_mounted_implementation(service: Any, made: tuple[Any, ...]) -> None:
    shop = made[0]
    with bascule.connect() as connection:
        client = open_client(shop.ShopModule, connection)
        book = client.find_book(7)
        assert (type(book), book.id, book.binding) == (shop.Book, 7, shop.Binding.HARD_COVER)
        assert client.find_book(-1) is None
        assert [each.id for each in client.all_books(None)] == [1, 2]


def test_an_argument_is_checked_before_the_implementation_is_entered(service: Any) -> None:
    with bascule.connect() as client:
        for wrong, told in (("x", 'expected Int32, found "x"'), (True, "found true"), (1 << 31, "found 2147483648")):
            with pytest.raises(BadArguments, match=told):
                client.call("shop:find_book", wrong)
        assert client.call("shop:find_book", 7)["binding"] == "HARD_COVER"
        with pytest.raises(NotEncodable, match="the result is wrong"):
            client.call("shop:find_book", 13)


def test_an_awaited_client_streams_and_declared_errors(service: Any, made: tuple[Any, ...]) -> None:
    plus = made[1]

    async def main() -> None:
        async with bascule.connect_trio() as connection:
            client = await open_async_client(plus.PlusModule, connection)
            circles = [each async for each in client.watch(3)]
            assert circles == [plus.ShapeCircle(float(number), set()) for number in range(3)]

    trio.run(main)
    with bascule.connect() as connection:
        client = open_client(plus.PlusModule, connection)
        assert list(client.watch(2)) == [plus.ShapeCircle(0.0, set()), plus.ShapeCircle(1.0, set())]


def test_a_wrong_value_in_a_stream_is_told_with_its_path(service: Any, made: tuple[Any, ...]) -> None:
    plus, seen = made[1], []
    with bascule.connect() as connection:
        with pytest.raises(
            NotEncodable, match=r'the result is wrong: \[2\]\.CIRCLE\.radius: expected Double, found "two"'
        ):
            seen.extend(open_client(plus.PlusModule, connection).watch(13))
        with pytest.raises(NotEncodable, match=r"\[2\]\.CIRCLE\.radius"):
            list(connection.stream("plus:watch", 13))

    async def main() -> None:
        async with bascule.connect_trio() as connection:
            client = await open_async_client(plus.PlusModule, connection)
            with pytest.raises(NotEncodable, match=r"\[2\]\.CIRCLE\.radius"):
                assert [each async for each in client.watch(13)]

    trio.run(main)
    assert [each.radius for each in seen] == [0.0, 1.0]


def test_every_shape_of_an_implementation_can_be_mounted(service: Any, made: tuple[Any, ...]) -> None:
    shapes = made[2]
    with bascule.connect() as connection:
        for name in ("value", "many", "promised", "awaited", "continued"):
            client = open_client(shapes.ShapesModule, connection, name=name)
            assert client.add_up(shapes.Pair(2, 3)) == 5, name


def test_an_implementation_of_a_module_that_is_loaded_at_run_time_can_be_mounted(service: Any, folder: Path) -> None:
    contract = load(folder / "definitions")
    with bascule.connect() as connection:
        client = open_client(contract.shapes.ShapesModule, connection, name="loaded")
        assert client.add_up(contract.shapes.Pair(2, 3)) == 6


def test_metadata_goes_with_the_value_and_comes_back(service: Any, made: tuple[Any, ...]) -> None:
    shapes = made[2]
    with bascule.connect() as connection:
        client = open_client(shapes.ShapesModule, connection, name="meta", meta=True)
        meta, result = client.add_up(({"trace": "abc"}, shapes.Pair(2, 3)))
        assert (meta, result) == ({"said": "abc", "in-time": "no deadline"}, 8)
        # Who says no trace has one all the same, that no other call has.
        traces = {client.add_up(({}, shapes.Pair(2, 3)))[0]["said"] for _ in range(3)}
        assert len(traces) == 3


def test_the_deadline_of_a_call_is_known_to_the_implementation(service: Any, made: tuple[Any, ...]) -> None:
    shapes = made[2]
    with bascule.connect(timeout=45) as connection:
        client = open_client(shapes.ShapesModule, connection, name="meta", meta=True)
        assert client.add_up(({"trace": "abc"}, shapes.Pair(2, 3)))[0]["in-time"] is True

    async def main() -> Any:
        async with bascule.connect_asyncio(timeout=45) as connection:
            client = await open_async_client(shapes.ShapesModule, connection, name="meta", meta=True)
            return await client.add_up(({"trace": "abc"}, shapes.Pair(2, 3)))

    assert asyncio.run(main()) == ({"said": "abc", "in-time": True}, 8)


@pytest.mark.usefixtures("nothing_left")
def test_a_pod_of_its_own_mounts_too(folder: Path) -> None:
    words = ("--path", str(folder), "--mount", "implementations:Shop", "--mount", "sums=implementations:Value")
    with PodClient(*words, "shop", "sums") as pod:
        assert pod.invoke("shop/find-book", 7)["title"] == "Zoë"
        assert pod.invoke("sums/add-up", {"left": 2, "right": 3}) == 5
        with pytest.raises(PodError, match="expected Int32, found true"):
            pod.invoke("shop/find-book", True)


def test_a_class_is_mounted_on_a_running_service(service: Any, folder: Path) -> None:
    command = [sys.executable, "-m", "bascule", "mount", "--as", "difference"]
    command += ["--contract", "other_way.shapes", "implementations:Plain"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    with bascule.connect() as client:
        assert client.call("difference:add_up", {"left": 5, "right": 3}) == 2
        assert client.call("value:add_up", {"left": 5, "right": 3}) == 8
    told = subprocess.run([*command[:4], "implementations:Missing"], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "can't be mounted" in told.stderr
    with bascule.connect() as client:
        assert client.call("difference:add_up", {"left": 5, "right": 3}) == 2


@pytest.mark.parametrize(
    ("name", "told"), [("math", "would hide the Python module math"), ("a b/c", "'a b/c' is no name to mount")]
)
def test_a_name_that_is_taken_or_is_none_is_refused(name: str, told: str, service: Any) -> None:
    command = [sys.executable, "-m", "bascule", "mount", "--as", name, "implementations:Shop"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert told in answer.stderr
    with bascule.connect() as client:
        assert client.call("math:gcd", 4, 6) == 2


def test_a_mounted_module_is_reached_from_the_shell(service: Any) -> None:
    command = [sys.executable, "-m", "bascule", "call", "--json", "shop:find_book", "7"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(told.stdout)["title"] == "Zoë"


def test_contracts_are_compared_before_the_first_call(service: Any, tmp_path: Path) -> None:
    changed = SHOP.replace("price   :: Double", "price   :: String").replace("sold    :: Bool", "sold    :: Bool")
    generate(tmp_path, {"Shop": changed}, package="changed")
    generate(tmp_path, {"Shop": SHOP.replace("Paperback |", "Paperback | Loose |")}, package="wider")
    for changed_shop, wider_shop in importing(tmp_path, "changed.shop", "wider.shop"):
        with bascule.connect() as connection:
            with pytest.raises(ContractMismatch, match=r"find_book: result.*price: it was Double and is String"):
                open_client(changed_shop.ShopModule, connection)
            # A member that only this client knows can't come from that server.
            assert open_client(wider_shop.ShopModule, connection).find_book(7).id == 7


def test_a_declared_error_arrives_as_what_it_is(service: Any, made: tuple[Any, ...]) -> None:
    plus, other = made[1], made[1]._made_other
    value = everything(plus, other)
    with bascule.connect() as connection:
        client = open_client(plus.PlusModule, connection)
        assert client.find(value) == value.shape
        with pytest.raises(plus._wire.Raised) as caught:
            client.find(dataclasses.replace(value, limit=0))
        assert caught.value.raised == plus.Missing("a limit")
        with pytest.raises(plus._wire.Raised) as caught:
            list(client.watch(-1))
        assert caught.value.raised == plus.Missing("a count")
