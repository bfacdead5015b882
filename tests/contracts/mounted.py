"""Implementations to mount, and a service that offers them over HTTP."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from running_service import READY_WITHIN, Service

from tests.ports import free_port

SHAPES = """\
module Shapes where
data Pair = Pair { left :: Int32, right :: Int32 }
addUp :: Pair -> IO Int32
"""

IMPLEMENTATIONS = '''
import asyncio
import concurrent.futures
import threading
from datetime import datetime
from pathlib import Path

from bascule.bridge.contracts.live.loading import load

import classic.shapes
import other_way.shapes
import made.plus as plus
import made.shop as shop


class Shop(shop.ShopModule):
    """Sells books."""

    def __init__(self):
        self.entered = 0

    def find_book(self, number):
        self.entered += 1
        if number == 13:
            return "no book"
        if number < 0:
            return None
        return book(number)

    async def all_books(self, _unit):
        await asyncio.sleep(0)
        return [book(1), book(2)]


def book(number):
    lines = [shop.Line("ink", 3)]
    return shop.Book(number, "Zoë", 9.5, shop.Binding.HARD_COVER, None, lines, True, datetime(2024, 2, 29))


class Plus(plus.PlusModule):
    def find(self, everything):
        if everything.limit == 0:
            raise plus._wire.Raised(plus.Missing("a limit"))
        return everything.shape

    def look(self, what):
        if what != "here":
            raise plus._wire.Raised(plus.Missing(what))
        return 1

    def watch(self, count):
        if count < 0:
            raise plus._wire.Raised(plus.Missing("a count"))
        for number in range(count):
            tags = {"no end of line:\\u2028 \\x85 \\x0b"} if count == 14 else set()
            yield plus.ShapeCircle("two" if count == 13 and number == 2 else float(number), tags)


class Value(classic.shapes.ShapesModule):
    def add_up(self, pair):
        return pair.left + pair.right


class Meta(classic.shapes.ShapesModule):
    fa = "meta"

    def add_up(self, request):
        meta, pair = request
        assert meta["call_id"] and meta["session"] and meta["worker"]
        assert meta["caller"] == f"session {meta['session']}"
        told = {"said": meta["trace"], "in-time": "no deadline" if meta["deadline"] is None else meta["deadline"] < 50}
        return told, pair.left + pair.right + len(meta["trace"])


class Many(classic.shapes.ShapesModule):
    fa = "list"

    def add_up(self, pairs):
        return [pair.left + pair.right for pair in pairs]


class Future(classic.shapes.ShapesModule):
    def __init__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(1)

    def add_up(self, pair):
        return self.pool.submit(lambda: pair.left + pair.right)


class Awaited(classic.shapes.ShapesModule):
    async def add_up(self, pair):
        await asyncio.sleep(0)
        return pair.left + pair.right


class Continued(classic.shapes.ShapesModule):
    def add_up(self, pair):
        return lambda then: threading.Thread(target=then, args=(pair.left + pair.right,)).start()


contract = load(Path(__file__).with_name("definitions"))


class Loaded(contract.shapes.ShapesModule):
    def add_up(self, pair):
        return pair.left * pair.right


class Plain:
    def add_up(self, pair):
        return pair.left - pair.right
'''


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder for a socket, whose path has at most 107 bytes; for the fixtures of whole modules."""
    folder = Path(tempfile.mkdtemp(prefix="bsc-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


MOUNTED = {"shop": "implementations:Shop", "plus": "implementations:Plus", "meta": "implementations:Meta"}


def serving_http(folder: Path, runtime_folder: Path, mounts: Mapping[str, str] = MOUNTED) -> Iterator[tuple[str, str]]:
    """A service with an HTTP door that mounts some of them: where it is, and the token for it."""
    port = free_port()
    token = secrets.token_urlsafe(32)
    tokens = folder / "tokens"
    tokens.write_text(f"{token}\n")
    tokens.chmod(0o600)
    config = folder / "web.toml"
    rows = "\n".join(f'{name} = "{target}"' for name, target in mounts.items())
    allowed = json.dumps([*(f"{name}:*" for name in mounts), "nowhere:*", "math:*"])
    config.write_text(
        f'[pools.default]\nsize = 1\npaths = ["{folder}"]\n[mount]\n{rows}\n[http]\nlisten = "127.0.0.1:{port}"\n'
        f'token_file = "{tokens}"\nallow = {allowed}\n'
    )
    service = Service(runtime_folder, "--config", str(config))
    deadline = time.monotonic() + READY_WITHIN
    with contextlib.ExitStack() as end:
        end.callback(service.stop)
        while not _answers(port):  # the HTTP door opens after the socket
            assert service.process.poll() is None and time.monotonic() < deadline, service.log()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}", token


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
