"""What a pod is told to export and how, and the ways to reach it: a socket, a running service, an installed pod."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bcoding
import pytest
from pod_client import PodClient, PodError
from running_service import Service
from test_pod import folder

from bascule.protocols import edn

__all__ = ["folder"]
pytestmark = pytest.mark.usefixtures("nothing_left")
BASCULE = [sys.executable, "-m", "bascule"]

NAMED = """
import json as _json
from os.path import join
LIMIT = 3
def do_it(a_b: int, c: "list[str]" = (), *, key_word: float = 1.0) -> dict: "Does."
async def later(x: str): return x
def get_one(): return 1
def get_two(): return 2
def _hidden(): return 0
class Thing: pass
"""


@pytest.fixture
def named(tmp_path: Path) -> Path:
    (tmp_path / "named.py").write_text(NAMED)
    package = tmp_path / "pack" / "sub"
    package.mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text("base = 5\n")
    (package / "__init__.py").write_text("")
    (package / "leaf.py").write_text("import pack\ndef deep(): return pack.base\n")
    return tmp_path


def names(pod: PodClient, namespace: str) -> set[str]:
    return set(pod.vars(namespace))


def test_names_are_clojures_or_left_as_they_are(named: Path) -> None:
    with PodClient("named", cwd=named) as pod:
        assert names(pod, "named") == {"LIMIT", "do-it", "later", "get-one", "get-two", "Thing"}
    with PodClient("named", "pack.sub.leaf", "--names", "python", cwd=named) as pod:
        assert names(pod, "named") == {"LIMIT", "do_it", "later", "get_one", "get_two", "Thing"}
        assert pod.invoke("named/get_one") == 1
        assert pod.invoke("pack.sub.leaf/deep") == 5
        assert "[a_b :- int c :- " in pod.vars("named")["do_it"]["meta"]


def test_argument_lists_have_types_and_metadata_says_more(named: Path) -> None:
    with PodClient("named", cwd=named) as pod:
        found = pod.vars("named")
        meta = edn.loads(found["do-it"]["meta"].encode())
        assert meta["arglists"][:2] == [["a-b", "-", "int"], ["a-b", "-", "int", "c", "-", "list[str]"]]
        assert meta["py/returns"] == "dict"
        assert "key-word :- float" in found["do-it"]["meta"]
        assert edn.loads(found["later"]["meta"].encode())["py/async"] is True
        assert found["later"]["async"] == "true"
        assert edn.loads(found["LIMIT"]["meta"].encode())["py/type"] == "int"
        assert edn.loads(found["Thing"]["meta"].encode())["py/class"] is True


def test_patterns_say_what_is_exported(named: Path) -> None:
    with PodClient("named", "--include", "get_*", "--include", "named.LIMIT", "--exclude", "*_two", cwd=named) as pod:
        assert names(pod, "named") == {"get-one", "LIMIT"}
        with pytest.raises(PodError) as caught:
            pod.invoke("named/do-it", 1)
        assert caught.value.data["kind"] == "not_found"
    with PodClient("named", "--include", "do-*", "--include", "named.get-*", cwd=named) as pod:
        assert names(pod, "named") == {"do-it", "get-one", "get-two"}


def test_imported_and_private_names_are_exported_on_demand(named: Path) -> None:
    with PodClient("named", "--imports", "--private", cwd=named) as pod:
        assert {"join", "_hidden", "do-it"} <= names(pod, "named")
        assert pod.invoke("named/join", "a", "b") == "a/b"


def test_a_file_is_a_module_with_its_package(named: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with PodClient(f"{named}/named.py=my.ns", f"{named}/pack/sub/leaf.py", cwd=elsewhere) as pod:
        assert [each["name"] for each in pod.description["namespaces"]] == ["my.ns", "pack.sub.leaf", "py"]
        assert pod.invoke("my.ns/get-one") == 1
        assert pod.invoke("pack.sub.leaf/deep") == 5
    (named / "math.py").write_text("def mine(): return 1")
    with PodClient("./math.py=m", cwd=named) as pod:
        assert list(pod.vars("m")) == ["import-error"]
        assert "another module is called 'math' (" in pod.stderr


def test_a_configuration_file_says_the_same(named: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (named / "bascule.toml").write_text(
        '[pod]\nmodules = ["./named.py=my.ns", "json"]\nformat = "edn"\nexclude = ["get_*"]\nnames = "python"\n'
    )
    with PodClient(cwd=named, describe=False) as pod:
        pod.payload = "edn"
        pod.description = pod.describe()
        assert names(pod, "my.ns") == {"LIMIT", "do_it", "later", "Thing"}
        assert pod.invoke("json/dumps", [1]) == "[1]"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with PodClient("--config", str(named / "bascule.toml"), "json=other", "--format", "transit+json", cwd=elsewhere,
                   describe=False) as pod:  # fmt: skip
        pod.payload = "transit+json"
        pod.description = pod.describe()
        assert [each["name"] for each in pod.description["namespaces"]] == ["other", "py"]


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ("modules = 1", "pod.modules: a list of texts"),
        ("colour = 1", "pod.colour: there is no such setting; there are: modules, workers"),
        ('format = "xml"', "pod.format: one of json, edn, transit"),
        ('workers = "many"', "pod.workers: 'many' is no whole number"),
        ("workers = 0", "pod.workers: 0 is less than 1"),
        ("eager = 1", "pod.eager: true or false"),
        ("include = [1]", "pod.include: a list of texts"),
        ("=", "it is no TOML"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_with_the_place(tmp_path: Path, section: str, why: str) -> None:
    (tmp_path / "bascule.toml").write_text(f"[pod]\n{section}\n")
    told = subprocess.run([*BASCULE, "pod"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert told.stdout == ""
    assert why in told.stderr


def test_a_large_installed_package_is_announced_at_once_and_described_when_required() -> None:
    with PodClient("numpy", "numpy.linalg=la") as pod:
        spaces = {each["name"]: each for each in pod.description["namespaces"]}
        assert spaces["numpy"] == {"name": "numpy", "vars": [], "defer": "true"}
        assert "load-ns" in pod.description["ops"]
        (message,) = pod.messages(pod.send("load-ns", ns="numpy"))
        found = {each["name"]: each for each in message["vars"]}
        assert len(found) > 400
        assert "doc" in edn.loads(found["linspace"]["meta"].encode())
        assert not pod.invoke("py/call", "sys:modules.__contains__", "numpy")  # all this is told by its sources
        assert pod.invoke("numpy/pi") == math.pi  # of what is compiled they tell only the names
        assert pod.invoke("numpy/gcd", 12, 18) == 6
        array = pod.invoke("numpy/linspace", 0, 1, num=3)
        assert pod.invoke("py/method", array, "tolist") == [0.0, 0.5, 1.0]
    with PodClient("pandas") as pod:
        (message,) = pod.messages(pod.send("load-ns", ns="pandas"))
        found = {each["name"]: each.get("meta", "") for each in message["vars"]}
        assert "[filepath-or-buffer " in found["read-csv"]
        assert "[data" in found["DataFrame"]
        assert not pod.invoke("py/call", "sys:modules.__contains__", "pandas")
    with PodClient("numpy.linalg=la", "--eager") as pod:
        assert "norm" in pod.vars("la")
    with PodClient("numpy", describe=False) as pod:  # its client remembers the description
        assert pod.invoke("numpy/sum", [1, 2]) == 3


# A socket.


def test_a_client_may_ask_for_a_socket(folder: Path) -> None:
    env = {**os.environ, "BABASHKA_POD": "true", "BABASHKA_POD_TRANSPORT": "socket"}
    process = subprocess.Popen([*BASCULE, "pod", "my_mod"], cwd=folder, env=env, stdin=subprocess.DEVNULL)
    port_file = folder / f".babashka-pod-{process.pid}.port"
    deadline = time.monotonic() + 60
    while not (port_file.exists() and port_file.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    with socket.create_connection(("localhost", int(port_file.read_text()))) as client, client.makefile("rb") as reader:
        client.sendall(bcoding.bencode({"op": "describe", "id": "1"}))
        assert bcoding.bdecode(reader)["format"] == "json"
        client.sendall(bcoding.bencode({"op": "invoke", "id": "2", "var": "my-mod/add", "args": "[1]"}))
        assert bcoding.bdecode(reader)["value"] == "3"
        client.sendall(bcoding.bencode({"op": "shutdown", "id": "3"}))
        assert process.wait(60) == 0
    assert not list(folder.glob(".babashka-pod-*"))


STARTER = """
import os, subprocess, sys, time
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while not os.path.exists(f".babashka-pod-{process.pid}.port"):
    assert process.poll() is None
    time.sleep(0.01)
print(process.pid)
"""


def test_a_pod_whose_client_never_comes_ends_when_that_is_gone(folder: Path) -> None:
    env = {**os.environ, "BABASHKA_POD_TRANSPORT": "socket"}
    command = [sys.executable, "-c", STARTER, *BASCULE, "pod", "my_mod"]
    pid = int(subprocess.run(command, cwd=folder, env=env, capture_output=True, check=True).stdout)
    deadline = time.monotonic() + 60
    while list(folder.glob(".babashka-pod-*")):
        assert time.monotonic() < deadline, f"pod {pid} is still there"
        time.sleep(0.05)


# A running service.


@pytest.fixture
def service(folder: Path, runtime_folder: Path) -> Iterator[Service]:
    one = Service(runtime_folder, "--path", str(folder))
    try:
        yield one
    finally:
        one.stop()


def attached(service: Service, *arguments: str) -> list[str]:
    return [*BASCULE, "pod", "--attach", str(service.socket), *arguments]


def test_scripts_attach_to_the_service_and_share_its_workers(service: Service) -> None:
    pids = set()
    for payload in ("json", "edn"):
        with PodClient(command=attached(service, "my_mod", "--format", payload), describe=False) as pod:
            pod.payload = payload
            pod.description = pod.describe()
            assert pod.invoke("my-mod/add", 1, third=4) == 7
            pids.add(pod.invoke("my-mod/whoami"))
            stack = pod.invoke("my-mod/Stack", 1)
            assert pod.invoke("py/len", stack) == 1
            assert pod.invoke("py/scatter", "my_mod:add", [1, 2], {"progress": False}) == [3, 4]
            assert set(pod.invoke("py/everywhere", "math:sqrt", [16])) == {4.0}
            assert pod.invoke("py/reduce", "operator:add", [1, 2, 3], {"chunk": 1}) == 6
            pod.send("shutdown", id="end")
            assert list(pod.messages("end"))[-1]["status"] == ["done"]
            assert pod.process.wait(60) == 0
    assert len(pids) <= 2


def test_who_attaches_is_told_on_err_what_is_wrong_with_a_module(service: Service) -> None:
    """The service's log has it too; but the person at the client sees nothing of that."""
    with PodClient(command=attached(service, "my_mod", "broken_mod", "--eager")) as pod:
        assert [each["name"] for each in pod.description["namespaces"]] == ["my-mod", "broken-mod", "py"]
        assert pod.invoke("my-mod/add", 1) == 3
        ((stream, text),) = pod.printed
        assert stream == "err"
        assert text.startswith("bascule pod: module broken_mod can't be imported: RuntimeError: not today\nTraceback")
        assert [pod.invoke("my-mod/add", number) for number in range(3)] == [2, 3, 4]
        assert len(pod.printed) == 1, "it is told once"
    assert "module broken_mod can't be imported: RuntimeError: not today" in service.log()


def test_a_relay_needs_nothing_of_bascule_on_its_path(service: Service, folder: Path) -> None:
    from bascule.bridge.cli import relay

    command = [sys.executable, "-I", "-S", relay.__file__, str(service.socket), "my_mod=m"]
    with PodClient(command=command, cwd=folder) as pod:
        assert pod.invoke("m/add", 1) == 3
        text = "x" * (2 << 20)
        assert pod.invoke("m/echo", text) == text


def test_what_a_relay_imports_is_next_to_nothing() -> None:
    code = "import sys; before = set(sys.modules); import bascule.bridge.cli.relay; print(*(set(sys.modules) - before))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in told.stdout.split() if name.startswith("bascule")}
    assert set(told.stdout.split()) - ours <= {"__future__", "_socket", "select"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["my_mod", "--workers", "3"], "--workers is the service's to say"),
        (["my_mod", "--colour", "red"], "unrecognized arguments: --colour"),
        (["my_mod", "--format=xml"], "argument --format: invalid choice: 'xml' (choose from"),
        (["a-b"], "'a-b' is no module's name"),
        (["./x.py"], "a file can't be attached"),
    ],
)
def test_a_relay_that_is_told_nonsense_ends_with_the_reason(service: Service, arguments: list[str], why: str) -> None:
    """Whether its client waits for that or, as clients do, asks at once."""
    for asked in ("", "d2:op8:describee"):
        told = subprocess.run(attached(service, *arguments), input=asked, capture_output=True, text=True, check=False)
        assert (told.returncode, told.stdout) == (2, "")
        assert why in told.stderr


def test_a_relay_understands_options_however_they_are_written(service: Service) -> None:
    with PodClient(command=attached(service, "--names=python", "my_mod", "--exclude=MAX*"), describe=False) as pod:
        pod.description = pod.describe()
        assert {"count_up"} == {"count_up", "MAX_SIZE"} & names(pod, "my_mod")
    usage = subprocess.run([*BASCULE, "pod", "--attach", "--help"], capture_output=True, text=True, check=True)
    assert usage.stdout.startswith("usage: bascule pod")


def test_without_a_service_the_relay_says_so(tmp_path: Path) -> None:
    command = [*BASCULE, "pod", "--attach", f"{tmp_path}/nothing.sock", "my_mod"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 3
    assert "no service answers at" in told.stderr


def test_the_end_of_either_side_is_the_end_of_the_relay(service: Service) -> None:
    first = PodClient(command=attached(service, "my_mod"))
    first.start("my-mod/forever")
    first.process.kill()
    first.process.wait()
    first.close()
    second = PodClient(command=attached(service, "my_mod"))
    assert second.invoke("my-mod/add", 1) == 3
    service.process.send_signal(signal.SIGTERM)
    with pytest.raises(EOFError):
        second.receive()
    assert second.process.wait(60) == 1
    assert f"the service at {service.socket} has ended" in second.stderr
    second.close()


# An installed pod.


def resolve(root: Path, name: str, version: str) -> tuple[str, dict[str, object]]:
    """Where a client finds the executable, by the rules of the pod library's resolver; it must be there already."""
    manifest = edn.loads((root / "repository" / name / version / "manifest.edn").read_bytes())
    assert (manifest["pod/name"], manifest["pod/version"]) == (name, version)
    system, machine = "Linux", platform.machine()
    (artifact,) = [
        each
        for each in manifest["pod/artifacts"]
        if re.fullmatch(each["os/name"], system)
        and re.fullmatch(each["os/arch"].replace("amd64", "x86_64"), machine.replace("amd64", "x86_64"))
    ]
    there = root / "repository" / name / version / system.lower() / machine / artifact["artifact/executable"]
    assert there.exists(), "a client would fetch it now"
    return str(there), manifest


def test_an_installed_pod_is_found_by_the_clients_rules_and_starts(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BABASHKA_PODS_DIR", str(tmp_path))
    command = [
        *BASCULE,
        "pod",
        "--install",
        "my.org/my-pod",
        "0.1.0",
        "my_mod",
        "./loud_mod.py=loud",
        "--format",
        "edn",
    ]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert '(babashka.pods/load-pod \'my.org/my-pod "0.1.0")' in told.stdout
    executable, _ = resolve(tmp_path, "my.org/my-pod", "0.1.0")
    with PodClient(command=[executable], cwd=tmp_path, describe=False) as pod:
        pod.payload = "edn"
        pod.description = pod.describe()
        assert [each["name"] for each in pod.description["namespaces"]] == ["my-mod", "loud", "py"]
        assert pod.invoke("my-mod/add", 1) == 3
        assert Path(f"/proc/{pod.process.pid}/cmdline").read_bytes().startswith(sys.executable.encode()), "it exec'd"


def test_an_installed_pod_may_attach_to_a_service(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BABASHKA_PODS_DIR", str(tmp_path))
    install = ["--install", "org/warm", "1", "--attach", str(service.socket), "--names", "python", "my_mod"]
    subprocess.run([*BASCULE, "pod", *install], cwd=tmp_path, capture_output=True, check=True)
    executable, _ = resolve(tmp_path, "org/warm", "1")
    assert "-I -S" in Path(executable).read_text()
    with PodClient(command=[executable], cwd=tmp_path) as pod:
        assert pod.invoke("my_mod/count_up", 1)["py/handle"]


def test_an_installed_pod_lies_at_home_when_nothing_else_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BABASHKA_PODS_DIR", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    command = [*BASCULE, "pod", "--install", "org/name", "1", "json"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    resolve(tmp_path / ".babashka" / "pods", "org/name", "1")


def test_a_pod_that_is_installed_again_is_described_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """babashka keeps the description of a pod of `bb.edn` in this file, and asks no more."""
    command = [*BASCULE, "pod", "--install", "org/name", "1", "json"]
    tree = Path("repository", "org", "name", "1", "linux", platform.machine())
    monkeypatch.setenv("BABASHKA_PODS_DIR", str(tmp_path))
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    (kept := tmp_path / tree / "metadata.cache").write_text("of the earlier one")
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert not kept.exists()
    monkeypatch.delenv("BABASHKA_PODS_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (kept := tmp_path / "cache" / ".babashka" / "pods" / tree / "metadata.cache").parent.mkdir(parents=True)
    kept.write_text("of the earlier one")
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert not kept.exists()


@pytest.mark.parametrize(
    ("name", "version"), [("name", "1"), ("../org/name", "1"), ("org/name", "../1"), ("a/b/c", "1")]
)
def test_names_that_are_none_are_not_installed(tmp_path: Path, name: str, version: str) -> None:
    env = {**os.environ, "BABASHKA_PODS_DIR": str(tmp_path)}
    command = [*BASCULE, "pod", "--install", name, version, "json"]
    told = subprocess.run(command, env=env, capture_output=True, check=False)
    assert told.returncode == 2
    assert list(tmp_path.iterdir()) == []


# An independent client.

THEIRS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import python_pods as pods
pod = pods.load_pod(sys.argv[2:])
id = pod["pod_id"]
call = lambda var, *args: pods.invoke_public(id, var, list(args))
said = {
    "format": pod["format"],
    "namespaces": [each["name"] for each in pod["namespaces"]],
    "doc": [each for each in pod["namespaces"] if each["name"] == "my-mod"][0]["vars"]["add"].__doc__,
    "add": call("my-mod/add", 1, 2),
    "echo": call("my-mod/echo", [1, "two", None, True]),
    "len": call("py/len", [1, 2]),
}
try:
    call("my-mod/chain")
except pods.PodError as error:
    data = {str(key).lstrip(":"): value for key, value in dict(error.data).items()}
    said["error"] = [str(error), str(data["kind"])]
pods.unload_pod(id)
print(json.dumps(said, default=str))
"""


@pytest.mark.parametrize("payload", ["json", "edn", "transit+json"])
def test_an_independent_client_in_python_understands_the_pod(
    folder: Path, tmp_path: Path, interpreters: dict[tuple[int, int], str], payload: str
) -> None:
    newer = [python for version, python in interpreters.items() if version >= (3, 13)]
    if not newer:
        assert os.environ.get("CI") != "true", "python-pods needs Python 3.13"
        return
    site = Path(sys.prefix) / "python-pods"
    assert (site / "python_pods.py").exists(), "`make test` lays python-pods out"
    (tmp_path / "theirs.py").write_text(THEIRS)
    command = [newer[0], str(tmp_path / "theirs.py"), str(site), *BASCULE, "pod", "--format", payload, "my_mod"]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert told.returncode == 0, told.stderr
    said = json.loads(told.stdout.splitlines()[-1])
    assert (said["format"], said["namespaces"], said["add"], said["len"]) == (payload, ["my-mod", "py"], 3, 2)
    assert said["echo"] == [1, "two", None, True]
    assert said["error"] == ["RuntimeError: could not", "python"]
    if payload == "edn":  # it reads metadata with EDN's reader alone
        assert said["doc"].startswith('Adds "them".')
