"""`bascule pod` with real workers, through a client that dies of what would kill a real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from configured import eventually
from pod_client import PodClient, PodError, error_of

pytestmark = pytest.mark.usefixtures("nothing_left")

MODULE = '''
"""A module to be called from Clojure."""
import logging
import os
import subprocess
import sys
import threading
import time
from datetime import date

MAX_SIZE = 3

def add(first, second=2, *, third=0):
    """Adds "them".

    All of them.
    """
    return first + second + third

def echo(value): return value
def whoami(): return os.getpid()
def fail(message): raise ValueError(message)
def chain():
    try:
        {}["gone"]
    except KeyError as error:
        raise RuntimeError("could not") from error
def leave(code): sys.exit(code)
def die(): os.kill(os.getpid(), 9)
def hard_exit(): os._exit(3)
def odd(): return float("nan")
def today(): return date(2024, 2, 29)
def forever():
    while True:
        time.sleep(0.01)
def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    return "seen"
def when(path, value):
    if path:
        wait_for(path)
    return value
def worker_of(_obj): return os.getpid()
def say():
    print("from print")
    logging.warning("from logging")
    os.write(1, b"from os.write\\n")
    subprocess.run(["echo", "from a child"])
    print("no newline", end="")
    return "said"
def say_later():
    thread = threading.Thread(target=print, args=["from a thread"])
    thread.start()
    thread.join()
def flood(lines):
    for line in range(lines):
        print("x" * 99)
def count_up(to):
    for number in range(to):
        yield number
def count_for_ever():
    number = 0
    while True:
        yield number
        number += 1
def count_and_fail(to):
    yield from range(to)
    raise ValueError("enough")
async def soon(value): return value
def each(items, function): return [function(item) for item in items]
def each_pair(pairs, function): return [function(name, number) for name, number in pairs.items()]
def key(value, *, key): return key(value)
def surrogates(): raise ValueError("\\ud800 ü " + "x" * 100_000)

class Stack:
    """Last in, first out."""
    def __init__(self, *items): self.items = list(items)
    def push_all(self, *more): self.items.extend(more); return len(self.items)
    def __len__(self): return len(self.items)
    def __add__(self, other): return Stack(*self.items, *other.items)
    def __iter__(self): return iter(self.items)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    (folder / "my_mod.py").write_text(textwrap.dedent(MODULE))
    (folder / "broken_mod.py").write_text(
        "def f():\n    '''Never.'''\nprint('importing')\nraise RuntimeError('not today')"
    )
    (folder / "deadly_mod.py").write_text("import os; os._exit(7)")
    (folder / "slow_mod.py").write_text("import time; time.sleep(600)")
    (folder / "loud_mod.py").write_text("import os\nprint('loud')\nos.write(1, b'and clear\\n')\ndef f(): return 1")
    return folder


@pytest.fixture
def pod(folder: Path) -> Iterator[PodClient]:
    with PodClient("my_mod", cwd=folder) as client:
        yield client


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[PodClient]:
    """One pod for the many tests that leave it as it was."""
    with PodClient("my_mod", cwd=folder) as client:
        yield client


# What there is.


def test_a_module_is_a_namespace_in_kebab_case_with_docs_and_arglists(pod: PodClient) -> None:
    assert [each["name"] for each in pod.description["namespaces"]] == ["my-mod", "py"]
    assert pod.description["ops"] == {"shutdown": {}}
    found = pod.vars("my-mod")
    assert found["add"]["meta"] == (
        '{:doc "Adds \\"them\\".\\n\\nAll of them."'
        " :arglists ([first] [first second] [first second {:py/kwargs {:keys [third]}}])}"
    )
    assert {"count-up", "Stack", "MAX-SIZE"} <= set(found)
    assert not {"date", "logging", "os"} & set(found)
    assert {"call", "init", "method", "attr", "const", "op", "release"} <= set(pod.vars("py"))


def test_namespaces_can_be_named_and_the_first_names_the_pod(folder: Path) -> None:
    with PodClient("math=my.maths", "my_mod", "os.path", "--path", str(folder)) as pod:
        assert [each["name"] for each in pod.description["namespaces"]] == ["my.maths", "my-mod", "os.path", "py"]
        assert pod.invoke("my.maths/pow", 2, 16) == 65536.0
        assert pod.invoke("my.maths/pi") == pytest.approx(3.14159, abs=1e-5)
        assert pod.invoke("os.path/join", "a", "b") == "a/b"
        assert pod.invoke("my-mod/add", 1) == 3


def test_the_workers_may_run_another_python(folder: Path, interpreters: dict[tuple[int, int], str]) -> None:
    version, python = next(iter(interpreters.items()))
    with PodClient("my_mod", "--python", python, "--workers", "1", cwd=folder) as pod:
        assert pod.invoke("py/call", "builtins:list", pod.invoke("py/const", "sys:version_info"))[:2] == list(version)
        assert pod.invoke("my-mod/add", 1) == 3


def test_a_module_that_cannot_be_imported_warns_and_raises_when_called(folder: Path) -> None:
    with PodClient("broken_mod", "my_mod", cwd=folder) as pod:
        assert list(pod.vars("broken-mod")) == ["f", "import-error"]
        assert "module broken_mod can't be imported: RuntimeError: not today" in pod.stderr
        for var in ("f", "import-error"):
            error = error_of(pod, f"broken-mod/{var}")
            assert str(error) == "RuntimeError: not today"
            assert error.data["class"] == "RuntimeError"


def test_a_module_that_kills_its_worker_hangs_nobody(folder: Path) -> None:
    with PodClient("deadly_mod", "my_mod", cwd=folder) as pod:
        assert list(pod.vars("deadly-mod")) == ["import-error"]
        assert pod.invoke("my-mod/add", 1) == 3
        assert error_of(pod, "deadly-mod/import-error").data["kind"] == "worker_lost"


def test_an_import_that_takes_too_long_is_given_up(folder: Path) -> None:
    with PodClient("slow_mod", "--import-timeout", "3", cwd=folder) as pod:
        assert list(pod.vars("slow-mod")) == ["import-error"]
        with pytest.raises(PodError) as caught:
            pod.invoke("slow-mod/import-error")
        assert caught.value.data["kind"] == "timeout"
        assert pod.invoke("py/len", [1, 2]) == 2, "another call works"


def test_a_strict_pod_ends_with_status_1_when_a_module_is_broken(folder: Path) -> None:
    client = PodClient("broken_mod", "--strict", cwd=folder, describe=False)
    with client:
        client.send("describe")
        with pytest.raises(EOFError, match="RuntimeError: not today"):
            client.receive()
        assert client.process.wait(60) == 1


def test_what_an_import_prints_is_not_for_the_client(folder: Path) -> None:
    with PodClient("loud_mod", "--workers", "1", cwd=folder) as pod:
        assert pod.invoke("loud-mod/f") == 1
        assert pod.printed == []
    # Read after the end: what was written to descriptor 1 comes on its own way.
    with PodClient("loud_mod", "--workers", "1", cwd=folder) as pod:
        pod.send("shutdown")
        pod.process.wait(60)
        assert "loud\n" in pod.stderr


def test_a_client_that_remembers_the_description_may_call_at_once(folder: Path) -> None:
    with PodClient("my_mod", cwd=folder, describe=False) as pod:
        assert pod.invoke("my-mod/MAX-SIZE") == 3
        (message,) = pod.messages(pod.send("load-ns", ns="my-mod"))
        assert message["name"] == "my-mod"
        assert "add" in [each["name"] for each in message["vars"]]


def test_deferred_namespaces_are_loaded_when_required(folder: Path) -> None:
    with PodClient("my_mod", "broken_mod", "--defer", cwd=folder) as pod:
        assert pod.description["namespaces"][0] == {"name": "my-mod", "vars": [], "defer": "true"}
        assert "can't be imported" not in pod.stderr
        (message,) = pod.messages(pod.send("load-ns", ns="my-mod"))
        assert "add" in [each["name"] for each in message["vars"]]
        (message,) = pod.messages(pod.send("load-ns", ns="broken-mod"))
        assert [each["name"] for each in message["vars"]] == ["f", "import-error"]
        assert pod.invoke("my-mod/add", 1) == 3


def test_without_modules_there_is_still_all_of_python() -> None:
    with PodClient() as pod:
        assert [each["name"] for each in pod.description["namespaces"]] == ["py"]
        assert pod.invoke("py/call", "math:pow", 2, 16) == 65536.0


def test_a_wrong_command_line_is_refused_before_anything_starts() -> None:
    told = subprocess.run([sys.executable, "-m", "bascule", "pod", "a-b"], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert told.stdout == ""
    assert "'a-b' is no module's name" in told.stderr


# Calls.


def test_calls_take_positional_and_keyword_arguments(shared: PodClient) -> None:
    assert shared.invoke("my-mod/add", 1) == 3
    assert shared.invoke("my-mod/add", 1, 5) == 6
    assert shared.invoke("my-mod/add", 1, third=10) == 13
    assert shared.invoke("my-mod/add", "a", "b", third="c") == "abc"
    assert shared.invoke("my-mod/MAX-SIZE") == 3
    assert shared.invoke("my-mod/soon", [1]) == [1]
    assert shared.invoke("py/call", "json:dumps", {"b": 1, "a": 2}, **{"sort-keys": True}) == '{"a": 2, "b": 1}'


@pytest.mark.parametrize(
    "value", [None, True, False, 0, -1, 10**30, 1.5, "", "ü😀\n\0", [], [[1, [2]]], {}, {"a": {"b": [None]}}]
)
def test_values_come_back_as_they_went(shared: PodClient, value: Any) -> None:
    assert shared.invoke("my-mod/echo", value) == value


def test_large_values_come_back(shared: PodClient) -> None:
    text = "x" * (4 << 20)
    assert shared.invoke("my-mod/echo", text) == text
    assert shared.invoke("my-mod/echo", list(range(100_000))) == list(range(100_000))


def test_objects_stay_in_python_behind_handles(shared: PodClient) -> None:
    stack = shared.invoke("my-mod/Stack", 1, 2)
    assert set(stack) == {"py/handle", "type"}
    assert "Stack" in stack["type"]
    assert shared.invoke("py/method", stack, "push-all", 3, 4) == 4
    assert shared.invoke("py/len", stack) == 4
    assert shared.invoke("py/attr", stack, "items") == [1, 2, 3, 4]
    shared.invoke("py/set-attr", stack, "label", "mine")
    assert shared.invoke("py/attr", stack, "label") == "mine"
    shared.invoke("py/del-attr", stack, "label")
    assert error_of(shared, "py/attr", stack, "label").data["class"] == "AttributeError"
    both = shared.invoke("py/op", "add", stack, stack)
    assert shared.invoke("py/list", both) == [1, 2, 3, 4, 1, 2, 3, 4]
    assert shared.invoke("my-mod/echo", stack)["py/handle"]
    assert shared.invoke("py/builtin", "isinstance", both, shared.invoke("py/type", stack)) is True
    assert "items" in shared.invoke("py/dir", stack)
    assert "Stack object" in shared.invoke("py/repr", stack)
    assert shared.invoke("py/describe", stack)["type"]
    assert shared.invoke("py/release", stack, stack, both) is None  # echo handed it out once more
    assert error_of(shared, "py/len", stack).data["kind"] == "handle_lost"


def test_the_namespace_py_reaches_everything(shared: PodClient) -> None:
    assert shared.invoke("py/const", "math:pi", "int") == 3
    counter = shared.invoke("py/ref", "collections:Counter", "abracadabra")
    assert shared.invoke("py/method", counter, "most_common", 1) == [["a", 5]]
    assert shared.invoke("py/get-item", counter, "b") == 2
    shared.invoke("py/set-item", counter, "z", 9)
    assert shared.invoke("py/contains", counter, "z") is True
    shared.invoke("py/del-item", counter, "z")
    assert shared.invoke("py/contains", counter, "z") is False
    assert shared.invoke("py/dict", counter)["a"] == 5
    assert shared.invoke("py/op", "not-", True) is False
    assert shared.invoke("py/builtin", "sorted", [2, 3, 1], reverse=True) == [3, 2, 1]
    assert shared.invoke("py/method", "abc", "upper") == "ABC"
    assert shared.invoke("py/str", [1, 2]) == "[1, 2]"
    deque = shared.invoke("py/init", "collections:deque", [1, 2])
    iterator = shared.invoke("py/builtin", "iter", deque)
    assert [shared.invoke("py/next", iterator), shared.invoke("py/next", iterator, None)] == [1, 2]
    assert shared.invoke("py/next", iterator, None) is None


def test_calls_run_side_by_side_and_replies_overtake(shared: PodClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    slow = shared.start("my-mod/wait-for", str(gate))
    assert [shared.invoke("my-mod/add", number) for number in range(50)] == [number + 2 for number in range(50)]
    gate.touch()
    assert shared.result(slow) == "seen"


def test_a_thousand_calls_at_once_are_all_answered(shared: PodClient) -> None:
    ids = [shared.start("my-mod/add", number) for number in range(1000)]
    assert [shared.result(id) for id in ids] == [number + 2 for number in range(1000)]


# Errors.


def test_an_exception_carries_its_class_traceback_and_cause(shared: PodClient) -> None:
    error = error_of(shared, "my-mod/chain")
    assert str(error) == "RuntimeError: could not"
    assert error.data["kind"] == "python"
    assert (error.data["class"], error.data["module"]) == ("RuntimeError", "builtins")
    assert error.data["cause"]["class"] == "KeyError"
    assert "in chain" in error.data["traceback"]
    assert error.data["frames"][-1]["function"] == "chain"
    assert str(error_of(shared, "my-mod/fail", "no way")) == "ValueError: no way"


@pytest.mark.parametrize(
    ("var", "args", "kind"),
    [
        ("my-mod/leave", [3], "python"),
        ("my-mod/die", [], "worker_lost"),
        ("my-mod/hard-exit", [], "worker_lost"),
        ("my-mod/surrogates", [], "python"),
        ("my-mod/odd", [], "not_encodable"),
        ("my-mod/nothing", [], "not_found"),
        ("nothing/f", [], "not_found"),
        ("my-mod/add", [], "python"),
        ("py/call", ["math:nothing"], "not_found"),
        ("py/call", ["no_such_module:f"], "not_found"),
        ("py/call", ["my_mod:MAX_SIZE"], "not_found"),
        ("py/attr", ["text", "nothing"], "not_found"),
        ("py/len", [{"py/handle": "bsc" + "0" * 57, "type": "x"}], "handle_lost"),
    ],
)
def test_whatever_fails_is_an_error_with_data_and_the_next_call_works(
    shared: PodClient, var: str, args: list[Any], kind: str
) -> None:
    assert error_of(shared, var, *args).data["kind"] == kind


@pytest.mark.parametrize(
    "args", ["{}", "[1", "[1,]", "]", "[nope]", '["\\ud800"]', "[NaN]", "[" * 20_000, "\x00", "[1]]"]
)
def test_malformed_arguments_are_an_error_and_the_next_call_works(shared: PodClient, args: str) -> None:
    id = shared.send("invoke", var="my-mod/fail", args=args)
    with pytest.raises(PodError):
        list(shared.messages(id))
    assert shared.invoke("my-mod/add", 1) == 3


def test_bytes_that_are_no_utf_8_are_an_error_and_the_next_call_works(shared: PodClient) -> None:
    id = shared.send("invoke", var="my-mod/echo", args=b'["\xff"]')
    with pytest.raises(PodError):
        list(shared.messages(id))
    assert shared.invoke("my-mod/add", 1) == 3


def test_unknown_ops_and_messages_without_an_id_kill_nobody(pod: PodClient) -> None:
    with pytest.raises(PodError, match="no such op: 'compile'"):
        list(pod.messages(pod.send("compile")))
    pod.write(b"d2:op6:invoke3:var10:my-mod/adde")
    pod.write(b"d2:idle2:op6:invoke3:var10:my-mod/adde")
    assert pod.invoke("my-mod/add", 1) == 3
    assert pod.stderr.count("without a usable id") == 2


# Output.


def test_what_a_call_prints_reaches_it_before_its_reply(pod: PodClient) -> None:
    messages = list(pod.messages(pod.start("my-mod/say")))
    assert json.loads(messages[-1]["value"]) == "said"
    out = "\n".join([text for stream, text in pod.printed if stream == "out"])
    err = "\n".join([text for stream, text in pod.printed if stream == "err"])
    assert "from print" in out
    assert "no newline" in out
    assert "from logging" in err


def test_output_of_no_call_never_reaches_the_client(pod: PodClient) -> None:
    pod.invoke("my-mod/say-later")
    assert pod.invoke("my-mod/add", 1) == 3
    eventually(lambda: "from a thread" in pod.stderr + "".join([text for _, text in pod.printed]))


def test_a_flood_of_output_is_all_told(pod: PodClient) -> None:
    pod.invoke("my-mod/flood", 5_000)
    lines = "\n".join([text for _, text in pod.printed]).split("\n")
    assert len([line for line in lines if line]) == 5_000
    assert pod.invoke("my-mod/add", 1) == 3


# Streams.


def test_a_generator_streams_its_values_and_then_done(shared: PodClient) -> None:
    *values, last = shared.messages(shared.start("py/stream", "my_mod:count_up", 500))
    assert [json.loads(each["value"]) for each in values] == list(range(500))
    assert last["status"] == ["done"]
    assert "value" not in last
    (nothing,) = shared.messages(shared.start("py/stream", "my_mod:count_up", 0))
    assert nothing["status"] == ["done"]


def test_a_handle_streams_and_a_generator_function_called_plainly_is_one(shared: PodClient) -> None:
    generator = shared.invoke("my-mod/count-up", 3)
    assert shared.invoke("py/next", generator) == 0
    values = [
        json.loads(each["value"]) for each in shared.messages(shared.start("py/stream", generator)) if "value" in each
    ]
    assert values == [1, 2]
    stack = shared.invoke("my-mod/Stack", "a", "b")
    values = [
        json.loads(each["value"]) for each in shared.messages(shared.start("py/stream", stack)) if "value" in each
    ]
    assert values == ["a", "b"]


def test_a_stream_that_fails_gives_its_values_and_then_the_error(shared: PodClient) -> None:
    messages = shared.messages(shared.start("py/stream", "my_mod:count_and_fail", 100))
    assert [json.loads(next(messages)["value"]) for _ in range(100)] == list(range(100))
    with pytest.raises(PodError, match="ValueError: enough"):
        next(messages)


def test_an_endless_stream_leaves_room_for_calls_and_ends_with_the_pod(pod: PodClient) -> None:
    stream = pod.messages(pod.start("py/stream", "my_mod:count_for_ever"))
    assert [json.loads(next(stream)["value"]) for _ in range(1000)] == list(range(1000))
    assert pod.invoke("my-mod/add", 1) == 3


# The end.


def test_shutdown_ends_at_once_even_while_calls_run(folder: Path) -> None:
    with PodClient("my_mod", cwd=folder) as pod:
        running = [pod.start("my-mod/forever") for _ in range(4)]
        pod.send("shutdown", id="end")
        for id in running:
            with pytest.raises(PodError) as caught:
                list(pod.messages(id))
            assert caught.value.data["kind"] == "shutting_down"
        assert list(pod.messages("end"))[-1]["status"] == ["done"]
        assert pod.process.wait(60) == 0
        with pytest.raises(EOFError):
            pod.receive()


def test_the_end_of_the_input_ends_the_pod_when_all_is_answered(folder: Path) -> None:
    with PodClient("my_mod", cwd=folder) as pod:
        id = pod.start("my-mod/add", 1)
        assert pod.process.stdin is not None
        pod.process.stdin.close()
        assert pod.result(id) == 3
        assert pod.process.wait(60) == 0


def test_a_client_that_is_gone_leaves_nothing_behind(folder: Path) -> None:
    pod = PodClient("my_mod", cwd=folder)
    pod.start("my-mod/forever")
    for stream in (pod.process.stdin, pod.process.stdout):
        assert stream is not None
        stream.close()
    pod.process.wait(60)
    pod.close()


def test_a_killed_pod_leaves_nothing_behind(folder: Path) -> None:
    pod = PodClient("my_mod", cwd=folder)
    pod.start("my-mod/forever")
    os.kill(pod.process.pid, signal.SIGKILL)
    pod.process.wait(60)
    pod.close()


def test_rubbish_on_the_input_ends_the_pod_with_a_word_on_stderr(folder: Path) -> None:
    with PodClient("my_mod", cwd=folder) as pod:
        id = pod.start("my-mod/forever")
        pod.write(b"rubbish")
        with pytest.raises(PodError) as caught:
            list(pod.messages(id))
        assert caught.value.data["kind"] == "refused"
        assert pod.process.wait(60) == 1
        assert "the input can't be understood" in pod.stderr
