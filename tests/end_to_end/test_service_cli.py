"""`bascule call` and `bascule map`, as typed into a shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_service import READY_WITHIN, Service, Terminal, own_service, wait_gone

HERE = Path(__file__).parent
BASCULE = [sys.executable, "-m", "bascule"]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with own_service("--path", str(HERE)) as service:
        yield service


class Shell:
    def __init__(self, service: Service) -> None:
        self._socket = str(service.socket)

    def __call__(self, command: str, *words: str, stdin: str = "") -> tuple[int, str, str]:
        """Status, standard output, standard error."""
        arguments = [*BASCULE, command, "--socket", self._socket, *words]
        done = subprocess.run(arguments, input=stdin, capture_output=True, text=True, check=False, timeout=READY_WITHIN)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def shell(service: Service) -> Shell:
    return Shell(service)


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["math:pow", "2", "16"], "65536.0\n"),
        (["operator:add", "-1", "-2.5"], "-3.5\n"),
        (["operator:add", "one", "two"], "onetwo\n"),
        (["operator:add", "[1]", "[2]"], "[1, 2]\n"),
        (["json:dumps", '{"a": [1, null]}', "indent=1"], '{\n "a": [\n  1,\n  null\n ]\n}\n'),
        (["--str", "builtins:repr", "12"], "'12'\n"),
        (["builtins:repr", '"12"'], "'12'\n"),
        (["builtins:dict", "a=b=c", "d=[1]"], "{'a': 'b=c', 'd': [1]}\n"),
        (["--json", "builtins:dict", "a=1"], '{"a":1}\n'),
        (["--json", "builtins:set", "[1]"], '{"py/set":[1]}\n'),
        (["builtins:print", "grüße"], "grüße\n"),
        (["--want", "handle", "builtins:dict", "a=1"], "{'a': 1}\n"),
        (["--", "builtins:repr", "--json"], "'--json'\n"),
        (["math:pow", "2", "--json", "16", "--timeout", "30"], "65536.0\n"),
    ],
    ids=" ".join,
)
def test_a_result_is_printed(shell: Shell, words: list[str], printed: str) -> None:
    assert shell("call", *words) == (0, printed, "")


def test_an_error_is_the_traceback_on_stderr_and_status_1(shell: Shell) -> None:
    status, out, err = shell("call", "json:loads", "nonsense")
    assert (status, out) == (1, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert "json.decoder.JSONDecodeError: Expecting value" in err
    assert shell("call", "math:sqrt", "-1") == (1, "", "ValueError: math domain error\n")
    status, _, err = shell("call", "math:no_such", "1")
    assert status == 1
    assert "has no attribute 'no_such'" in err


def test_an_error_is_json_when_json_was_asked_for(shell: Shell) -> None:
    status, out, err = shell("call", "--json", "math:sqrt", "-1")
    assert (status, out) == (1, "")
    error = json.loads(err)
    assert (error["kind"], error["class"], error["message"]) == ("python", "ValueError", "math domain error")
    assert json.loads(shell("call", "--json", "builtins:iter", "[]")[2])["kind"] == "not_encodable"


def test_the_same_call_is_made_on_every_worker(shell: Shell, service: Service) -> None:
    with service.client() as client:
        pids = {row["pid"] for row in client.status()["workers"] if row["state"] == "active"}
    status, out, _ = shell("call", "--everywhere", "os:getpid")
    assert status == 0
    assert pids <= set(map(int, out.split()))
    assert shell("call", "--everywhere", "builtins:dict", "a=1") == (
        *(2, ""),
        "bascule call: --everywhere takes positional arguments alone\n",
    )


def test_the_items_of_an_iterator_are_printed_as_they_come(shell: Shell) -> None:
    assert shell("call", "--stream", "builtins:range", "3") == (0, "0\n1\n2\n", "")
    assert shell("call", "--stream", "--json", "builtins:enumerate", '["a", null]', "start=7") == (
        *(0, '[7,"a"]\n[8,null]\n'),
        "",
    )
    assert shell("call", "--stream", "builtins:map", "1") == (
        1,
        "",
        "TypeError: map() must have at least two arguments.\n",
    )
    assert shell("call", "--stream", "builtins:len", "[]") == (1, "", "TypeError: 'int' object is not iterable\n")
    status, _, err = shell("call", "--stream", "--no-cache", "builtins:range", "3")
    assert (status, err) == (2, "bascule call: --stream prints the items' values, and no answer of it is kept\n")


def test_who_has_seen_enough_of_an_endless_iterator_ends_it(service: Service) -> None:
    command = [sys.executable, "-m", "bascule", "call", "--socket", str(service.socket), "--stream", "itertools:count"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert [process.stdout.readline() for _ in range(2)] == ["0\n", "1\n"]
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == ("", 0)


def test_a_call_that_takes_too_long_is_stopped(shell: Shell) -> None:
    status, _, err = shell("call", "--timeout", "0.1", "time:sleep", "60")
    assert status == 1
    assert err.startswith("bascule call: timeout: the deadline passed")


@pytest.mark.parametrize(
    "words", [[], ["--want", "nothing", "m:f"], ["--timeout", "0", "m:f"], ["--timeout", "soon", "m:f"]], ids=str
)
def test_a_wrong_command_line_is_status_2(shell: Shell, words: list[str]) -> None:
    status, out, err = shell("call", *words)
    assert (status, out) == (2, "")
    assert "usage: bascule call" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stat"], "did you mean status?"),
        (["zzz"], "allowed: serve, call, map,"),
        (["call"], "required: TARGET (see bascule call --help)"),
        (["call", "--jsn", "math:sqrt", "4"], "bascule call: error: there is no option --jsn; did you mean --json"),
        (["cache", "stats", "--cache", "x"], "there is no option --cache; an argument that begins with a dash"),
        (["call", "math:sqrt", "-x"], "there is no option -x; an argument that begins with a dash stands behind --"),
        (["call", "--timeout", "soon", "m:f"], "argument --timeout: 'soon' is no number of seconds above 0"),
        (["map", "--chunk", "few", "m:f"], "argument --chunk: 'few' is no whole number of at least 1"),
        (["pool", "scale", "default", "many"], "argument N: 'many' is no whole number"),
        (["top", "--interval", "often"], "argument --interval: 'often' is no number"),
        (["pool", "scal", "default", "3"], "did you mean scale?"),
        (["pool", "scale", "default", "3", "4"], "bascule pool scale: error: too many arguments: 4"),
        (["map", "--reduce", "m:g", "--star", "m:f", "1"], "--star does not go with --reduce"),
        (["map", "--reduce", "m:g", "--over", "x", "m:f", "1"], "items are either on the command line or in the file"),
        (["map", "--resume", "m:f", "1"], "--resume and --errors go with --over and --output"),
    ],
    ids=" ".join,
)
def test_a_mistake_on_the_command_line_is_named_with_what_comes_close(words: list[str], said: str) -> None:
    done = subprocess.run([*BASCULE, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_result_that_json_can_t_tell_is_an_error_of_its_call(shell: Shell) -> None:
    status, out, err = shell("call", "--json", "builtins:float", "nan")
    assert (status, out) == (1, "")
    assert json.loads(err)["kind"] == "not_encodable"
    status, out, err = shell("map", "--json", "--keep-going", "builtins:float", "1", "nan", "2")
    assert (status, out) == (1, "1.0\nnull\n2.0\n")
    assert "JSON has no number for nan" in json.loads(err)["message"]


def test_a_module_that_is_only_in_the_caller_s_folder_is_pointed_at(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_alone.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.chdir(tmp_path)
    status, _, err = shell("call", "mine_alone:double", "2")
    assert status == 1
    assert "mine_alone.py is in this folder, where the service's workers don't look" in err
    assert "did you mean 'builtins:pow'?" in shell("call", "pow", "2", "3")[2]


def test_without_the_service_that_was_named_it_is_status_3(runtime_folder: Path) -> None:
    missing = str(runtime_folder / "no.sock")
    done = subprocess.run([*BASCULE, "call", "--socket", missing, "m:f"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == (
        f"bascule call: no service at {missing}: there is no such socket. "
        f"Start one with: bascule serve --socket {missing}\n"
    )
    done = subprocess.run(
        [*BASCULE, "call", "--json", "m:f"],
        env={**os.environ, "BASCULE_SOCKET": missing},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, json.loads(done.stderr)["kind"]) == (3, "no_service")


def test_a_pool_that_is_not_there_is_refused(shell: Shell) -> None:
    status, _, err = shell("call", "--pool", "fast", "m:f")
    assert status == 3
    assert "there is no pool 'fast'; there are default" in err


def test_results_are_brought_together_in_the_workers(shell: Shell, tmp_path: Path) -> None:
    assert shell("map", "builtins:int", "--reduce", "operator:add", "1", "2", "3") == (0, "6\n", "")
    numbers = "".join(f"{number}\n" for number in range(1000))
    assert shell("map", "operator:neg", "--reduce", "operator:add", "--chunk", "7", stdin=numbers) == (
        0,
        "-499500\n",
        "",
    )
    items = tmp_path / "items.jsonl"
    items.write_text("[1]\n\n[2, 3]\n")
    over = ("map", "--json", "builtins:list", "--reduce", "operator:add", "--over", str(items), "--idempotent")
    assert shell(*over) == (0, "[1,2,3]\n", "")
    with items.open("a") as file:
        file.write("nonsense\n")
    status, out, err = shell(*over)
    assert (status, out) == (2, "")
    assert err.startswith(f"bascule map: {items}:4: this line is no item: ")
    assert shell("map", "builtins:int", "--reduce", "operator:add") == (
        2,
        "",
        "bascule map: there is nothing to reduce\n",
    )
    status, out, err = shell("map", "--reduce", "operator:add", "math:sqrt", "4", "-1")
    assert (status, out, err.splitlines()[-1][:10]) == (1, "", "ValueError")
    status, _, err = shell("map", "--timeout", "0.3", "time:sleep", "--reduce", "operator:add", "60")
    assert status == 1
    assert "timeout" in err


def test_results_come_as_they_are_completed_where_their_order_does_not_matter(shell: Shell) -> None:
    status, out, err = shell("map", "--unordered", "--keep-going", "math:isqrt", "4", "-1", "9")
    assert (status, sorted(out.split())) == (1, ["2", "3"])
    assert err.startswith("ValueError")


def test_what_was_lost_is_run_again_where_that_is_said_to_be_harmless(shell: Shell, tmp_path: Path) -> None:
    once = tmp_path / "once"
    dies_once = (
        f"import os, pathlib; f = pathlib.Path({str(once)!r}); f.exists() or (f.touch(), os.kill(os.getpid(), 9))"
    )
    assert shell("map", "--json", "--idempotent", "builtins:exec", dies_once) == (0, "null\n", "")


def test_where_no_service_runs_a_call_has_a_bridge_of_its_own(runtime_folder: Path, nothing_left: None) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder, "mine.py").write_text("def double(x):\n    return 2 * x\n")
        done = subprocess.run([*BASCULE, "call", "mine:double", "21"], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")


def test_the_usual_service_is_found(runtime_folder: Path, nothing_left: None) -> None:
    folder = runtime_folder / "bascule"
    folder.mkdir(mode=0o700)
    service = Service(folder)
    usual = folder / "bascule.sock"
    service.socket.rename(usual)
    done = subprocess.run([*BASCULE, "call", "os:getppid"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) == service.process.pid
    usual.unlink()
    assert service.stop() == 0


def test_ctrl_c_ends_a_call_and_what_it_started(runtime_folder: Path, nothing_left: None) -> None:
    process = subprocess.Popen(
        [*BASCULE, "call", "builtins:exec", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    assert wait_gone(worker)


def test_a_map_prints_its_results_in_order(shell: Shell) -> None:
    assert shell("map", "math:isqrt", "1", "4", "9") == (0, "1\n2\n3\n", "")
    assert shell("map", "--star", "operator:add", "[1, 2]", "[3, 4]") == (0, "3\n7\n", "")
    status, out, err = shell("map", "math:isqrt", stdin="".join(f"{number**2}\n" for number in range(3000)))
    assert (status, err) == (0, "")
    assert out.split() == [str(number) for number in range(3000)]
    assert shell("map", "--json", "builtins:str", stdin='1\n\n"two"\n') == (0, '"1"\n"two"\n', "")
    assert shell("map", "--str", "--chunk", "1", "builtins:repr", "1", "x") == (0, "'1'\n'x'\n", "")


def test_with_star_an_item_that_is_no_list_is_named(shell: Shell) -> None:
    status, out, err = shell("map", "--star", "math:pow", "4 5")
    assert (status, out) == (2, "")
    assert err == "bascule map: with --star each item is a list of arguments, such as '[1, 2]'; '4 5' is none\n"


def test_a_map_ends_at_the_first_error_or_keeps_going(shell: Shell) -> None:
    told = "ValueError: math domain error\nbascule map: that was item 2"
    assert shell("map", "math:sqrt", "4", "-1", "9") == (1, "2.0\n", f"{told}; --keep-going goes on with the next\n")
    assert shell("map", "--keep-going", "math:sqrt", "4", "-1", "9") == (1, "2.0\n\n3.0\n", f"{told}\n")
    status, out, err = shell("map", "--json", "--keep-going", "math:sqrt", "4", "-1", "9")
    assert (status, out) == (1, "2.0\nnull\n3.0\n")
    assert json.loads(err)["class"] == "ValueError"


def test_a_map_s_progress_is_shown_where_somebody_sees_it(shell: Shell, service: Service) -> None:
    """With standard error on a terminal, and the results going elsewhere."""
    terminal = Terminal()
    line = [*BASCULE, "map", "--socket", str(service.socket), "math:isqrt", "1", "4"]
    done = subprocess.run(line, stdout=subprocess.PIPE, stderr=terminal.theirs, check=False)
    shown = terminal.drawn()
    assert (done.returncode, done.stdout) == (0, b"1\n2\n")
    assert "2/2" in shown
