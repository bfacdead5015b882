"""The same pod in each payload format: values, handles, keyword arguments, errors, and all of the namespace `py`."""

from __future__ import annotations

import datetime
import http.server
import json
import threading
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from configured import eventually
from pod_client import PodClient, PodError, error_of
from test_pod import folder

from bascule.protocols import edn, transit
from bascule.protocols.clojure import Keyword
from bascule.protocols.tokens import Handle

__all__ = ["folder"]
pytestmark = pytest.mark.usefixtures("nothing_left")
FORMATS = ["json", "edn", "transit+json"]
CLOJURE = FORMATS[1:]


@pytest.fixture(scope="module", params=FORMATS)
def pod(request: pytest.FixtureRequest, folder: Path) -> Iterator[PodClient]:
    with PodClient("my_mod", "json=py.json", cwd=folder, payload=request.param) as client:
        yield client


@pytest.fixture(params=FORMATS)
def payload(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=CLOJURE)
def clojure(request: pytest.FixtureRequest, folder: Path) -> Iterator[PodClient]:
    with PodClient("my_mod", "json=py.json", cwd=folder, payload=request.param) as client:
        yield client


@pytest.mark.parametrize(
    "value", [None, True, 0, -(2**70), 1.5, "", 'ü😀\n"\\~^', [], [1, [2]], {}, {"abcd": {"b": [None, {"abcd": 1}]}}]
)
def test_values_come_back_as_they_went(pod: PodClient, value: Any) -> None:
    assert pod.invoke("my-mod/echo", value) == value
    assert pod.invoke("py/call", "my_mod:echo", value) == value


@pytest.mark.parametrize(
    "value",
    [
        float("inf"),
        {1, 2},
        {1: {(2, 3): "x"}, None: False},
        Decimal("1.50"),
        uuid.UUID(int=5),
        datetime.datetime(2024, 2, 29, 1, 2, 3, 4_000, datetime.timezone.utc),
        datetime.date(2024, 2, 29),
        b"\0\xff",
        {Keyword("a"): [Keyword("b/c")]},
    ],
)
def test_clojures_formats_carry_more(clojure: PodClient, value: Any) -> None:
    back = clojure.invoke("my-mod/echo", value)
    assert back == value
    assert repr(back) == repr(value), "keywords too"


def test_keyword_arguments_have_their_natural_form(pod: PodClient) -> None:
    assert pod.invoke("my-mod/add", 1, third=10) == 13
    assert pod.invoke("py.json/dumps", {"b": 1, "a": [2]}, sort_keys=True, separators=[",", ":"]) == '{"a":[2],"b":1}'
    assert pod.invoke("py/call", "json:dumps", {"b": 1, "a": 2}, sort_keys=True) == '{"a": 2, "b": 1}'
    deque = pod.invoke("py/init", "collections:deque", [1, 2, 3], maxlen=2)
    assert pod.invoke("py/list", deque) == [2, 3]
    assert pod.invoke("py/builtin", "sorted", [1, 3, 2], reverse=True) == [3, 2, 1]


@pytest.fixture
def web() -> Iterator[str]:
    """The address of a server that answers with the path it was asked for."""

    class Echo(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"{self.path} {self.headers['X-Ship']}".encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_keyword_arguments_reach_real_libraries(payload: str, web: str) -> None:
    with PodClient("numpy=np", "pandas=pd", "requests", payload=payload) as pod:
        array = pod.invoke("np/linspace", 0, 1, num=3, endpoint=False)
        assert pod.invoke("py/method", array, "round", decimals=2) is not None
        assert pod.invoke("py/value", array) == pytest.approx([0, 1 / 3, 2 / 3])
        frame = pod.invoke("pd/DataFrame", {"tons": [2, 1]}, index=["Anna", "Bo"])
        frame = pod.invoke("py/method", frame, "sort-values", by="tons", ascending=False)
        assert pod.invoke("py/method", frame, "to-dict", orient="list") == {"tons": [2, 1]}
        answer = pod.invoke("requests/get", web, params={"a": "b c"}, headers={"X-Ship": "Anna"}, timeout=60)
        assert pod.invoke("py/attr", answer, "text") == "/?a=b+c Anna"


def test_a_keyword_alone_is_text_and_a_map_of_keywords_has_the_last_word(clojure: PodClient) -> None:
    assert clojure.invoke("my-mod/echo", Keyword("a")) == "a"
    assert (
        clojure.invoke("my-mod/add", Keyword("a"), Keyword("b"), {Keyword("py/kwargs"): {Keyword("third"): "c"}})
        == "abc"
    )
    assert error_of(clojure, "my-mod/echo", Keyword("nope"), 1).data["class"] == "TypeError"


def test_handles_carry_their_token_and_their_type(pod: PodClient) -> None:
    stack = pod.invoke("my-mod/Stack", 1, 2)
    if pod.payload == "json":
        assert set(stack) == {"py/handle", "type"}
    else:
        assert isinstance(stack, Handle)
        assert "Stack" in stack.type_name
    assert pod.invoke("py/method", stack, "push-all", 3) == 3
    assert pod.invoke("py/attr", stack, "items") == [1, 2, 3]
    assert pod.invoke("py/op", "add", stack, stack)
    assert pod.invoke("py/builtin", "isinstance", stack, pod.invoke("py/type", stack)) is True
    pod.invoke("py/set-attr", stack, "label", "mine")
    assert pod.invoke("py/call", "builtins:getattr", stack, "label") == "mine"
    values = [pod.decode(each["value"]) for each in pod.messages(pod.start("py/stream", stack)) if "value" in each]
    assert values == [1, 2, 3]
    assert pod.invoke("py/release", stack) is None


def test_modules_are_handles_and_handles_have_values(pod: PodClient) -> None:
    module = pod.invoke("py/import", "decimal")
    number = pod.invoke("py/method", module, "Decimal", "1.5")
    assert str(pod.invoke("py/str", number)) == "1.5"
    path = pod.invoke("py/ref", "pathlib:PurePosixPath", "/a/b")
    assert pod.invoke("py/value", path) == "/a/b"
    assert error_of(pod, "py/value", module).data["kind"] == "not_encodable"


def test_no_arguments_are_written_in_many_ways(pod: PodClient) -> None:
    ways = {"json": ["null", "[]"], "edn": ["nil", "[]", "()"], "transit+json": ["[]", '["~#list",[]]']}
    for text in ["", *ways[pod.payload]]:
        id = pod.send("invoke", var="my-mod/MAX-SIZE", args=text)
        assert pod.result(id) == 3


def test_errors_have_data_to_look_into(pod: PodClient) -> None:
    data = error_of(pod, "my-mod/chain").data
    assert (data["class"], data["kind"], data["cause"]["class"]) == ("RuntimeError", "python", "KeyError")
    assert "in chain" in data["traceback"]
    if pod.payload != "json":
        assert all(isinstance(key, Keyword) for key in (*data, *data["cause"], *data["frames"][0]))
    assert error_of(pod, "my-mod/die").data["kind"] == "worker_lost"
    assert error_of(pod, "my-mod/nothing").data["kind"] == "not_found"


@pytest.mark.parametrize("args", ["[1", "}", "{}", "1", '[#py/handle {:token "x"}]', "\x00", "[" * 5_000, "[1]]"])
def test_malformed_arguments_are_an_error_and_the_next_call_works(pod: PodClient, args: str) -> None:
    for var in ("my-mod/fail", "py/len", "py/release"):
        with pytest.raises(PodError):
            list(pod.messages(pod.send("invoke", var=var, args=args)))
    assert pod.invoke("my-mod/add", 1) == 3


# Many calls.


def test_pmap_and_scatter_go_over_all_items_on_all_workers_in_order(pod: PodClient) -> None:
    assert pod.invoke("py/pmap", "my_mod:add", list(range(50)), list(range(50))) == [2 * number for number in range(50)]
    pod.printed.clear()
    assert pod.invoke("py/scatter", "my_mod:add", list(range(100))) == [number + 2 for number in range(100)]
    progress = [text for stream, text in pod.printed if stream == "err"]
    assert progress[-1] == "my_mod:add 100/100"
    assert len(progress) > 1
    options = {"star": True, "progress": False}
    eventually(lambda: len(set(pod.invoke("py/scatter", "my_mod:whoami", [[]] * 40, options))) == 2)  # once both are up
    assert pod.invoke("py/scatter", "my_mod:add", []) == []
    assert pod.invoke("py/scatter", "my_mod:add", None) == pod.invoke("py/pmap", "my_mod:add", None) == []  # (seq [])


def test_a_scatter_fails_with_its_first_error_or_keeps_them_all(pod: PodClient) -> None:
    items = ["a", "b", 1, "d"]
    assert error_of(pod, "py/scatter", "my_mod:add", items).data["class"] == "TypeError"
    results = pod.invoke("py/scatter", "my_mod:add", [1, "b"], {"errors": "return", "chunk": 1})
    assert results[0] == 3
    assert results[1]["error"]["class"] == "TypeError"
    assert error_of(pod, "py/scatter", "my_mod:nothing", [1]).data["kind"] == "not_found"
    assert error_of(pod, "py/scatter", "my_mod:forever", [[]], {"star": True, "timeout": 0.3}).data["kind"] == "timeout"


def test_options_are_a_map_or_pairs_as_keywords_are(pod: PodClient) -> None:
    pairs = pod.invoke("py/scatter", "my_mod:add", [1, "b"], errors="return", chunk=1, progress=False)
    mapped = pod.invoke("py/scatter", "my_mod:add", [1, "b"], {"errors": "return", "chunk": 1, "progress": False})
    assert (pairs[0], pairs[1]["error"]["class"]) == (mapped[0], mapped[1]["error"]["class"]) == (3, "TypeError")
    assert pod.invoke("py/reduce", "operator:add", [1, 2, 3], chunk=2) == 6
    assert pod.invoke("py/everywhere", "math:sqrt", [4], copies=3) == [2.0, 2.0, 2.0]
    assert pod.invoke("py/scatter", "my_mod:add", [1], None) == [3]
    assert "some of chunk, errors," in str(error_of(pod, "py/scatter", "my_mod:add", [1], "colour", "red"))
    assert "pairs of a name and a value" in str(error_of(pod, "py/scatter", "my_mod:add", [1], "chunk"))
    assert "stand options, not 2 values" in str(error_of(pod, "py/scatter", "my_mod:add", [1], {"chunk": 1}, 2))


def test_what_was_lost_with_its_worker_is_run_again_only_where_that_is_harmless(pod: PodClient, tmp_path: Path) -> None:
    def dies_once(file: str) -> str:
        return f"import os, pathlib; f = pathlib.Path({file!r}); f.exists() or (f.touch(), os.kill(os.getpid(), 9))"

    again = [dies_once(str(tmp_path / "again"))]
    assert pod.invoke("py/scatter", "builtins:exec", again, {"idempotent": True, "progress": False}) == [None]
    never = [dies_once(str(tmp_path / "never"))]
    assert error_of(pod, "py/scatter", "builtins:exec", never).data["kind"] == "worker_lost"


def test_what_is_lost_is_tried_again_item_by_item(pod: PodClient) -> None:
    dies = "import os; os.kill(os.getpid(), 9)"
    options = {"idempotent": True, "progress": False, "errors": "return", "chunk": 3}
    fine, broken, also_fine = pod.invoke("py/scatter", "builtins:exec", ["0", dies, "1"], options)
    assert (fine, also_fine) == (None, None)
    assert broken["error"]["kind"] in ("worker_lost", "quarantined")


def test_a_straggler_is_run_a_second_time_when_it_is_idempotent(pod: PodClient, tmp_path: Path) -> None:
    hangs_once = (
        f"import pathlib, time; f = pathlib.Path({str(tmp_path / 'began')!r})\n"
        "if not f.exists():\n f.touch()\n while True: time.sleep(0.01)"
    )
    options = {"idempotent": True, "progress": False, "chunk": 1}
    assert pod.invoke("py/scatter", "builtins:exec", ["0", hangs_once], options) == [None, None]


def test_all_of_a_scatter_has_the_time_that_it_is_given(pod: PodClient) -> None:
    options = {"star": True, "timeout": 0.3, "chunk": 1, "errors": "return", "progress": False}
    results = pod.invoke("py/scatter", "my_mod:forever", [[]] * 40, options)
    assert {result["error"]["kind"] for result in results} == {"timeout"}


def test_the_same_call_is_made_on_each_worker(pod: PodClient) -> None:
    pids = pod.invoke("py/everywhere", "os:getpid")
    assert len(set(pids)) == len(pids) == 2
    assert pod.invoke("py/everywhere", "os:getpid", [], {"copies": 3}) == [*pids, pids[0]]
    assert pod.invoke("py/everywhere", "math:sqrt", [16]) == [4.0, 4.0]
    assert error_of(pod, "py/everywhere", "math:sqrt", [-1]).data["class"] == "ValueError"
    kept = pod.invoke("py/everywhere", "math:sqrt", [-1], {"errors": "return"})
    assert [result["error"]["class"] for result in kept] == ["ValueError", "ValueError"]
    assert error_of(pod, "py/everywhere", "my_mod:forever", [], {"timeout": 0.3}).data["kind"] == "timeout"


def test_items_are_reduced_in_the_workers(pod: PodClient) -> None:
    assert pod.invoke("py/reduce", "operator:add", list(range(1000))) == 499500
    assert pod.invoke("py/reduce", "operator:add", list(range(9)), {"each": "operator:neg", "chunk": 2}) == -36
    assert pod.invoke("py/reduce", "operator:add", [7], {"idempotent": True}) == 7
    # A tuple and an array can't be added: what is in between keeps its type in every format.
    tuples = {"each": "builtins:tuple", "chunk": 2}
    assert list(pod.invoke("py/reduce", "operator:add", [[number] for number in range(7)], tuples)) == list(range(7))
    assert error_of(pod, "py/reduce", "operator:add", [1, "b"]).data["class"] == "TypeError"
    pod.printed.clear()
    assert pod.invoke("py/reduce", "operator:add", [1, 2, 3], {"chunk": 1, "progress": True}) == 6
    assert [text for stream, text in pod.printed if stream == "err"][-1] == "operator:add 3/3"


def test_handles_are_scattered_and_gathered(pod: PodClient) -> None:
    stacks = pod.invoke("py/pmap", "my_mod:Stack", [1, 2])
    assert [pod.invoke("py/list", stack) for stack in stacks] == [[1], [2]]


def test_a_method_is_called_where_each_object_lives(pod: PodClient) -> None:
    stacks = [pod.invoke("my-mod/Stack", number) for number in range(12)]
    homes = [pod.invoke("py/call", "my_mod:worker_of", stack) for stack in stacks]
    assert pod.invoke("py/scatter", "my_mod:worker_of", stacks, {"progress": False}) == homes  # nothing was copied
    assert pod.invoke("py/scatter", ".push-all", [[stack, 1, 2] for stack in stacks], {"star": True}) == [3] * 12
    assert [pod.invoke("py/len", stack) for stack in stacks] == [3] * 12
    kept = pod.invoke("py/scatter", ".nothing", stacks[:2], {"errors": "return"})
    assert [result["error"]["class"] for result in kept] == ["AttributeError"] * 2
    assert error_of(pod, "py/scatter", ".pop", [1]).data["kind"] == "bad_arguments"
    assert error_of(pod, "py/reduce", ".add", [1]).data["kind"] == "bad_arguments"


def exchanged(pod: PodClient, run: int, items: list[Any], *, last: bool = False) -> tuple[list[Any], int | None]:
    found, wanted = pod.invoke("py/-exchange", run, items, last)
    return list(found), wanted


def test_results_come_as_they_are_completed_while_items_are_still_brought(pod: PodClient, tmp_path: Path) -> None:
    go = tmp_path / "go"
    run = pod.invoke("py/-results", "my_mod:when", {"star": True, "chunk": 1})
    assert exchanged(pod, run, [[str(go), "slow"]]) == ([], 15)  # there is room for 8 a worker, one of which has come
    told, wanted = exchanged(pod, run, [["", number] for number in range(1, 16)])
    while len(told) < 5:  # the first one runs until the file is there: what another worker does is told meanwhile
        found, wanted = exchanged(pod, run, [])
        told += found
    assert 0 not in [index for index, _ in told]
    go.touch()
    while wanted is not None:
        found, wanted = exchanged(pod, run, [], last=True)
        told += found
    assert sorted(told, key=lambda result: result[0]) == [[0, "slow"], *([index, index] for index in range(1, 16))]
    assert "ended" in str(error_of(pod, "py/-exchange", run, [], False))


def test_results_in_order_wait_for_their_turn_and_take_no_more_items_meanwhile(pod: PodClient, tmp_path: Path) -> None:
    go = tmp_path / "go"
    run = pod.invoke("py/-results", "my_mod:when", {"star": True, "chunk": 1, "ordered": True})
    assert exchanged(pod, run, [[str(go), 0]]) == ([], 15)
    waiting = pod.start("py/-exchange", run, [["", number] for number in range(1, 16)], False)
    assert "another exchange" in str(error_of(pod, "py/-exchange", run, [], False))
    go.touch()
    found, wanted = pod.result(waiting)
    told = list(found)
    while len(told) < 16:
        found, wanted = exchanged(pod, run, [])
        told += found
    assert [list(result) for result in told] == [[number, number] for number in range(16)]
    assert wanted == 16
    assert exchanged(pod, run, [], last=True) == ([], None)


def test_results_end_with_the_first_error_or_keep_them_all(pod: PodClient) -> None:
    run = pod.invoke("py/-results", "math:sqrt")
    with pytest.raises(PodError, match="ValueError"):
        while True:
            exchanged(pod, run, [-1])
    assert pod.invoke("py/-end", run) is False
    run = pod.invoke("py/-results", "math:sqrt", {"errors": "return", "chunk": 2, "ordered": True})
    told, wanted = exchanged(pod, run, [4, -1, 9], last=True)
    while wanted is not None:
        found, wanted = exchanged(pod, run, [])
        told += found
    assert [list(told[0]), list(told[2])] == [[0, 2.0], [2, 3.0]]
    index, nothing, error = told[1]
    assert (index, nothing, error["class"]) == (1, None, "ValueError")
    assert error_of(pod, "py/-results", "math:sqrt", {"progress": True}).data["kind"] == "bad_arguments"
    assert error_of(pod, "py/-results").data["kind"] == "bad_arguments"


def test_results_that_nobody_wants_any_more_are_ended(pod: PodClient, tmp_path: Path) -> None:
    run = pod.invoke("py/-results", "my_mod:when", {"star": True})
    exchanged(pod, run, [[str(tmp_path / "never"), 0]])
    waiting = pod.start("py/-exchange", run, [], True)
    assert pod.invoke("py/-end", run) is True
    with pytest.raises(PodError) as caught:
        list(pod.messages(waiting))
    assert caught.value.data["kind"] == "cancelled"
    assert pod.invoke("py/-end", run) is False
    assert pod.invoke("py/everywhere", "my_mod:add", [1]) == [3, 3]  # both workers are free


def test_a_call_that_was_begun_under_a_key_is_ended_by_it(pod: PodClient) -> None:
    running = pod.start("py/-keyed", "my key", "my-mod/forever")
    assert pod.invoke("py/-cancel", "my key") is True
    with pytest.raises(PodError) as caught:
        list(pod.messages(running))
    assert caught.value.data["kind"] == "cancelled"
    assert pod.invoke("py/-cancel", "my key") is False
    assert pod.invoke("py/-keyed", "my key", "py/call", "my_mod:add", 1, third=4) == 7
    stream = pod.start("py/-keyed", "my key", "py/stream", "my_mod:count_for_ever")
    messages = pod.messages(stream)
    assert [pod.decode(next(messages)["value"]) for _ in range(100)] == list(range(100))
    assert pod.invoke("py/-cancel", "my key") is True
    with pytest.raises(PodError) as caught:
        list(messages)
    assert caught.value.data["kind"] == "cancelled"
    scatter = pod.start("py/-keyed", "my key", "py/scatter", "my_mod:forever", [[], []], {"star": True})
    with pytest.raises(PodError, match="still under way"):  # both workers are busy: it is the door that says so
        pod.invoke("py/-keyed", "my key", "py/len", [])
    assert pod.invoke("py/-cancel", "my key") is True
    with pytest.raises(PodError):
        list(pod.messages(scatter))


def test_a_call_has_the_time_it_is_given(pod: PodClient) -> None:
    assert pod.invoke("py/within", 30, "my_mod:add", 1) == 3
    assert error_of(pod, "py/within", 0.2, "my_mod:forever").data["kind"] == "timeout"


CALLING = {
    "json": '["my_mod:each",[1,2],{"py/callback":"f"}]',
    "edn": '("my_mod:each" [1 2] #py/callback "f")',
    "transit+json": '["~#list",["my_mod:each",[1,2],["~#py/callback","f"]]]',
}


def test_python_calls_functions_of_the_client_while_the_call_runs(pod: PodClient) -> None:
    messages = pod.messages(pod.send("invoke", var="py/-calling", args=CALLING[pod.payload]))
    for number in (1, 2):
        kind, asked, (name, given) = pod.decode(next(messages)["value"])
        assert (kind, name, given) == ("py/callback", "f", [number])
        assert pod.invoke("py/-answer", asked, {"squared": number * number}) is None
    assert pod.decode(next(messages)["value"]) == ["py/result", [{"squared": 1}, {"squared": 4}]]
    assert next(messages)["status"] == ["done"]


def test_a_function_of_the_client_may_use_the_pod_and_what_lives_in_the_worker_that_waits(pod: PodClient) -> None:
    stack = pod.invoke("my-mod/Stack", "a", "b")
    if pod.payload == "json":
        named = f'["my_mod:each",{json.dumps(stack)},{{"py/callback":"f"}}]'
    elif pod.payload == "edn":
        named = f'("my_mod:each" {edn.dumps(stack).decode()} #py/callback "f")'
    else:
        named = f'["my_mod:each",{transit.dumps(stack).decode()},["~#py/callback","f"]]'
    messages = pod.messages(pod.send("invoke", var="py/-calling", args=named))
    for _ in range(2):
        _, asked, _ = pod.decode(next(messages)["value"])
        length = pod.invoke("py/len", stack)  # in the very worker that waits for this function
        pod.invoke("py/-answer", asked, [length, pod.invoke("my-mod/add", 1)])
    assert pod.decode(next(messages)["value"]) == ["py/result", [[2, 3], [2, 3]]]
    assert next(messages)["status"] == ["done"]
    assert [pod.invoke("my-mod/add", number) for number in range(5)] == [2, 3, 4, 5, 6]


def test_a_function_of_the_client_that_fails_raises_in_python(pod: PodClient) -> None:
    messages = pod.messages(pod.send("invoke", var="py/-calling", args=CALLING[pod.payload]))
    _, asked, _ = pod.decode(next(messages)["value"])
    pod.invoke("py/-failed", asked, "java.lang.Exception", "not today")
    with pytest.raises(PodError, match=r"CallbackFailed: java.lang.Exception: not today"):
        next(messages)
    assert pod.invoke("py/-answer", 10**9, "to nobody") is None
    assert error_of(pod, "py/-answer", "x", 1).data["kind"] == "bad_arguments"


def test_a_call_that_was_not_made_for_it_is_told_that_nobody_can_be_asked(pod: PodClient) -> None:
    args = CALLING[pod.payload]
    with pytest.raises(PodError, match="was not begun with py/calling"):
        list(pod.messages(pod.send("invoke", var="py/call", args=args)))
    assert pod.invoke("my-mod/add", 1) == 3


def test_a_call_that_asks_can_be_cancelled_and_its_worker_lives_on(pod: PodClient) -> None:
    inner = CALLING[pod.payload].replace('"my_mod:each"', '"my key" "py/-calling" "my_mod:each"', 1)
    inner = inner if pod.payload == "edn" else inner.replace('" "', '","')
    messages = pod.messages(pod.send("invoke", var="py/-keyed", args=inner))
    next(messages)
    assert pod.invoke("py/-cancel", "my key") is True
    with pytest.raises(PodError) as caught:
        next(messages)
    assert caught.value.data["kind"] == "cancelled"
    assert pod.invoke("my-mod/add", 1) == 3


# What the description says.


def test_what_the_client_evaluates_is_there_in_each_format(pod: PodClient) -> None:
    code = {name: each["code"] for name, each in pod.vars("py").items() if "code" in each}
    assert {".-", "..", "with-handles", "async", "stream", "cancel", "ex", "->bytes"} <= set(code)
    assert 'babashka.pods/invoke "my-mod"' in code["async"]
    readers = pod.description.get("readers", {})
    assert bool(readers) == (pod.payload == "edn")
    assert all(symbol.startswith("py/-tag-") for symbol in readers.values())
    assert ("arg-meta" in pod.vars("my-mod")["add"]) == (pod.payload == "transit+json")
    keywords = "{:py/kwargs {:keys [third]}}" if pod.payload == "json" else "& {:keys [third]}"
    assert keywords in pod.vars("my-mod")["add"]["meta"]


def test_metadata_of_arguments_makes_pythons_types(folder: Path) -> None:
    with PodClient("my_mod", cwd=folder, payload="transit+json") as pod:
        args = '["~#list",["builtins:repr",["~#with-meta",[[1,2],["^ ","~:py/type","tuple"]]]]]'
        assert pod.result(pod.send("invoke", var="py/call", args=args)) == "(1, 2)"


def test_json_alone_refuses_what_it_has_no_number_for(folder: Path) -> None:
    with PodClient("my_mod", cwd=folder, payload="edn") as pod:
        assert pod.invoke("my-mod/odd") != pod.invoke("my-mod/odd")
    with PodClient("my_mod", cwd=folder) as pod:
        assert "JSON has no number for nan" in str(error_of(pod, "my-mod/odd"))
        assert json.loads(json.dumps(pod.invoke("my-mod/today"))) == {"py/date": "2024-02-29"}
