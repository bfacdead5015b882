"""docs/reference/wire.md tells clients in other languages what to send: its bytes are ours."""

from __future__ import annotations

import re
import struct

from wire_page import PAGE, VECTORS

from bascule.protocols import etf, jsonic, packed
from bascule.protocols.calls import Op, Style, Want, encode_call
from bascule.protocols.envelope import Codec, Flag, FrameReader, Kind, encode_frame
from bascule.protocols.errors import ErrorKind
from bascule.protocols.limits import MAX_BEFORE_HELLO, MAX_FRAME, MAX_TARGET
from bascule.protocols.service import ServiceSide, hello, read_welcome, write_message
from bascule.protocols.tokens import TOKEN_LENGTH, Handle

TOKEN = "bsc0123456789abc" + "0001" + "000002" + "00000003" + "n" * 26
MSGPACK, JSON, ETF = Codec.MSGPACK, Codec.JSON, Codec.ETF
ERROR = {
    "kind": "python",
    "class": "ValueError",
    "module": "builtins",
    "message": "math domain error",
    "traceback": None,
    "frames": [],
    "notes": [],
    "cause": None,
    "worker": "default/0.1",
    "call": 7,
    "elapsed_ms": 0.2,
    "details": {},
}
WELCOME = {
    "op": "hello",
    "version": 1,
    "bascule": "0.1.0",
    "session": 1,
    "pools": ["default"],
    "prefix": TOKEN[:16],
    "limits": {"frame": MAX_FRAME, "target": MAX_TARGET},
}


def frame(kind: int, codec: int, call_id: int, payload: bytes = b"", *, flags: int = 0, deadline: int = 0) -> bytes:
    return encode_frame(kind, codec, flags, call_id, 0, deadline, payload)


EXPECTED = {
    "hello": hello(0, client="demo", pool="default"),
    "welcome": frame(Kind.CONTROL, MSGPACK, 0, write_message(WELCOME)),
    "refused": frame(
        Kind.CONTROL, MSGPACK, 0, write_message({"op": "refused", "message": "there is no pool 'x'; there are default"})
    ),
    "call": frame(Kind.CALL, MSGPACK, 1, encode_call(Op.CALL, "math:pow", packed.dumps([[2, 16]]))),
    "reply": frame(Kind.REPLY, MSGPACK, 1, packed.dumps(65536.0)),
    "call-json": frame(
        Kind.CALL,
        JSON,
        2,
        encode_call(Op.CALL, "json:dumps", jsonic.dumps([[[1, 2]], {"indent": 2}])),
        flags=Flag.IDEMPOTENT,
        deadline=1500,
    ),
    "reply-json": frame(Kind.REPLY, JSON, 2, jsonic.dumps("[\n  1,\n  2\n]")),
    "call-etf": frame(Kind.CALL, ETF, 3, encode_call(Op.CALL, "math:pow", etf.dumps([[2, 16]]))),
    "reply-etf": frame(Kind.REPLY, ETF, 3, etf.dumps(65536.0)),
    "map": frame(Kind.CALL, MSGPACK, 9, encode_call(Op.MAP, "operator:add", packed.dumps([[[[1, 2], [3, 4]]]]))),
    "map-reply": frame(Kind.REPLY, MSGPACK, 9, packed.dumps([[3, 7], []])),
    "cancel": frame(Kind.CANCEL, MSGPACK, 8),
    "init": frame(
        Kind.CALL, MSGPACK, 5, encode_call(Op.INIT, "builtins:dict", packed.dumps([[], {"a": 1}]), want=Want.HANDLE)
    ),
    "handle": frame(Kind.REPLY, MSGPACK, 5, packed.dumps(Handle(TOKEN, "dict"))),
    "method": frame(
        Kind.CALL, MSGPACK, 6, encode_call(Op.METHOD, "get", packed.dumps([["a"]]), object_token=TOKEN.encode())
    ),
    "operator": frame(Kind.CALL, MSGPACK, 7, encode_call(Op.OPERATOR, "add", packed.dumps([[1, Handle(TOKEN)]]))),
    "release": frame(Kind.RELEASE, MSGPACK, 0, TOKEN.encode()),
    "stream": frame(
        Kind.CALL, MSGPACK, 8, encode_call(Op.CALL, "itertools:count", packed.dumps([[10]])), flags=Flag.STREAM
    ),
    "hello-callbacks": hello(0, client="demo", pool="default", callbacks=True),
    "callback": frame(Kind.CALLBACK, MSGPACK, 1, struct.pack("<Q", 5) + packed.dumps(["rate", ["EUR"]])),
    "callback-reply": frame(Kind.REPLY, MSGPACK, 5, packed.dumps(1.25)),
    "nested": frame(
        Kind.NESTED, MSGPACK, 2, struct.pack("<Q", 5) + encode_call(Op.CALL, "math:pow", packed.dumps([[2, 16]]))
    ),
    "credit": frame(Kind.CREDIT, MSGPACK, 8, struct.pack("<I", 2)),
    "item": frame(Kind.ITEM, MSGPACK, 8, packed.dumps(10)),
    "end": frame(Kind.END, MSGPACK, 8),
    "output": frame(Kind.OUTPUT, MSGPACK, 1, "späte Warnung\n".encode(), flags=Flag.ERR),
    "error": frame(Kind.ERROR, JSON, 4, jsonic.dumps(ERROR)),
    "status": frame(Kind.CONTROL, MSGPACK, 10, write_message({"op": "status"})),
}


def test_every_block_of_the_page_is_what_we_write() -> None:
    assert VECTORS == EXPECTED


def test_a_service_understands_what_the_page_has_a_client_say() -> None:
    side = ServiceSide()
    said_by_clients = [
        "hello-callbacks",
        "callback-reply",
        "nested",
        "call",
        "call-json",
        "call-etf",
        "map",
        "cancel",
        "init",
        "method",
        "operator",
    ]
    said_by_clients += ["release", "stream", "credit", "status"]
    requests = side.receive_data(b"".join(VECTORS[name] for name in said_by_clients))
    assert len(requests) == len(said_by_clients)
    assert side.take_output() == b""


def test_a_client_understands_the_welcome() -> None:
    ((kind, *_, payload),) = FrameReader().receive_data(VECTORS["welcome"])
    assert read_welcome(kind, payload).session == 1


def test_the_tables_name_everything() -> None:
    rows = set(re.findall(r"^\| (\d+) \| ([A-Z]+) \|", PAGE, re.MULTILINE))
    not_for_clients = {Kind.MISROUTED}
    assert {(str(kind.value), kind.name) for kind in Kind if kind not in not_for_clients} <= rows
    assert {(str(op.value), op.name) for op in Op} <= rows
    assert {(str(flag.value), flag.name) for flag in (Flag.IDEMPOTENT, Flag.CAST, Flag.STREAM)} <= rows
    kinds = set(re.findall(r"^\| `([a-z_]+)` \| [a-z]", PAGE, re.MULTILINE))
    assert {kind.value for kind in ErrorKind} - {"disconnected"} <= kinds


def test_the_numbers_in_the_text_are_the_limits() -> None:
    for number in (MAX_FRAME, MAX_BEFORE_HELLO, MAX_TARGET):
        assert f"{number:,}" in PAGE
    assert f"{TOKEN_LENGTH} bytes each" in PAGE
    assert [style.value for style in Style] == [1, 2, 4]
