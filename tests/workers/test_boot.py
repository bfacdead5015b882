"""From a bare interpreter to a worker that is ready: any Python, nothing installed, nothing claimed but one name."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bascule.protocols.calls import Op, Want
from bascule.protocols.envelope import Codec
from bascule.workers import launch
from tests.workers.conftest import PROJECT
from tests.workers.harness import PATIENCE, CallError, Worker


def test_it_says_that_it_is_ready_and_what_it_is() -> None:
    with Worker() as worker:
        version = "{}.{}.{}".format(*sys.version_info[:3])
        assert worker.started == {
            "op": "ready",
            "pid": worker.process.pid,
            "python": version,
            "implementation": "cpython",
        }


def test_every_python_that_is_here_can_be_a_pools(interpreters: dict[tuple[int, int], str]) -> None:
    assert interpreters
    for version, executable in interpreters.items():
        with Worker(executable=executable, paths=[str(PROJECT)]) as worker:
            assert worker.started["python"].startswith("{}.{}.".format(*version))
            for codec in Codec:
                assert worker.call("things:add", 1, 2, codec=codec) == 3
            counter = worker.call("things:Counter", 5, op=Op.INIT)
            assert worker.call("len", op=Op.BUILTIN, on=counter) == 5
            assert worker.call("things:same", (1, {2}, 1 << 80, 1.5, b"x")) == (1, {2}, 1 << 80, 1.5, b"x")
            assert worker.call("things:aadd", 1, 2) == 3
            error = worker.error("things:fail", "cause")
            assert (error["class"], error["cause"]["class"]) == ("RuntimeError", "KeyError")
            assert worker.error("things:recurse")["class"] == "RecursionError"
            assert worker.call("things:fork_and", "exit") == [7]
            assert worker.call("call", op=Op.OPERATOR, on=worker.call("things:taken", op=Op.CONST)) == []
            spinning = worker.start("things:spin")
            worker.wait_until_armed(spinning)
            worker.cancel(spinning)
            with pytest.raises(CallError, match="cancelled"):
                worker.result(spinning)
            call_id = worker.start("things:print_lines", 100)
            assert worker.result(call_id) == 100
            assert worker.printed(call=call_id).count("\n") == 100


def test_threads_work_in_every_python_that_is_here(interpreters: dict[tuple[int, int], str]) -> None:
    for executable in interpreters.values():
        with Worker(executable=executable, paths=[str(PROJECT)], preload=["things"], threads=2) as worker:
            spinning = worker.start("things:spin")
            worker.wait_until_running(spinning)
            assert worker.call("things:add", 1, 2) == 3
            worker.cancel(spinning)
            with pytest.raises(CallError, match="cancelled"):
                worker.result(spinning)
            assert worker.call("things:aadd", 1, 2) == 3


def test_a_python_that_is_too_old_is_refused_in_words() -> None:
    command = launch.command(sys.executable, 0, 1, 2)
    command[3] = command[3].replace("(3, 9)", "(99, 0)")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert b"needs Python" in done.stderr


def test_a_worker_claims_no_name_but_its_own() -> None:
    with Worker() as worker:
        worker.exec("import sys")
        names = set(worker.call("list", worker.call("sys:modules", op=Op.CONST, want=Want.HANDLE), op=Op.BUILTIN))
        assert not {name for name in names if name.split(".")[0] in ("bridge", "protocols", "workers", "tests")}
        listing = "import sys; print(*sys.path, sep='\\n')"
        bare = subprocess.check_output([sys.executable, "-I", "-c", listing], text=True).splitlines()
        assert worker.call("sys:path", op=Op.CONST) == bare
        assert worker.call("sys:argv", op=Op.CONST) == [""]


def test_an_idle_worker_has_imported_nothing_heavy() -> None:
    with Worker() as worker:
        names = set(worker.call("list", worker.call("sys:modules", op=Op.CONST, want=Want.HANDLE), op=Op.BUILTIN))
        heavy = {"asyncio", "inspect", "json", "traceback", "typing", "dataclasses", "re", "threading", "logging"}
        heavy |= {"trio", "pydantic", "ctypes", "pickle", "socket", "bascule.protocols.etf", "bascule.protocols.jsonic"}
        assert not names & heavy - _already_there()


def _already_there() -> set[str]:
    """What this Python imports by itself (an editable install may have hooks)."""
    listing = "import sys; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-I", "-c", listing], text=True).split())


@pytest.mark.parametrize("name", ["bridge", "protocols", "workers", "bascule_user"])
def test_a_project_may_use_the_names_of_our_rooms(tmp_path: Path, name: str) -> None:
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text("from .inside import f\n")
    (package / "inside.py").write_text("def f(): return __name__\nclass C:\n    pass\n")
    (tmp_path / "handle.py").write_text(f"import {name}\ndef g(): return {name}.__file__\n")
    with Worker(paths=[str(tmp_path)]) as worker:
        assert worker.call(f"{name}:f") == f"{name}.inside"
        assert worker.call(f"{name}.inside.f") == f"{name}.inside"
        assert worker.call("handle:g") == str(package / "__init__.py")
        made = worker.call(f"{name}.inside.C")
        assert made.type_name == f"{name}.inside.C"
        copied = worker.call("pickle:loads", worker.call("pickle:dumps", made))
        assert copied.type_name == f"{name}.inside.C"
        agen = worker.error("things:add")
        assert agen["kind"] == "not_found"


def test_paths_come_first_and_in_order(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "twice.py").write_text(f"def f(): return {number}\n")
    with Worker(paths=[str(tmp_path / "2"), str(tmp_path / "1")]) as worker:
        assert worker.call("twice:f") == 2
        assert worker.call("sys:path", op=Op.CONST)[:2] == [str(tmp_path / "2"), str(tmp_path / "1")]


def test_modules_are_preloaded_before_it_is_ready(tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text("print('loading')\nstate = []\n")
    with Worker(paths=[str(tmp_path)], preload=["early", "decimal"]) as worker:
        assert worker.output == [(0, False, "loading\n")]
        assert worker.call("early:state", op=Op.CONST) == []


@pytest.mark.parametrize("init", ["def init():", "async def init():"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_init_function_has_run_before_it_is_ready(tmp_path: Path, init: str, threads: int) -> None:
    (tmp_path / "setup_pool.py").write_text(f"state = []\n{init}\n    state.append('done')\ndef get(): return state\n")
    with Worker(paths=[str(tmp_path)], init="setup_pool:init", threads=threads) as worker:
        assert worker.call("setup_pool:get") == ["done"]


def test_what_an_async_init_opens_belongs_to_the_loop_of_the_calls(tmp_path: Path) -> None:
    (tmp_path / "looped.py").write_text(
        "import asyncio\n"
        "async def init():\n    global loop\n    loop = asyncio.get_running_loop()\n"
        "async def same():\n    return asyncio.get_running_loop() is loop\n"
    )
    with Worker(paths=[str(tmp_path)], init="looped:init") as worker:
        assert worker.call("looped:same") is True
        assert worker.call("looped:same") is True


@pytest.mark.parametrize(
    ("options", "kind", "word"),
    [
        ({"preload": ["no_such_module_at_all"]}, "python", "no_such_module_at_all"),
        ({"preload": ["raises_at_import"]}, "python", "at import"),
        ({"init": "things:no_such_function"}, "not_found", "no_such_function"),
        ({"init": "things:fail"}, "python", "not this"),
        ({"init": "sys:exit"}, "python", ""),
        ({"converters": "no_such_converters"}, "python", "no_such_converters"),
        ({"converters": "things"}, "python", "to_wire"),
    ],
)
def test_a_failing_start_is_told_in_full_and_ends_the_worker(options: dict[str, object], kind: str, word: str) -> None:
    with Worker(paths=[str(PROJECT)], **options) as worker:
        assert worker.started["op"] == "failed"
        error = worker.started["error"]
        assert error["kind"] == kind
        assert word in error["message"]
        assert error["worker"] == "tests/3.1"
        assert worker.process.wait(PATIENCE) == 1


def test_the_pools_converters_are_used(tmp_path: Path) -> None:
    (tmp_path / "conv.py").write_text(
        "def to_wire(obj, codec):\n"
        "    return ['counter', obj.value] if type(obj).__name__ == 'Counter' else NotImplemented\n"
        "def from_wire(value, codec):\n"
        "    import things\n"
        "    return things.Counter(value[1]) if isinstance(value, list) and value[:1] == ['counter'] else value\n"
    )
    with Worker(paths=[str(PROJECT), str(tmp_path)], converters="conv") as worker:
        assert worker.call("things:Counter", 5) == ["counter", 5]
        assert worker.call("builtins:len", ["counter", 6]) == 6
        assert worker.call("things:add", 1, kwargs={"b": 2}) == 3


def test_the_data_segment_can_be_limited_and_the_address_space_is_not() -> None:
    with Worker(memory=512 << 20) as worker:
        assert worker.call("resource:getrlimit", resource.RLIMIT_DATA)[0] == 512 << 20
        assert worker.call("resource:getrlimit", resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def test_a_python_without_msgpack_uses_the_bridges(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    executable = str(tmp_path / "bare" / "bin" / "python")
    with Worker(executable=executable) as worker:
        assert "msgpack" not in worker.call(
            "list", worker.call("sys:modules", op=Op.CONST, want=Want.HANDLE), op=Op.BUILTIN
        )
        assert worker.error("msgpack:packb", 1)["kind"] == "not_found"


def test_an_old_msgpack_of_the_pools_is_left_alone(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "old")], check=True)
    packages = tmp_path / "old" / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"
    (packages / "msgpack.py").write_text("version = (0, 5, 6)\ndef packb(value): return 'old'\n")
    with Worker(executable=str(tmp_path / "old" / "bin" / "python")) as worker:
        assert worker.call("msgpack:packb", 1) == "old"


def test_the_memory_of_an_idle_worker_is_near_that_of_a_bare_python_with_msgpack() -> None:
    def resident(pid: int) -> int:
        return int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("Rss:")[1].split()[0])

    bare = subprocess.Popen(
        [sys.executable, "-I", "-c", "import msgpack, os; os.write(1, b'x'); os.read(0, 1)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert bare.stdout is not None
    os.read(bare.stdout.fileno(), 1)
    with Worker() as worker:
        ratio = resident(worker.process.pid) / resident(bare.pid)
    bare.communicate(b"x")
    assert ratio <= 1.3
