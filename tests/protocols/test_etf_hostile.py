"""What a peer can do to the term reader: any bytes are a value or a RemoteProtocolError, in bounded memory and time."""

from __future__ import annotations

import contextlib
import datetime
import random
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bascule.protocols import etf
from bascule.protocols.calls import Style
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.limits import MAX_BIGNUM, MAX_DEPTH, MAX_ELEMENTS, MAX_INFLATED
from bascule.protocols.tokens import Handle, make_token, new_prefix

NODE = b"w\x03n@h"
STYLES = [Style(0), Style.BINARY_AS_BYTES | Style.DICT_AS_MAP]

# One term with something of everything in it.
EVERYTHING = etf.dumps(
    [
        {"a": 1, b"b": -70_000, 3: 1 << 70, 4.5: 1 << 2100},
        (None, True, 2.5, "text", "длинный" * 10, b"bytes", etf.Atom("é"), (), [], {}),
        [*range(20)],
        [*range(300, 330)],
        [index + 0.5 for index in range(20)],
        etf.ImproperList([1, (2, 3)], etf.Atom("tail")),
        etf.BitString(b"ab", 3),
        datetime.datetime(2020, 1, 2),
        {"dict": {"in": "dict"}},
        Handle(make_token(new_prefix(), 1, 1, 1), "object"),
        etf.Opaque(b"X" + NODE + b"\0" * 12),
        etf.Opaque(b"Z\0\2" + NODE + b"\0" * 12),
        etf.Opaque(b"qw\5listsw\3mapa\2"),
        etf.Opaque(
            b"p\0\0\0\x3e\1" + b"u" * 16 + b"\0" * 7 + b"\1w\1ma\1b\1\2\3\4g" + NODE + b"\0" * 9 + b"h\2a\1t\0\0\0\0"
        ),
        etf.Opaque(b"u\0\0\0\1g" + NODE + b"\0" * 9 + b"w\1ma\1a\2l\0\0\0\1a\1j"),
        tuple(range(300)),
    ],
    style=Style.DICT_AS_MAP,
)


def counted(tag: bytes, count: int) -> bytes:
    return b"\x83" + tag + struct.pack(">I", count)


def refused(data: bytes, why: str | None = None) -> None:
    for style in STYLES:
        with pytest.raises(RemoteProtocolError, match=why):
            etf.loads(data, style=style)


@given(st.binary(max_size=100))
@example(b"")
@example(b"\x83")
def test_any_bytes_are_a_term_or_refused(data: bytes) -> None:
    for candidate in (data, b"\x83" + data):
        for style in STYLES:
            with contextlib.suppress(RemoteProtocolError):
                etf.loads(candidate, style=style)


@given(st.lists(st.sampled_from([*map(bytes, zip(b"adghijklmnopqrstuvwxyzFMPXYZcefb")), b"\0", b"\1", b"\2", b"\x83"])))
def test_any_tags_are_a_term_or_refused(tags: list[bytes]) -> None:
    with contextlib.suppress(RemoteProtocolError):
        etf.loads(b"\x83" + b"".join(tags))


def test_a_term_that_is_cut_off_anywhere_is_refused() -> None:
    etf.loads(EVERYTHING)
    for length in range(len(EVERYTHING)):
        refused(EVERYTHING[:length])


def test_a_term_with_anything_behind_it_is_refused() -> None:
    refused(EVERYTHING + b"a", "but 1 more follow")
    refused(EVERYTHING + EVERYTHING)


def test_a_term_with_any_byte_changed_is_a_term_or_refused(soak_factor: int) -> None:
    pick = random.Random(1)
    for at in range(len(EVERYTHING)):
        for _ in range(4 * soak_factor):
            changed = bytearray(EVERYTHING)
            changed[at] = pick.choice((0, 1, 255, pick.randrange(256)))
            with contextlib.suppress(RemoteProtocolError):
                value = etf.loads(bytes(changed), style=pick.choice(STYLES))
                assert value is not None


@pytest.mark.parametrize(
    "shell", [b"l\0\0\0\1", b"h\1", b"i\0\0\0\1", b"t\0\0\0\1a\1", b"t\0\0\0\1", b"l\0\0\0\1a\1h\1"]
)
@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 100_000])
def test_a_term_nested_too_deep_is_refused(shell: bytes, depth: int) -> None:
    refused(b"\x83" + shell * depth + b"j" * (depth + 1), "deeper than the limit")


@pytest.mark.parametrize(
    ("opening", "closing"), [(b"l\0\0\0\1", b"j"), (b"h\1", b""), (b"t\0\0\0\1a\1", b""), (b"t\0\0\0\1", b"a\1")]
)
def test_a_term_nested_as_deep_as_allowed_is_a_value(opening: bytes, closing: bytes) -> None:
    term = b"\x83" + opening * MAX_DEPTH + b"a\1" + closing * MAX_DEPTH
    assert etf.dumps(etf.loads(term), style=Style.DICT_AS_MAP) == term


def test_a_value_nested_too_deep_is_refused_on_the_way_out() -> None:
    value: object = ()
    for _ in range(MAX_DEPTH * 2):
        value = [value]
    with pytest.raises(ValueError, match="nested deeper"):
        etf.dumps(value)


def test_a_deep_fun_is_kept_without_recursion() -> None:
    head = b"p\0\0\0\0\1" + b"u" * 16 + b"\0" * 7 + b"\1w\1ma\1a\2g" + NODE + b"\0" * 9
    fun = head + b"h\1" * 100_000 + b"a\1"
    assert etf.dumps(etf.loads(b"\x83" + fun)) == b"\x83" + fun


@pytest.mark.parametrize("tag", [b"l", b"i", b"t", b"m", b"o", b"M", b"p", b"u", b"P"])
@pytest.mark.parametrize("count", [1, 1000, MAX_ELEMENTS, MAX_ELEMENTS + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_claim_without_the_bytes_for_it_is_refused_at_once(tag: bytes, count: int) -> None:
    tracemalloc.start()
    try:
        refused(counted(tag, count) + b"b\0\0\0\0" * 9)
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("tag", [b"k", b"v", b"d", b"Z", b"r"])
def test_a_short_claim_without_the_bytes_for_it_is_refused(tag: bytes) -> None:
    refused(b"\x83" + tag + b"\xff\xff" + NODE)


def test_more_elements_than_allowed_are_refused_even_when_they_are_there() -> None:
    count = MAX_ELEMENTS + 1
    refused(counted(b"l", count) + b"j" * (count + 1), "over the limit")
    refused(counted(b"i", count) + b"j" * count, "over the limit")
    refused(counted(b"l", 1) + b"j" + b"l" + struct.pack(">I", count - 1) + b"j" * count, "over the limit")


def test_an_integer_over_the_limit_is_refused() -> None:
    assert etf.loads(counted(b"o", MAX_BIGNUM) + b"\0" + b"\xff" * MAX_BIGNUM) == (1 << 8 * MAX_BIGNUM) - 1
    refused(counted(b"o", MAX_BIGNUM + 1) + b"\0" + b"\xff" * (MAX_BIGNUM + 1), "over the limit")


def compressed(plain: bytes, claimed: int | None = None) -> bytes:
    return counted(b"P", len(plain) if claimed is None else claimed) + zlib.compress(plain)


@pytest.mark.parametrize(
    "data",
    [
        compressed(b"a\1", claimed=1),
        compressed(b"a\1", claimed=3),
        compressed(b"", claimed=0),
        compressed(b"a\1")[:-1],
        compressed(b"a\1") + b"x",
        compressed(b"a\1a"),
        counted(b"P", 2) + b"no zlib",
        counted(b"P", 2),
        b"\x83P\0\0",
        compressed(compressed(b"a\1")[1:]),
        b"\x83h\1" + compressed(b"a\1")[1:],
        compressed(b"\x83a\1"),
    ],
)
def test_a_compressed_term_that_is_not_what_it_claims_is_refused(data: bytes) -> None:
    refused(data)


def test_a_decompression_bomb_does_not_go_off() -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join([packer.compress(b"\0" * (1 << 20)) for _ in range(64)]) + packer.flush()
    tracemalloc.start()
    try:
        refused(counted(b"P", MAX_INFLATED + 1) + bomb, "over the limit")
        refused(counted(b"P", 1000) + bomb, "not the 1000 bytes")
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("term", "why"),
    [
        (b"F\x7f\xf0" + b"\0" * 6, "infinite or not a number"),
        (b"F\x7f\xf8" + b"\0" * 6, "infinite or not a number"),
        (b"l\0\0\0\x0a" + b"F\xff\xf0\0\0\0\0\0\0" * 10 + b"j", "infinite or not a number"),
        (b"c" + b"nan".ljust(31, b"\0"), "not written as one"),
        (b"c" + b"1_0.0".ljust(31, b"\0"), "not written as one"),
        (b"c" + b" 1.0".ljust(31, b"\0"), "not written as one"),
        (b"c" + b"\0" * 31, "not written as one"),
        (b"c" + b"1.0e999".ljust(31, b"\0"), "infinite or not a number"),
        (b"w\1\xff", "not UTF-8"),
        (b"v\1\0" + b"a" * 256, "256 characters is over the limit of 255"),
        (b"d\1\0" + b"a" * 256, "256 characters is over the limit of 255"),
        (b"R\0", "tag 82"),
        (b"D\0", "tag 68"),
        (b"\xff", "tag 255"),
        (b"h\1y12345678x", "tag 121 .* only stand at the beginning"),
        (b"M\0\0\0\1\x09a", "bits"),
        (b"M\0\0\0\1\0a", "bits"),
        (b"M\0\0\0\0\1", "bits"),
        (b"ga\1" + b"\0" * 9, "should begin an atom"),
        (b"qw\1ma\1a\1", "should begin an atom"),
        (b"qw\1mw\1fb\0\0\0\1", "should begin an arity"),
        (b"u\0\0\0\0a\1w\1ma\1a\1", "should begin the pid of a fun"),
        (b"p" + b"\0" * 29 + b"a\1a\1a\1a\1", "should begin the module of a fun"),
        (b"u\0\0\0\1g" + NODE + b"\0" * 9 + b"w\1ma\1a\2\xff", "tag 255"),
    ],
)
def test_a_term_that_can_not_be_is_refused_with_its_reason(term: bytes, why: str) -> None:
    refused(b"\x83" + term, why)


def test_what_is_no_term_at_all_is_refused() -> None:
    refused(b"{}", "begins with 131, not with 123")
    refused(b"\x83", "1 bytes is cut off")


SHAPES: dict[str, Callable[[int], bytes]] = {
    "lists whose tails are lists": lambda n: b"\x83" + b"l\0\0\0\1a\1" * n + b"j",
    "lists of nothing whose tails are lists": lambda n: b"\x83" + b"l\0\0\0\0" * n + b"j",
    "short runs": lambda n: counted(b"l", 17 * n) + (b"a\1" * 9 + b"b\0\0\0\1" * 8) * n + b"j",
    "runs that end in the first window": lambda n: counted(b"l", 33 * n) + (b"a\1" * 32 + b"j") * n + b"j",
    "atoms never seen": lambda n: counted(b"l", n) + b"".join([b"w\6%06d" % i for i in range(n)]) + b"j",
    "texts never seen": lambda n: counted(b"l", n) + b"".join([b"m\0\0\0\6%06d" % i for i in range(n)]) + b"j",
    "empty containers": lambda n: counted(b"l", n) + b"t\0\0\0\0" * n + b"j",
    "keys that do not hash": lambda n: counted(b"t", n) + b"ja\1" * n,
    "pairs that look like dicts": lambda n: counted(b"l", n) + b"h\2k\0\4dictl\0\0\0\1a\1j" * n + b"j",
    "funs": lambda n: b"\x83u" + struct.pack(">I", n) + b"g" + NODE + b"\0" * 9 + b"w\1ma\1a\2" + b"j" * n,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_costs_more_than_its_bytes(shape: str) -> None:
    # Tenths of a second where time grows with the bytes; anything quadratic would outlast the test run.
    with contextlib.suppress(RemoteProtocolError):
        etf.loads(SHAPES[shape](50_000))


def test_a_hundred_mebibytes_are_copied_once_each_way() -> None:
    data = bytes(100 << 20)
    term = etf.dumps([[data]])
    tracemalloc.start()
    try:
        ((found,),) = etf.loads(term, style=Style.BINARY_AS_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 101 << 20
        assert len(found) == len(data)
        del found
        tracemalloc.reset_peak()
        etf.dumps([[data]])
        assert tracemalloc.get_traced_memory()[1] < 101 << 20
    finally:
        tracemalloc.stop()


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
before = set(sys.modules)  # some site-packages bring what they like
from bascule.protocols import etf
from bascule.protocols.envelope import FrameReader, encode_frame
from bascule.protocols.framing import PacketReader, encode_packet
from bascule.protocols.port import PortConversation
loaded = {{"typing", "dataclasses", "inspect", "json", "asyncio", "traceback", "re", "zlib", "datetime", "zoneinfo"}}
loaded &= set(sys.modules) - before
assert not loaded, loaded
import datetime, collections
value = [1, -5, 1 << 80, 2.5, None, True, b"\\xff", (1, ()), {{"a": 1, (1, 2): [3]}}, [*range(1000)], [0.5] * 20,
         etf.Atom("x"), etf.ImproperList([1], 2), etf.BitString(b"a", 3), etf.Map([(1, 2), (True, 3)]),
         datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc), collections.OrderedDict(x=1)]
for style in (0, 3, 4, 6):
    assert etf.loads(etf.dumps(value, style=style), style=style)[:-1] == value[:-1], style
assert etf.loads({everything!r})
assert FrameReader().receive_data(encode_frame(1, 3, 0, 1, 0, 0, b"x"))[0][-1] == b"x"
assert PacketReader(2).receive_data(b"".join(encode_packet(2, b"x"))) == [b"x"]
PortConversation(1).encode(2, 3, 0, 1, b"x" * 500)
"""


def test_every_python_that_a_worker_may_be_reads_and_writes_the_same(interpreters: dict[tuple[int, int], str]) -> None:
    root = str(Path(__file__).resolve().parents[2])
    for python in {sys.executable, *interpreters.values()}:
        program = PROGRAM.format(root=root, everything=EVERYTHING)
        ran = subprocess.run([python, "-I", "-W", "error", "-c", program], capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, (python, ran.stderr)
