"""The pod's door, without a router: what a client says becomes requests, what workers answer becomes replies."""

from __future__ import annotations

import argparse
import json
from typing import Any

import bcoding
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.bridge.cli import pod as command
from bascule.bridge.doors import pod_arguments, pod_core, pod_vars
from bascule.bridge.doors.pod import WINDOW, PodDoor
from bascule.bridge.doors.pod_options import PodOptions
from bascule.bridge.errormaps import error_map
from bascule.protocols import bencode, packed
from bascule.protocols.calls import Op, Want, decode_head
from bascule.protocols.envelope import Codec, Flag, Kind
from bascule.protocols.errors import ErrorKind, RemoteProtocolError
from bascule.protocols.tokens import make_token, new_prefix

TOKEN = make_token(new_prefix(), 1, 1, 1)
HANDLE = {"py/handle": TOKEN, "type": "collections.deque"}
MEMBERS = [
    {
        "name": "do_it",
        "kind": "function",
        "doc": 'Does "it".',
        "parameters": [{"name": "the_first", "kind": "positional_or_keyword"}],
    },
    {"name": "Thing", "kind": "class", "doc": None, "parameters": None},
    {"name": "MAX_SIZE", "kind": "constant", "doc": None, "type": "int"},
    {"name": "later", "kind": "lazy", "doc": None},
]
BROKEN = {**error_map(ErrorKind.PYTHON, "no module named nothing"), "class": "ImportError", "traceback": "Traceback"}


class Talk:
    """A door, its client, and the router as far as it matters here."""

    def __init__(self, *exports: tuple[str, str], **options: Any) -> None:
        self.stderr: list[str] = []
        self.door = PodDoor(PodOptions(exports, **options), self.stderr.append)
        self.requests: list[Any] = []
        self.wire = b""
        self.turn()

    def turn(self) -> None:
        self.requests += self.door.take_requests()
        self.wire += self.door.take_output()

    def say(self, **message: Any) -> None:
        self.requests += self.door.receive_data(bencode.encode(message))
        self.turn()

    def answer(self, kind: Kind, id: Any, payload: bytes = b"", flags: int = 0, codec: int = Codec.JSON) -> None:
        written = bencode.encode(id) if isinstance(id, str) else id
        self.wire += b"".join(self.door.encode(kind, codec, flags, written, payload))
        self.turn()

    def offer(self, namespace: str, members: list[dict[str, Any]], error: Any = None) -> None:
        landscape = {"module": "my_mod", "doc": None, "file": None, "members": members, "error": error}
        self.answer(Kind.REPLY, ("landscape", namespace), packed.dumps(landscape), codec=Codec.MSGPACK)

    def asked(self) -> list[Any]:
        requests, self.requests = self.requests, []
        return requests

    def heard(self) -> list[dict[str, Any]]:
        wire, self.wire = self.wire, b""
        return [bcoding.bdecode(frame) for frame in bencode.Framer().receive_data(wire)]


def known(**options: Any) -> Talk:
    """A talk about `my_mod`, whose landscape has come."""
    talk = Talk(("my_mod", "my-mod"), **options)
    talk.offer("my-mod", MEMBERS)
    talk.asked()
    return talk


def call_of(request: Any) -> tuple[Op, str, bytes, bytes, Want]:
    """operation, target, object, arguments, want."""
    kind, codec, _, _, _, content = request
    assert (kind, codec) == (Kind.CALL, Codec.JSON)
    op, want, _, target, token, start = decode_head(content)
    return Op(op), target.decode(), token, content[start:], Want(want)


def invoked(talk: Talk, name: str, args: str | None) -> Any:
    message = {"op": "invoke", "id": "1", "var": name}
    talk.say(**message, **({} if args is None else {"args": args}))
    *_, request = talk.asked()
    return call_of(request)[:4]


# What there is.


def test_modules_are_asked_about_before_the_client_says_anything() -> None:
    talk = Talk(("my_mod", "my-mod"), ("other", "alias"), import_timeout=5.0)
    first, second = talk.asked()
    kind, codec, flags, id, deadline, content = first
    assert (kind, codec, flags, id, deadline) == (Kind.CALL, Codec.MSGPACK, 0, ("landscape", "my-mod"), 5000)
    assert decode_head(content)[0] == Op.LANDSCAPE
    assert decode_head(content)[3] == b"my_mod"
    assert decode_head(second[5])[3] == b"other"
    assert second[4] == 10_000  # it may have to wait for the first


def test_describe_waits_for_all_modules_and_names_the_first_first() -> None:
    talk = Talk(("my_mod", "my-mod"), ("other", "alias"))
    talk.say(op="describe", id="d")
    talk.offer("alias", [])
    assert talk.heard() == []
    talk.offer("my-mod", MEMBERS)
    (reply,) = talk.heard()
    assert (reply["id"], reply["format"], reply["ops"]) == ("d", "json", {"shutdown": {}})
    assert [each["name"] for each in reply["namespaces"]] == ["my-mod", "alias", "py"]
    assert reply["namespaces"][0]["vars"] == [
        {"name": "do-it", "meta": '{:doc "Does \\"it\\"." :arglists ([the-first])}'},
        {"name": "Thing", "meta": "{:py/class true}"},
        {"name": "MAX-SIZE", "meta": '{:doc "The constant MAX_SIZE, of type int." :arglists ([]) :py/type "int"}'},
        {"name": "later"},
    ]
    core = {each["name"] for each in reply["namespaces"][2]["vars"]}
    assert core >= {*pod_core.FUNCTIONS, *pod_core.OF_THE_DOOR, "..", "with-handles"}


def test_without_modules_the_description_is_there_at_once() -> None:
    talk = Talk()
    talk.say(op="describe")
    (reply,) = talk.heard()
    assert [each["name"] for each in reply["namespaces"]] == ["py"]
    assert "id" not in reply


def test_imported_names_are_asked_for_when_wanted() -> None:
    (request,) = Talk(("my_mod", "my-mod"), imports=True).asked()
    assert packed.loads(request[5][decode_head(request[5])[5] :]) == [[{"imports": True, "unless_installed": True}]]


def test_a_namespace_that_the_jvm_would_ask_for_by_another_name_is_not_left_for_later() -> None:
    """There `(require 'my_mod)` becomes my_mod.clj, and that the namespace my-mod, which no pod has."""

    def wanted(request: Any) -> Any:
        return packed.loads(request[5][decode_head(request[5])[5] :])[0][0]

    talk = Talk(("my_mod", "my_mod"), ("other", "other"))
    talk.say(op="describe", id="d")
    talk.asked()
    for namespace in ("my_mod", "other"):
        talk.answer(Kind.REPLY, ("landscape", namespace), packed.dumps({"installed": True}), codec=Codec.MSGPACK)
    (request,) = talk.asked()
    assert wanted(request) == {"from_source": True}
    assert talk.heard() == []
    talk.offer("my_mod", MEMBERS)
    (reply,) = talk.heard()
    one, other, _core = reply["namespaces"]
    assert (one["name"], len(one["vars"]), "defer" in one) == ("my_mod", len(MEMBERS), False)
    assert other == {"name": "other", "vars": [], "defer": "true"}
    (request,) = Talk(("my_mod", "my_mod"), ("other", "other"), defer=True).asked()
    assert wanted(request) == {"from_source": True}


def test_a_broken_module_is_described_with_a_warning_and_raises_when_called() -> None:
    talk = Talk(("my_mod", "my-mod"), ("other", "other"))
    talk.say(op="describe", id="d")
    talk.offer("other", MEMBERS[:1])
    talk.offer("my-mod", [{"name": "f", "kind": "function", "doc": None, "parameters": None}], BROKEN)
    (reply,) = talk.heard()
    first, error = reply["namespaces"][0]["vars"]
    assert first == {"name": "f"}
    assert error["name"] == "import-error"
    assert "no module named nothing" in error["meta"]
    assert "my_mod can't be imported: ImportError: no module named nothing\nTraceback" in talk.stderr[0]
    assert not talk.door.closing
    talk.say(op="invoke", id="1", var="my-mod/import-error", args="null")
    (reply,) = talk.heard()
    assert reply["ex-message"] == "ImportError: no module named nothing"
    assert json.loads(reply["ex-data"])["kind"] == "python"
    assert reply["status"] == ["done", "error"]
    assert invoked(talk, "my-mod/f", "[1]") == (Op.CALL, "my_mod:f", b"", b"[[1]]")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Kind.ERROR, packed.dumps(error_map(ErrorKind.WORKER_LOST, "the worker died of SIGSEGV"))),
        (Kind.ERROR, b""),
        (Kind.ERROR, packed.dumps([1])),
        (Kind.REPLY, b"\xc1"),
        (Kind.REPLY, packed.dumps(None)),
        (Kind.REPLY, packed.dumps({"members": [{}], "error": None})),
        (Kind.REPLY, packed.dumps({"members": [{"name": "a" * 10_000, "kind": "function"}], "error": None})),
        (Kind.REPLY, packed.dumps({"members": [1], "error": 1})),
    ],
)
def test_an_import_that_kills_its_worker_or_an_answer_that_is_none_hangs_nobody(kind: Kind, content: bytes) -> None:
    talk = Talk(("my_mod", "my-mod"))
    talk.say(op="describe", id="d")
    talk.answer(kind, ("landscape", "my-mod"), content, codec=Codec.MSGPACK)
    (reply,) = talk.heard()
    assert reply["namespaces"][0]["vars"][-1]["name"] == "import-error"
    assert "my_mod" in talk.stderr[0]


def test_a_strict_pod_ends_when_a_module_is_broken() -> None:
    talk = Talk(("my_mod", "my-mod"), strict=True)
    talk.say(op="describe", id="d")
    talk.offer("my-mod", [], BROKEN)
    assert talk.door.closing
    assert talk.door.exit_status == 1
    assert talk.heard() == []
    assert "can't be imported" in talk.stderr[0]


def test_a_client_that_remembers_the_description_is_served_once_the_module_is_known() -> None:
    talk = Talk(("my_mod", "my-mod"))
    talk.asked()
    talk.say(op="invoke", id="1", var="my-mod/do-it", args="[1]")
    talk.say(op="invoke", id="2", var="my-mod/MAX-SIZE")
    talk.say(op="invoke", id="3", var="my-mod/nothing", args="[]")
    talk.say(op="load-ns", id="4", ns="my-mod")
    assert talk.asked() == []
    talk.offer("my-mod", MEMBERS)
    first, second = talk.asked()
    assert call_of(first)[:2] == (Op.CALL, "my_mod:do_it")
    assert call_of(second) == (Op.CONST, "my_mod:MAX_SIZE", b"", b"", Want.AUTO)
    refused, loaded = talk.heard()
    assert (refused["id"], refused["status"]) == ("3", ["done", "error"])
    assert loaded["id"] == "4"
    assert loaded["name"] == "my-mod"
    assert len(loaded["vars"]) == len(MEMBERS)


def test_deferred_modules_are_described_at_once_and_asked_about_when_needed() -> None:
    talk = Talk(("my_mod", "my-mod"), ("other", "other"), defer=True)
    talk.say(op="describe", id="d")
    (reply,) = talk.heard()
    assert reply["namespaces"][:2] == [
        {"name": "my-mod", "vars": [], "defer": "true"},
        {"name": "other", "vars": [], "defer": "true"},
    ]
    assert reply["ops"] == {"shutdown": {}, "load-ns": {}}
    assert talk.asked() == []
    talk.say(op="load-ns", id="1", ns="my-mod")
    talk.say(op="load-ns", id="2", ns="my-mod")
    (request,) = talk.asked()
    assert request[3] == ("landscape", "my-mod")
    talk.offer("my-mod", MEMBERS)
    assert [(each["id"], each["name"], each["status"]) for each in talk.heard()] == [
        ("1", "my-mod", ["done"]),
        ("2", "my-mod", ["done"]),
    ]
    talk.say(op="invoke", id="3", var="other/f", args="[]")
    (request,) = talk.asked()
    assert request[3] == ("landscape", "other")


def test_load_ns_is_always_answered_by_a_namespace() -> None:
    talk = known()
    talk.say(op="load-ns", id="1", ns="nothing")
    talk.say(op="load-ns", id="2", ns="py")
    first, second = talk.heard()
    assert (first["name"], first["vars"][0]["name"], first["status"]) == ("nothing", "import-error", ["done"])
    assert len(second["vars"]) > len(pod_core.FUNCTIONS) + len(pod_core.OF_THE_DOOR)


# Calls.


@pytest.mark.parametrize(
    ("args", "payload"),
    [
        (None, b""),
        ("", b""),
        ("null", b""),
        ("nil", b""),
        (" [] ", b""),
        ("[1, 2]", b"[[1, 2]]"),
        ('["ü"]', b'[["\xc3\xbc"]]'),
        ('[1,{"py/kwargs":{"b":2}}]', b'[[1],{"b":2}]'),
        ('[{"py/kwargs": {"b": [1, "]}"]} } ] ', b'[[],{"b": [1, "]}"]} ]'),
        ('[1 , { "py\\/kwargs" : {"b":2}}]', b'[[1 ],{"b":2}]'),
        ('[1,{"py/kwargs":{"the-b":2,"c":"x-y"}}]', b'[[1],{"the_b": 2, "c": "x-y"}]'),
        ('[{"py/kwargs":{}}]', b"[[],{}]"),
        # Data that only looks like keywords.
        ('[{"py/kwargs":{}},1]', b'[[{"py/kwargs":{}},1]]'),
        ('[{"py/kwargs":{},"a":1}]', b'[[{"py/kwargs":{},"a":1}]]'),
        ('[{"a":1,"py/kwargs":{}}]', b'[[{"a":1,"py/kwargs":{}}]]'),
        ('[[{"py/kwargs":{}}]]', b'[[[{"py/kwargs":{}}]]]'),
        ('[{"a":{"py/kwargs":{}}}]', b'[[{"a":{"py/kwargs":{}}}]]'),
        ('[{"a":[1,{"py/kwargs":{}}]}]', b'[[{"a":[1,{"py/kwargs":{}}]}]]'),
        ('["{\\"py/kwargs\\":{}}"]', b'[["{\\"py/kwargs\\":{}}"]]'),
        ('["py/kwargs"]', b'[["py/kwargs"]]'),
    ],
)
def test_arguments_are_passed_on_as_they_came(args: str | None, payload: bytes) -> None:
    found = invoked(known(), "my-mod/do-it", args)
    assert found[:3] == (Op.CALL, "my_mod:do_it", b"")
    assert found[3] == payload or json.loads(found[3]) == json.loads(payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("py/kwargs"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("py/kwargs"), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=4), st.sampled_from([None, 2]), st.booleans())
def test_keywords_are_told_from_data_in_any_json(values: list[Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    last = values[-1] if values else None
    is_keywords = isinstance(last, dict) and list(last) == ["py/kwargs"]
    try:
        positional, keywords = pod_arguments.split(text)
    except pod_arguments.BadArguments:
        assert is_keywords
        assert not isinstance(last["py/kwargs"], dict)
        return
    content = pod_arguments.payload(positional, keywords)
    read = json.loads(content.decode("utf-8", "surrogatepass")) if content else [[]]
    if is_keywords:
        assert read == [values[:-1], {key.replace("-", "_"): each for key, each in last["py/kwargs"].items()}]
    else:
        assert read == [values]


def test_classes_are_instantiated_constants_read_and_lazy_names_used() -> None:
    talk = known()
    assert invoked(talk, "my-mod/Thing", "[1]") == (Op.INIT, "my_mod:Thing", b"", b"[[1]]")
    talk.answer(Kind.REPLY, "1", b"null")
    assert invoked(talk, "my-mod/later", "null") == (Op.USE, "my_mod:later", b"", b"")


H = json.dumps(HANDLE)


@pytest.mark.parametrize(
    ("name", "args", "op", "target", "with_object", "payload"),
    [
        ("call", '["math:pow",2,16]', Op.CALL, "math:pow", False, [[2, 16]]),
        ("call", '["math:pow"]', Op.CALL, "math:pow", False, None),
        ("call", f'["f:g", {H}, {{"py/kwargs":{{"a-b":1}}}}]', Op.CALL, "f:g", False, [[HANDLE], {"a_b": 1}]),
        ("ref", '["builtins:list",[1]]', Op.CALL, "builtins:list", False, [[[1]]]),
        ("init", '["collections:deque",[1]]', Op.INIT, "collections:deque", False, [[[1]]]),
        ("const", '["math:pi"]', Op.CONST, "math:pi", False, None),
        ("const", '["math:pi","int"]', Op.CONST, "math:pi", False, [["int"]]),
        ("method", f'[{H},"append-left",1]', Op.METHOD, "append_left", True, [[1]]),
        ("method", '["abc","upper"]', Op.METHOD, "upper", False, [["abc"]]),
        ("method", '[[3,{"a":"]"}],"index",3]', Op.METHOD, "index", False, [[[3, {"a": "]"}], 3]]),
        ("attr", f'[{H},"maxlen"]', Op.GETATTR, "maxlen", True, None),
        ("attr", '[1.5,"real"]', Op.GETATTR, "real", False, [[1.5]]),
        ("set-attr", f'[{H},"x",[1]]', Op.SETATTR, "x", True, [[[1]]]),
        ("del-attr", f'[{H},"x"]', Op.DELATTR, "x", True, None),
        ("op", f'["add",{H},{H}]', Op.OPERATOR, "add", True, [[HANDLE]]),
        ("op", '["add",1,2]', Op.OPERATOR, "add", False, [[1, 2]]),
        ("op", '["not-",true]', Op.OPERATOR, "not_", False, [[True]]),
        (
            "builtin",
            '["sorted",[2,1],{"py/kwargs":{"reverse":true}}]',
            Op.BUILTIN,
            "sorted",
            False,
            [[[2, 1]], {"reverse": True}],
        ),
        ("builtin", f'["len",{H}]', Op.BUILTIN, "len", True, None),
        ("repr", f"[{H}]", Op.BUILTIN, "repr", True, None),
        ("len", "[[1,2]]", Op.BUILTIN, "len", False, [[[1, 2]]]),
        ("dir", f"[ {H} ]", Op.BUILTIN, "dir", True, None),
        ("next", f"[{H},null]", Op.BUILTIN, "next", True, [[None]]),
        ("get-item", f'[{H},"k"]', Op.OPERATOR, "getitem", True, [["k"]]),
        ("get-item", '[{"a":1},"a"]', Op.OPERATOR, "getitem", False, [[{"a": 1}, "a"]]),
        ("describe", f"[{H}]", Op.DESCRIBE, "", True, None),
        ("str", '[{"py/handle":"short"}]', Op.BUILTIN, "str", False, [[{"py/handle": "short"}]]),
        ("str", f'[{{"type":"x","py\\/handle":"{TOKEN}"}}]', Op.BUILTIN, "str", True, None),
        ("len", '["é😀"]', Op.BUILTIN, "len", False, [["é😀"]]),
    ],
    ids=lambda part: part.replace(TOKEN, "TOKEN") if isinstance(part, str) else None,
)
def test_the_namespace_py_does_everything(
    name: str, args: str, op: Op, target: str, with_object: bool, payload: Any
) -> None:
    found = invoked(known(), f"py/{name}", args)
    assert found[:3] == (op, target, TOKEN.encode() if with_object else b"")
    assert (json.loads(found[3]) if found[3] else None) == payload


def test_ref_wants_a_handle_and_all_else_what_suits() -> None:
    talk = known()
    talk.say(op="invoke", id="1", var="py/ref", args='["builtins:list"]')
    talk.say(op="invoke", id="2", var="py/call", args='["builtins:list"]')
    first, second = talk.asked()
    assert (call_of(first)[4], call_of(second)[4]) == (Want.HANDLE, Want.AUTO)


def test_the_core_namespace_can_have_another_name() -> None:
    talk = known(core_namespace="py2")
    assert invoked(talk, "py2/len", "[[]]")[:2] == (Op.BUILTIN, "len")
    talk.say(op="invoke", id="2", var="py/len", args="[[]]")
    (reply,) = talk.heard()
    assert "this pod has no namespace 'py'; it has: my-mod, py2" in reply["ex-message"]


def test_release_is_answered_by_the_door() -> None:
    talk = known()
    talk.say(op="invoke", id="1", var="py/release", args=f"[{H},{H}]")
    (request,) = talk.asked()
    assert (request[0], request[5]) == (Kind.RELEASE, TOKEN.encode() * 2)
    assert talk.heard() == [{"id": "1", "value": "null", "status": ["done"]}]
    talk.say(op="invoke", id="2", var="py/release", args="null")
    assert talk.asked() == []
    assert talk.heard()[0]["status"] == ["done"]


@pytest.mark.parametrize(
    ("name", "args", "kind", "why"),
    [
        ("nothing/f", "[]", "not_found", "this pod has no namespace 'nothing'; it has: my-mod, py"),
        ("nothing", "[]", "not_found", "no namespace 'nothing'"),
        ("", "[]", "not_found", "no namespace ''"),
        ("my-mod/do_it", "[]", "not_found", "no var 'do_it'; there is: do-it"),
        ("my-mod/import-error", "[]", "not_found", "no var"),
        ("my-mod/", "[]", "not_found", "no var ''"),
        ("py/cal", "[]", "not_found", "no var 'cal'; there is: call"),
        ("py/qqq", "[]", "not_found", "no var 'qqq'; there is: attr, builtin, call"),
        ("my-mod/do-it", "{}", "bad_arguments", "a JSON array"),
        ("my-mod/do-it", "[1", "bad_arguments", "a JSON array"),
        ("my-mod/do-it", '"kwargs"', "bad_arguments", "a JSON array"),
        ("my-mod/do-it", '[{"py/kwargs":1}]', "bad_arguments", "must hold a map"),
        ("py/call", "[]", "bad_arguments", "the target"),
        ("py/call", "[1]", "bad_arguments", "must be text"),
        ("py/call", "[nonsense]", "bad_arguments", "is no JSON"),
        ("py/call", '["a:b" 1]', "bad_arguments", "stands a comma"),
        ("py/call", json.dumps(["m:" + "x" * 5000]), "bad_arguments", "over the limit"),
        ("py/call", json.dumps(["m:" + "x" * 100_000]), "bad_arguments", "longer than"),
        ("py/method", "null", "bad_arguments", "the object is missing"),
        ("py/method", f"[{H}]", "bad_arguments", "the name is missing"),
        ("py/method", json.dumps(["x" * 100_000, "upper"]), "bad_arguments", "make a large object in Python first"),
        ("py/method", "[" * 40_000 + "]" * 40_000, "bad_arguments", "JSON"),
        ("py/len", "[]", "bad_arguments", "the object is missing"),
        ("py/release", "[1]", "bad_arguments", "argument 1 is no handle"),
        ("py/stream", "[]", "bad_arguments", "the target"),
        ("py/within", '["math:pow", 1, 2]', "bad_arguments", "must be a number"),
        ("py/within", '[0, "math:pow"]', "bad_arguments", "above 0"),
        ("py/-keyed", '["key"]', "bad_arguments", "the var"),
        ("py/-cancel", "[1]", "bad_arguments", "must be text"),
        ("py/scatter", '["math:pow"]', "bad_arguments", "what to go over"),
        ("py/scatter", '["math:pow", [1], {"chunks": 1}]', "bad_arguments", "the options are"),
        ("py/scatter", '["math:pow", [1], {"chunk": 0}]', "bad_arguments", "chunk is a number"),
        ("py/scatter", '["math:pow", [1], {"timeout": 0}]', "bad_arguments", "timeout is a number"),
        ("py/scatter", '["math:pow", [1], {"errors": "no"}]', "bad_arguments", "errors is"),
        ("py/scatter", '["math:pow", [1], {"star": true}]', "bad_arguments", "with star"),
        ("py/pmap", "[1]", "bad_arguments", "the target"),
        ("py/reduce", "[]", "bad_arguments", "the target"),
        ("py/reduce", '["operator:add"]', "bad_arguments", "what to go over"),
        ("py/reduce", '["operator:add", []]', "bad_arguments", "nothing to reduce"),
        ("py/reduce", '["operator:add", [1], {"each": 1}]', "bad_arguments", "each is the name"),
        ("py/reduce", '["operator:add", [1], {}, 1]', "bad_arguments", "stand options, not 2 values"),
        ("py/everywhere", "[1]", "bad_arguments", "the target"),
        ("py/everywhere", '["os:getpid", 1]', "bad_arguments", "what it is called with"),
        ("py/everywhere", '["os:getpid", [], {"copies": 0}]', "bad_arguments", "copies is a number"),
    ],
)
def test_a_bad_call_is_answered_with_an_error_that_says_why(name: str, args: str, kind: str, why: str) -> None:
    talk = known()
    talk.say(op="invoke", id="1", var=name, args=args)
    assert talk.asked() == []
    (reply,) = talk.heard()
    assert reply["id"] == "1"
    assert reply["status"] == ["done", "error"]
    assert why in reply["ex-message"]
    assert json.loads(reply["ex-data"])["kind"] == kind


@given(
    st.text(max_size=40) | st.binary(max_size=40),
    st.sampled_from(["my-mod/do-it", *[f"py/{x}" for x in pod_core.FUNCTIONS]]),
)
def test_any_arguments_are_a_request_or_an_error_reply(args: str | bytes, name: str) -> None:
    talk = known()
    raw = args if isinstance(args, bytes) else args.encode("utf-8", "replace")
    talk.say(op="invoke", id="1", var=name, args=raw)
    assert len(talk.heard()) + len([each for each in talk.asked() if each[0] == Kind.CALL]) == 1


# Answers.


def test_results_output_and_errors_reach_the_call_they_belong_to() -> None:
    talk = known()
    talk.say(op="invoke", id="1", var="my-mod/do-it", args="[]")
    talk.answer(Kind.OUTPUT, "1", b"hello\n")
    talk.answer(Kind.OUTPUT, "1", b"oh\n", Flag.ERR)
    talk.answer(Kind.REPLY, "1", b'{"a": 1}')
    assert talk.heard() == [
        {"id": "1", "out": "hello"},
        {"id": "1", "err": "oh"},
        {"id": "1", "value": '{"a": 1}', "status": ["done"]},
    ]
    assert talk.stderr == []


def test_large_answers_that_come_as_bytearrays_are_answers_too() -> None:
    talk = Talk(("my_mod", "my-mod"))
    landscape = {"module": "my_mod", "doc": None, "file": None, "members": MEMBERS, "error": None}
    answer: Any = bytearray(packed.dumps(landscape))
    talk.answer(Kind.REPLY, ("landscape", "my-mod"), answer, codec=Codec.MSGPACK)
    error = error_map(ErrorKind.PYTHON, "x" * 300_000)
    replies: list[tuple[Kind, bytes]] = [
        (Kind.OUTPUT, b"hello\n"),
        (Kind.ITEM, b"1"),
        (Kind.REPLY, b"[%s]" % (b"1," * 300_000 + b"1")),
        (Kind.ERROR, json.dumps(error).encode()),
    ]
    for number, (kind, content) in enumerate(replies):
        talk.say(op="invoke", id=str(number), var="my-mod/do-it", args="[]")
        large: Any = bytearray(content)
        talk.answer(kind, str(number), large)
    said, item, value, failed = talk.heard()
    assert (said["out"], item["value"], len(value["value"])) == ("hello", "1", 600_003)
    assert json.loads(failed["ex-data"]) == error


def test_output_of_no_call_goes_to_stderr_and_never_to_the_client() -> None:
    talk = Talk(("my_mod", "my-mod"))
    talk.say(op="invoke", id=0, var="py/len", args="[[]]")
    talk.answer(Kind.OUTPUT, 0, b"from a thread \xff\n")
    talk.answer(Kind.OUTPUT, ("landscape", "my-mod"), b"while importing\n")
    talk.answer(Kind.OUTPUT, "gone", b"late\n", Flag.ERR)
    assert talk.heard() == []
    assert talk.stderr == ["from a thread \ufffd\n", "while importing\n", "late\n"]


def test_an_error_is_told_with_its_class_and_the_whole_map_as_data() -> None:
    talk = known()
    error = {**error_map(ErrorKind.PYTHON, "no such thing"), "class": "KeyError", "cause": {"class": "OSError"}}
    talk.say(op="invoke", id="1", var="my-mod/do-it", args="[]")
    talk.answer(Kind.ERROR, "1", json.dumps(error).encode())
    (reply,) = talk.heard()
    assert reply["ex-message"] == "KeyError: no such thing"
    assert json.loads(reply["ex-data"]) == error
    assert reply["status"] == ["done", "error"]


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{", b"\xff", b'{"a": NaN}', b'{"a": 1} x', b"[" * 100_000, '{"a": 1}'.encode("utf-16")],
)
def test_an_error_that_is_no_json_map_still_ends_the_call_with_one(content: bytes) -> None:
    talk = known()
    talk.say(op="invoke", id="1", var="my-mod/do-it", args="[]")
    talk.answer(Kind.ERROR, "1", content)
    (reply,) = talk.heard()
    assert isinstance(json.loads(reply["ex-data"]), dict)
    assert reply["status"] == ["done", "error"]


def test_ex_data_is_ascii_whatever_the_error_says() -> None:
    talk = known()
    talk.say(op="invoke", id="1", var="my-mod/do-it", args="[]")
    talk.answer(Kind.ERROR, "1", ' {"message": "ü"} '.encode())
    (reply,) = talk.heard()
    assert reply["ex-data"].isascii()
    assert reply["ex-message"] == "ü"


def test_a_stream_is_values_and_then_done_with_credit_as_they_are_written() -> None:
    talk = known()
    talk.say(op="invoke", id="1", var="py/stream", args='["my_mod:count_up",3]')
    call, credit = talk.asked()
    assert call[2] == Flag.STREAM
    assert call_of(call)[:4] == (Op.CALL, "my_mod:count_up", b"", b"[[3]]")
    assert (credit[0], credit[3], credit[5]) == (Kind.CREDIT, b"1:1", WINDOW.to_bytes(4, "little"))
    granted = WINDOW
    for item in range(3 * WINDOW):
        talk.answer(Kind.ITEM, "1", b"%d" % item)
        granted += sum(int.from_bytes(each[5], "little") for each in talk.asked())
        assert 0 < granted - (item + 1) <= WINDOW
    talk.answer(Kind.END, "1")
    *items, end = talk.heard()
    assert [each["value"] for each in items] == [str(item) for item in range(3 * WINDOW)]
    assert all("status" not in each for each in items)
    assert end == {"id": "1", "status": ["done"]}


def test_a_handle_is_streamed_by_iterating_it() -> None:
    talk = known()
    talk.say(op="invoke", id="1", var="py/stream", args=f"[{H}]")
    call, _ = talk.asked()
    assert call_of(call)[:4] == (Op.ITERATE, "", TOKEN.encode(), b"")
    talk.answer(Kind.ERROR, "1", json.dumps(error_map(ErrorKind.HANDLE_LOST, "lost")).encode())
    assert talk.heard()[0]["status"] == ["done", "error"]


# The end.


def test_shutdown_answers_what_is_open_and_closes() -> None:
    talk = known()
    talk.say(op="invoke", id="1", var="my-mod/do-it", args="[]")
    talk.say(op="shutdown", id="2")
    first, second = talk.heard()
    assert (first["id"], first["status"]) == ("1", ["done", "error"])
    assert json.loads(first["ex-data"])["kind"] == "shutting_down"
    assert second == {"id": "2", "status": ["done"]}
    assert talk.door.closing
    assert talk.door.exit_status == 0
    talk.answer(Kind.REPLY, "1", b"1")
    assert talk.heard() == []


def test_rubbish_ends_the_pod_and_its_calls_are_told() -> None:
    talk = known()
    talk.say(op="invoke", id="1", var="my-mod/do-it", args="[]")
    with pytest.raises(RemoteProtocolError):
        talk.door.receive_data(b"rubbish")
    talk.turn()
    (reply,) = talk.heard()
    assert (reply["id"], reply["status"]) == ("1", ["done", "error"])
    assert talk.door.exit_status == 1
    assert "can't be understood" in talk.stderr[0]


def test_a_message_that_nobody_can_be_answered_for_is_reported() -> None:
    talk = known()
    talk.say(op="invoke", var="my-mod/do-it", args="[]")
    assert talk.heard() == []
    assert talk.asked() == []
    assert "without a usable id" in talk.stderr[0]


def test_input_that_ends_within_a_message_is_reported() -> None:
    talk = known()
    talk.door.receive_data(b"d2:op")
    assert talk.door.receive_eof() == []
    assert "in the middle of a message" in talk.stderr[0]


# Names and metadata.


@given(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True))
def test_a_name_in_clojures_spelling_leads_back_to_one_python_name(name: str) -> None:
    assert pod_vars.kebab(name).replace("-", "_") == name


@given(st.text())
def test_docstrings_are_escaped_so_that_they_read_back(text: str) -> None:
    written = pod_vars.edn_text(text)
    assert written.isascii()
    assert json.loads(written) == text


def test_argument_lists_show_arities_optionals_and_keywords() -> None:
    def one(name: str, kind: str = "positional_or_keyword", **more: str) -> dict[str, str]:
        return {"name": name, "kind": kind, **more}

    assert pod_vars.arglists([]) == ["[]"]
    assert pod_vars.arglists(None) is None
    assert pod_vars.arglists([one("a_b"), one("c", default="1")]) == ["[a-b]", "[a-b c]"]
    assert pod_vars.arglists([one("a"), one("more", "var_positional")]) == ["[a & more]"]
    many = [one(name, default="0") for name in "abcde"]
    assert pod_vars.arglists([one("x"), *many]) == ["[x & [a b c d e]]"]
    keywords = [one("a"), one("sep", "keyword_only"), one("rest", "var_keyword")]
    assert pod_vars.arglists(keywords) == ["[a]", "[a {:py/kwargs {:keys [sep ...]}}]"]


# The command line.


def read(*arguments: str) -> PodOptions:
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    return command.pod_options(parser.parse_args(["pod", *arguments]))


def test_the_command_line_becomes_options() -> None:
    options = read("my_pkg.sub_mod", "json=my.json", "--workers", "3", "--python", "/usr/bin/python3", "--path", "/a")
    assert options.exports == (("my_pkg.sub_mod", "my-pkg.sub-mod"), ("json", "my.json"))
    assert (options.workers, options.python, options.paths) == (3, "/usr/bin/python3", ("/a",))
    assert read().exports == ()
    assert len(read().paths) == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["my-mod"], "'my-mod' is no module's name"),
        (["src/tool.py"], "src/tool.py: there is no such file"),
        (["json", "--eager", "--defer"], "are opposites"),
        (["json", "--config", "nowhere.toml"], "nowhere.toml: No such file"),
        ([""], "no module's name"),
        (["json", "os=json"], "json and os would both be the namespace 'json'"),
        (["json=a b"], "no name of a Clojure namespace"),
        (["json="], "no name of a Clojure namespace"),
        (["json=py"], "'py' is taken"),
        (["json", "--py-namespace", "a/b"], "no name of a Clojure namespace"),
    ],
)
def test_a_wrong_command_line_is_refused_with_the_remedy(arguments: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(*arguments)
