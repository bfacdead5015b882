"""Every operation, in a real worker."""

from __future__ import annotations

import datetime
import importlib
import operator
import pickle
import time
from pathlib import Path

import pytest

from bascule.protocols.calls import Op, Style, Want, encode_call
from bascule.protocols.envelope import Codec, Flag, Kind
from bascule.protocols.tokens import Handle
from tests.workers.conftest import PROJECT
from tests.workers.harness import CallError, Worker

# Functions and classes


@pytest.mark.parametrize("target", ["things:add", "things.add", "operator.add", "operator:add"])
def test_a_function_is_called_by_either_spelling_of_its_name(worker: Worker, target: str) -> None:
    assert worker.call(target, 1, 2) == 3


def test_keyword_arguments_arrive(worker: Worker) -> None:
    assert worker.call("things:add", 1, kwargs={"b": 2, "c": 3}) == 6
    assert worker.call("things:echo", kwargs={"a": 1}) == [[], {"a": 1}]
    assert worker.call("things:echo", 1, kwargs={}) == [[1], {}]


@pytest.mark.parametrize("codec", list(Codec))
def test_each_codec_carries_a_call(worker: Worker, codec: Codec) -> None:
    assert worker.call("things:add", 1, codec=codec, kwargs={"b": 2}) == 3
    assert worker.call("things:add", 40, 2, codec=codec) == 42


@pytest.mark.parametrize("tail", [b"", b"null", b"[null]", b"[[]]", b"[[], {}]"])
def test_no_arguments_can_be_said_in_many_ways(worker: Worker, tail: bytes) -> None:
    call_id = worker.new_id()
    worker.send(Kind.CALL, call_id, encode_call(Op.CALL, "things:echo", tail), codec=Codec.JSON)
    assert worker.result(call_id) == [[], {}]


def test_erlang_keywords_may_be_a_proplist(worker: Worker) -> None:
    from bascule.protocols import etf

    tail = etf.dumps([[1], [(etf.Atom("b"), 2), etf.Atom("c")]])
    call_id = worker.new_id()
    worker.send(Kind.CALL, call_id, encode_call(Op.CALL, "things:add", tail), codec=Codec.ETF)
    assert worker.result(call_id) == 4


def test_styles_of_erlang_reach_both_ways(worker: Worker) -> None:
    style = int(Style.STR_AS_BINARY | Style.DICT_AS_MAP)
    assert worker.call("things:same", {"a": b"b"}, codec=Codec.ETF, style=style) == {"a": "b"}
    bare = worker.call("things:same", b"text", codec=Codec.ETF, style=int(Style.BINARY_AS_BYTES))
    assert bare == "text"  # what was bytes in the worker is a binary, which reads as text here


def test_a_class_is_instantiated_and_a_value_stays_a_value(worker: Worker) -> None:
    assert worker.call("datetime:date", 2014, 12, 23, op=Op.INIT) == datetime.date(2014, 12, 23)
    counter = worker.call("things:Counter", 5, op=Op.INIT)
    assert isinstance(counter, Handle)
    assert counter.type_name == "things.Counter"
    assert worker.call("things:Counter.made", want=Want.HANDLE).type_name == "things.Counter"


def test_dotted_names_are_resolved_by_their_longest_importable_prefix(worker: Worker) -> None:
    assert worker.call("os.path.join", "a", "b") == "a/b"
    assert worker.call("datetime.datetime.fromtimestamp", 0.0).year in (1969, 1970)
    assert worker.call("pack.sub.f") == "leaf"
    assert worker.call("pack.sub.leaf.f") == "leaf"
    assert worker.call("pack.twin.helper") == "the module's"
    assert worker.call("pack.twin.method") == "the class's"
    assert worker.call("lazy.made_late") == "late"


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("math:pwo", "did you mean 'pow'"),
        ("math.pwo", "did you mean 'pow'"),
        ("things:Counter.mode", "did you mean 'made'"),
        ("thinks:add", "did you mean 'things'"),
        ("pack.subb.f", "no attribute 'subb'"),
        ("pack.subb:f", "did you mean 'sub'"),
        ("things.inside:f", "not a package"),
        ("lazy:missing", "no attribute 'missing'"),
        ("nothing_here", "no module 'nothing_here'"),
        ("", "is no name"),
        (":", "is no name"),
        ("a..b", "is no name"),
        ("things:PI", "is a float"),
        ("things", "a function in it is called as 'things:NAME'"),
        ("a\0b:c", "is no name"),
    ],
)
def test_what_is_not_there_is_not_found_and_what_comes_close_is_named(worker: Worker, target: str, hint: str) -> None:
    error = worker.error(target)
    assert error["kind"] == "not_found"
    assert hint in error["message"]


@pytest.mark.parametrize(
    ("target", "name", "missing"),
    [
        ("broken_import:f", "ModuleNotFoundError", "a_module_that_is_nowhere"),
        ("pack.broken.f", "ModuleNotFoundError", "a_package_that_is_nowhere"),
        ("raises_at_import.f", "RuntimeError", "at import"),
    ],
)
def test_a_module_that_fails_to_import_is_that_error(worker: Worker, target: str, name: str, missing: str) -> None:
    for _ in range(2):
        error = worker.error(target)
        assert (error["kind"], error["class"]) == ("python", name)
        assert missing in error["message"]
        assert error["frames"][-1]["file"].startswith(str(PROJECT))


# The call-site cache


def test_a_function_that_is_replaced_is_the_one_called(tmp_path: Path) -> None:
    module = tmp_path / "moving.py"
    module.write_text("def f():\n    return 1\nclass C:\n    g = staticmethod(f)\n")
    with Worker(paths=[str(tmp_path)]) as worker:
        assert worker.call("moving:f") == 1
        assert worker.call("moving:C.g") == 1
        module.write_text("def f():\n    return 'two'\nclass C:\n    g = staticmethod(f)\n")
        worker.exec("import importlib, moving; importlib.invalidate_caches(); importlib.reload(moving)")
        assert worker.call("moving:f") == "two"
        assert worker.call("moving:C.g") == "two"
        worker.exec("moving.f = lambda: 'patched'")
        assert worker.call("moving:f") == "patched"
        assert worker.call("moving:f", [[], []], op=Op.MAP) == [["patched"] * 2, []]
        worker.exec("moving.f = lambda: 'again'")
        assert worker.call("moving:f", [[]], op=Op.MAP) == [["again"], []]
        module.write_text("def f():\n    return 3.0\n")
        worker.exec("import sys; del sys.modules['moving']; importlib.invalidate_caches()")
        assert worker.call("moving:f") == 3.0
        worker.exec("del sys.modules['moving'].f")
        assert worker.error("moving:f")["kind"] == "not_found"


def test_heads_without_end_do_not_fill_the_memory(worker: Worker) -> None:
    counter = worker.call("things:Counter", op=Op.INIT)
    for number in range(5000):
        worker.start(f"attribute_{number}", number, op=Op.SETATTR, on=counter, flags=Flag.CAST)
    assert worker.call("attribute_4999", op=Op.GETATTR, on=counter) == 4999
    worker.frames.clear()


# Objects


def test_methods_and_attributes_of_an_object(worker: Worker) -> None:
    counter = worker.call("things:Counter", 5, op=Op.INIT)
    assert worker.call("increase", op=Op.METHOD, on=counter) == 6
    assert worker.call("increase", op=Op.METHOD, on=counter, kwargs={"by": 4}) == 10
    assert worker.call("inner.inner.increase", op=Op.METHOD, on=counter) == 11
    assert worker.call("value", op=Op.GETATTR, on=counter) == 11
    assert worker.call("inner.kind", op=Op.GETATTR, on=counter) == "counter"
    assert worker.call("value", 3, op=Op.SETATTR, on=counter) is None
    assert worker.call("inner.value", 4, op=Op.SETATTR, on=counter) is None
    assert worker.call("value", op=Op.GETATTR, on=counter) == 4
    assert worker.call("value", op=Op.DELATTR, on=counter) is None
    assert worker.error("value", op=Op.DELATTR, on=counter)["kind"] == "not_found"
    assert worker.error("value", op=Op.GETATTR, on=counter)["class"] == "AttributeError"


def test_an_object_may_be_a_value(worker: Worker) -> None:
    assert worker.call("year", datetime.date(2014, 1, 2), op=Op.GETATTR) == 2014
    assert worker.call("isoformat", datetime.date(2014, 1, 2), op=Op.METHOD) == "2014-01-02"
    assert worker.call("upper", "text", op=Op.METHOD) == "TEXT"


def test_an_attribute_error_inside_a_property_is_not_taken_for_a_missing_property(worker: Worker) -> None:
    counter = worker.call("things:Counter", op=Op.INIT)
    error = worker.error("broken", op=Op.GETATTR, on=counter)
    assert (error["kind"], error["class"]) == ("python", "AttributeError")
    assert "missing_inside" in error["message"]


@pytest.mark.parametrize("op", [Op.METHOD, Op.GETATTR, Op.SETATTR, Op.DELATTR, Op.DESCRIBE, Op.ITERATE])
def test_an_operation_on_an_object_wants_one(worker: Worker, op: Op) -> None:
    error = worker.error("name", op=op)
    assert error["kind"] in ("bad_arguments", "python")
    assert error["class"] == "TypeError"


def test_too_many_arguments_are_named(worker: Worker) -> None:
    error = worker.error("value", 1, 2, 3, op=Op.GETATTR)
    assert error["kind"] == "bad_arguments"
    assert "3 arguments" in error["message"]


def test_constants_and_their_conversion(worker: Worker) -> None:
    assert worker.call("things:PI", op=Op.CONST) == 3.25
    assert worker.call("things.PI", "int", op=Op.CONST) == 3
    assert worker.call("things:WORDS", "int", op=Op.CONST) == 12
    assert worker.call("things:WORDS", "list", op=Op.CONST) == ["1", "2"]
    assert worker.call("convert(things:WORDS,decimal:Decimal)", op=Op.CONST) == 12
    assert worker.error("things:WORDS", "decimal:Decimal", op=Op.CONST)["kind"] == "bad_arguments"  # see policies
    assert worker.call("things:Counter.kind", op=Op.CONST) == "counter"
    assert worker.call("things", op=Op.CONST).type_name == "module"
    worker.exec("import things; things.PI = 3.5")
    assert worker.call("things:PI", op=Op.CONST) == 3.5
    worker.exec("things.PI = 3.25")
    assert worker.error("things:PI", "print", op=Op.CONST)["kind"] == "bad_arguments"
    handle = worker.error("convert(things:WORDS,things:Counter)", op=Op.CONST, want=Want.VALUE)
    assert handle["kind"] == "not_encodable"
    assert worker.error("convert(things:WORDS,things:PI)", op=Op.CONST)["kind"] == "bad_arguments"
    assert worker.error("convert(things:WORDS)", op=Op.CONST)["kind"] == "not_found"
    assert worker.error("fold(things:WORDS,builtins:int)", op=Op.CONST)["kind"] == "not_found"


# Targets that are made of functions which they name


def test_items_are_folded_by_the_functions_that_the_target_names(worker: Worker) -> None:
    assert worker.call("fold(operator:add)", [1, 2, 3]) == 6
    assert worker.call("fold(operator.add,operator:neg)", [1, 2, 3]) == -6
    values, errors = worker.call("fold(operator:add)", [[[1, 2]], [[3, "a"]]], op=Op.MAP)
    assert (values, errors[0][0], errors[0][1]["class"]) == ([3, None], 1, "TypeError")
    parts = [
        worker.call("fold_part(operator:add,builtins:tuple)", [[1], [2]]),
        worker.call("fold_part(operator:add)", [7]),
    ]
    joined = worker.call("join_parts(operator:add)", parts[:1])
    assert worker.call("finish_parts(builtins:max)", [joined]) == (1, 2)
    assert worker.call("fold(operator:add,pickle:loads)", [parts[1], parts[1]]) == 14


def test_a_part_that_no_worker_of_this_bridge_has_made_is_not_unpickled(worker: Worker) -> None:
    part = worker.call("fold_part(operator:add)", [7])
    marked = pickle.dumps(eval, 4)  # would be harmless, and yet
    for wrong in (part[:-1], part[:-1] + bytes([part[-1] ^ 1]), marked + part[-32:], marked, b"", "text", 1):
        error = worker.error("finish_parts(operator:add)", [wrong])
        assert (error["kind"], "not made by a worker" in error["message"]) == ("bad_arguments", True), wrong


def test_a_combination_that_is_none_is_named(worker: Worker) -> None:
    assert worker.error("unfold(operator:add)", [1])["kind"] == "not_found"
    assert "fold, fold_part" in worker.error("(operator:add)", [1])["message"]
    assert worker.error("join_parts(operator:add,operator:neg)", [1])["kind"] == "bad_arguments"
    assert worker.error("fold(operator:nothing)", [1])["kind"] == "not_found"
    assert worker.error("fold(operator:add)", [])["class"] == "TypeError"


# Operators and builtins

BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "eq", "ne", "lt", "le", "gt", "ge", "and-", "or_"]
BINARY += ["xor", "lshift", "rshift", "is-", "is-not", "iadd", "isub", "imul", "ipow", "__add__", "ior"]


@pytest.mark.parametrize("name", BINARY)
def test_binary_operators(worker: Worker, name: str) -> None:
    python_name = {"and-": "and_", "is-": "is_", "is-not": "is_not"}.get(name, name)
    assert worker.call(name, 7, 2, op=Op.OPERATOR) == getattr(operator, python_name)(7, 2)


def test_every_function_of_operator_is_there(worker: Worker) -> None:
    names = [name for name in operator.__all__ if name[0].islower()]
    missing = [name for name in names if worker.error_or_none(name, op=Op.OPERATOR) == "not_found"]
    assert missing == []


def test_operators_on_objects(worker: Worker) -> None:
    counter = worker.call("things:Counter", 5, op=Op.INIT)
    total = worker.call("add", 3, op=Op.OPERATOR, on=counter)
    assert worker.call("len", op=Op.BUILTIN, on=total) == 8
    both = worker.call("add", total, op=Op.OPERATOR, on=counter)
    assert worker.call("value", op=Op.GETATTR, on=both) == 13
    assert worker.call("is_", counter, op=Op.OPERATOR, on=counter) is True
    names = worker.call("dict", op=Op.BUILTIN, want=Want.HANDLE)
    assert worker.call("setitem", "key", 1, op=Op.OPERATOR, on=names) is None
    assert worker.call("getitem", "key", op=Op.OPERATOR, on=names) == 1
    assert worker.call("contains", "key", op=Op.OPERATOR, on=names) is True
    worker.call("delitem", "key", op=Op.OPERATOR, on=names)
    assert worker.call("truth", op=Op.OPERATOR, on=names) is False
    assert worker.call("setattr", "value", 1, op=Op.OPERATOR, on=counter) is None
    getter = worker.call("attrgetter", "value", op=Op.OPERATOR)
    assert worker.call("call", counter, op=Op.OPERATOR, on=getter) == 1


def test_in_place_operators_give_the_new_value_and_change_the_object(worker: Worker) -> None:
    items = worker.call("list", [1, 2], op=Op.BUILTIN, want=Want.HANDLE)
    assert worker.call("iadd", [3], op=Op.OPERATOR, on=items) == [1, 2, 3]
    assert worker.call("len", op=Op.BUILTIN, on=items) == 3


def test_an_operator_that_is_none(worker: Worker) -> None:
    for name in ("plus", "_compare_digest", "builtins", "eval"):
        error = worker.error(name, 1, 2, op=Op.OPERATOR)
        assert error["kind"] == "not_found"
    assert "did you mean 'sub'" in worker.error("subb", 1, 2, op=Op.OPERATOR)["message"]


def test_builtins(worker: Worker) -> None:
    assert worker.call("len", [1, 2, 3], op=Op.BUILTIN) == 3
    assert worker.call("sorted", [3, 1], op=Op.BUILTIN, kwargs={"reverse": True}) == [3, 1]
    assert worker.call("divmod", 7, 2, op=Op.BUILTIN) == (3, 1)
    assert worker.call("type", 1, op=Op.BUILTIN).type_name == "type"
    assert "did you mean 'len'" in worker.error("lenn", op=Op.BUILTIN)["message"]


def test_builtins_of_their_caller_work_on_main_and_not_on_ours(worker: Worker) -> None:
    worker.call("exec", "answer = 41", op=Op.BUILTIN)
    assert worker.call("eval", "answer + 1", op=Op.BUILTIN) == 42
    assert worker.call("builtins:eval", "answer + 1") == 42
    assert worker.call("eval", "answer", {"answer": 5}, op=Op.BUILTIN) == 5
    assert "answer" in worker.call("dir", op=Op.BUILTIN)
    assert "self" not in worker.call("dir", op=Op.BUILTIN)
    for name in ("globals", "locals", "vars"):
        keys = worker.call("list", worker.call(name, op=Op.BUILTIN, want=Want.HANDLE), op=Op.BUILTIN)
        assert "answer" in keys
        assert "frames" not in keys
    code = worker.call("compile", "def f(x: undefined_name): pass", "x", "exec", op=Op.BUILTIN)
    assert "undefined_name" in worker.error("exec", code, op=Op.BUILTIN)["message"]  # annotations are evaluated


def test_standard_input_is_empty(worker: Worker) -> None:
    assert worker.error("input", op=Op.BUILTIN)["class"] == "EOFError"


# Describe, landscape, map


def test_an_object_is_described(worker: Worker) -> None:
    counter = worker.call("things:Counter", 5, op=Op.INIT)
    facts = worker.call("", op=Op.DESCRIBE, on=counter)
    assert (facts["type"], facts["module"], facts["length"]) == ("Counter", "things", 5)
    assert facts["repr"].startswith("<things.Counter object")
    assert facts["doc"] == "Counts."
    assert facts["callable"] is False
    big = worker.call("list", range(1_000_000), op=Op.BUILTIN, want=Want.HANDLE)
    facts = worker.call("", op=Op.DESCRIBE, on=big)
    assert facts["length"] == 1_000_000
    assert facts["size"] > 8_000_000
    assert len(facts["repr"]) < 1000
    broken = worker.call("things:Unreadable", op=Op.INIT)
    assert "Unreadable" in worker.call("", op=Op.DESCRIBE, on=broken)["repr"]


def test_a_landscape_names_a_modules_functions(worker: Worker) -> None:
    found = worker.call("things", op=Op.LANDSCAPE)
    assert "add" in [member["name"] for member in found["members"]]
    assert worker.error("things", 1, 2, 3, op=Op.LANDSCAPE)["kind"] == "bad_arguments"


def test_a_map_answers_for_each_item(worker: Worker) -> None:
    values, errors = worker.call("things:add", [[1, 2], [1, "2"], [3], []], op=Op.MAP)
    assert values == [3, None, 3, None]
    assert [at for at, _ in errors] == [1, 3]
    assert errors[0][1]["class"] == "TypeError"
    assert errors[0][1]["frames"][-1]["function"] == "add"


def test_a_map_takes_lists_of_first_and_second_arguments_as_well(worker: Worker) -> None:
    assert worker.call("things:aadd", None, [1, 3], [2, 4], op=Op.MAP) == [[3, 7], []]
    assert worker.call("builtins:str", None, [1, 3], op=Op.MAP) == [["1", "3"], []]
    assert worker.call("builtins:max", None, [1, 6], [2, 4], [3, 5], op=Op.MAP) == [[3, 6], []]
    values, errors = worker.call("things:add", None, [1, 1, 3], [2, "2", 4], op=Op.MAP)
    assert (values, [at for at, _ in errors]) == ([3, None, 7], [1])
    assert errors[0][1]["frames"][-1]["function"] == "add"
    values, errors = worker.call("builtins:next", None, [[], []], op=Op.MAP)
    assert (values, [error["class"] for _, error in errors]) == ([None, None], ["TypeError"] * 2)
    assert worker.call("things:add", None, [], [], op=Op.MAP) == [[], []]


def test_what_a_map_does_not_take_is_said(worker: Worker) -> None:
    for wrong, remark in (
        ((None, [1, 2], [3]), "same length: one has 2 elements, another 1"),
        ((None, [1], 2), "a list for each argument, not a int"),
        (([[1]], [2]), "or null and a list for each argument"),
        ((None,), "a list of items, not a NoneType"),
    ):
        error = worker.error("things:add", *wrong, op=Op.MAP)
        assert error["kind"] == "bad_arguments"
        assert remark in error["message"]


def test_a_map_awaits_makes_handles_and_keeps_what_does_not_encode_apart(worker: Worker) -> None:
    assert worker.call("things:aadd", [[1, 2], [3, 4]], op=Op.MAP) == [[3, 7], []]
    values, errors = worker.call("things:Counter", [[1], [2]], op=Op.MAP)
    assert ([worker.call("len", op=Op.BUILTIN, on=value) for value in values], errors) == ([1, 2], [])
    values, errors = worker.call("things:add", [[1, 2], [], [1, "2"], [4]], op=Op.MAP, want=Want.HANDLE)
    assert [type(value) for value in values] == [Handle, type(None), type(None), Handle]
    assert [at for at, _ in errors] == [1, 2]
    worker.exec("import things; things.some = lambda n: things.Counter(n) if n == 1 else n")
    values, [[at, error]] = worker.call("things:some", [[0], [1], [2]], op=Op.MAP, want=Want.VALUE)
    assert (values, at, error["kind"]) == ([0, None, 2], 1, "not_encodable")


def test_sys_exit_in_an_item_of_a_map_is_that_items_error(worker: Worker) -> None:
    _, errors = worker.call("things:fail", [["exit"], ["value"]], op=Op.MAP)
    assert [error["class"] for _, error in errors] == ["SystemExit", "ValueError"]


# What is malformed


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\0\0\0\xff\xff\0\0", b"\x01\0\0\0\x05\0\0\0abc"])
def test_a_head_that_is_cut_off_is_answered(worker: Worker, payload: bytes) -> None:
    call_id = worker.new_id()
    worker.send(Kind.CALL, call_id, payload)
    with pytest.raises(CallError) as caught:
        worker.result(call_id)
    assert caught.value.kind == "bad_arguments"


@pytest.mark.parametrize(
    "tail", [b"\xc1", b"\x91", b"\x01", b"\x93\x01\x01\x01", b"\x91\x01", b"\x92\x90\x01", b"\x92\x90\x81\x01\x01"]
)
def test_arguments_that_are_none_are_answered(worker: Worker, tail: bytes) -> None:
    call_id = worker.new_id()
    worker.send(Kind.CALL, call_id, encode_call(Op.CALL, "things:add", tail))
    with pytest.raises(CallError) as caught:
        worker.result(call_id)
    assert caught.value.kind == "bad_arguments"


def test_operations_codecs_and_wants_that_there_are_not(worker: Worker) -> None:
    good = encode_call(1, "things:add", b"")
    for payload, codec in [
        (encode_call(99, "x", b""), Codec.MSGPACK),
        (encode_call(1, "things:add", b"", want=9), Codec.MSGPACK),
        (good, 77),
        (good.replace(b"things", b"thing\xff"), Codec.MSGPACK),
    ]:
        call_id = worker.new_id()
        worker.send(Kind.CALL, call_id, payload, codec=codec)
        with pytest.raises(CallError) as caught:
            worker.result(call_id)
        assert caught.value.kind == "bad_arguments"


def test_a_cast_is_answered_without_a_value(worker: Worker) -> None:
    call_id = worker.start("things:counters", 5, flags=Flag.CAST)
    frame = worker.wait_for(lambda frame: frame[3] == call_id)
    assert (frame[0], frame[6]) == (Kind.REPLY, b"")


def test_many_calls_in_one_write_are_all_answered_in_order(worker: Worker) -> None:
    ids = [worker.start("things:add", number, 1) for number in range(3000)]
    assert [worker.result(call_id) for call_id in ids] == list(range(1, 3001))


def test_a_reply_is_not_held_back_by_a_slow_call_after_it(worker: Worker, tmp_path: Path) -> None:
    from bascule.protocols import packed
    from bascule.protocols.envelope import encode_frame

    for _ in range(3):  # so that the worker takes the function for a fast one
        worker.call("things:wait_for_file", str(PROJECT))
    first, second = worker.new_id(), worker.new_id()
    slow = tmp_path / "go"
    frames = [
        encode_frame(Kind.CALL, 1, 0, first, 1, 0, encode_call(Op.CALL, "things:add", packed.dumps([[1, 2]]))),
        encode_frame(
            Kind.CALL, 1, 0, second, 1, 0, encode_call(Op.CALL, "things:wait_for_file", packed.dumps([[str(slow)]]))
        ),
    ]
    worker.write(b"".join(frames))
    worker.wait_until_armed(second)
    worker.process.send_signal(importlib.import_module("signal").SIGURG)  # the bridge asks for what is finished
    assert worker.result(first) == 3
    slow.touch()
    assert worker.result(second) is True


@pytest.mark.parametrize("codec", list(Codec))
def test_a_large_value_comes_back_whole(worker: Worker, codec: Codec) -> None:
    data = bytes(range(256)) * (1 << 12)
    assert worker.call("things:same", data, codec=codec, style=int(Style.BINARY_AS_BYTES)) == data
    assert worker.call("builtins:len", [1] * 500_000, codec=codec) == 500_000
    counter = worker.call("things:Counter", op=Op.INIT)
    assert worker.call("increase", op=Op.METHOD, on=counter, codec=codec, kwargs={"by": 7}) == 7
    worker.call("data", data, op=Op.SETATTR, on=counter, codec=codec, style=int(Style.BINARY_AS_BYTES))
    assert worker.call("data", op=Op.GETATTR, on=counter) == data


def test_how_long_a_call_took_is_in_its_answer(worker: Worker) -> None:
    began = time.monotonic()
    call_id = worker.start("things:sleep", 0.02)
    frame = worker.wait_for(lambda frame: frame[3] == call_id)
    assert 20_000 <= frame[5] <= (time.monotonic() - began) * 1e6
