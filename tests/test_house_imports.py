"""The house keeps its order: who imports whom, which names are claimed, and what a start costs.

The first half reads the imports of the whole tree from its syntax; the second half starts real interpreters and looks
at what they loaded.
"""

from __future__ import annotations

import ast
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgpack
import pytest

from bascule.bridge.pool_spec import PoolSpec
from bascule.bridge.supervision.spawn import spawn_worker
from bascule.bridge.supervision.starting import new_bridge_id
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Codec, FrameReader, Kind, encode_frame
from bascule.protocols.tokens import new_prefix

if TYPE_CHECKING:
    from bascule.protocols.envelope import Frame

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("protocols", "workers", "bridge")
OURS = {"bascule", *ROOMS}
STDLIB = frozenset(sys.stdlib_module_names)

MAY_IMPORT = {
    "protocols": {"bascule.protocols"},
    "workers": {"bascule.protocols", "bascule.workers"},
    "bridge": {"bascule.protocols", "bascule.workers", "bascule.bridge", "bascule"},
}
FOREIGN = {
    "protocols": {"msgpack", "bcoding"},
    "workers": {"msgpack"},
    "bridge": {"msgpack", "bcoding", "trio", "outcome", "pydantic", "pydantic_core", "rich", "griffe", "yaml", "shtab"},
}
OPTIONAL = {
    "bridge/operations/prometheus.py": {"prometheus_client"},
    "bridge/http/connections.py": {"hypercorn"},
    "bridge/http/server.py": {"hypercorn"},
    "bridge/operations/tracing.py": {"opentelemetry"},
    "bridge/client/tracing.py": {"opentelemetry"},
}
"""Modules that are imported only where their extra is asked for, and what that brings."""
NO_IO = {"socket", "select", "selectors", "subprocess", "threading", "multiprocessing", "asyncio", "signal", "tempfile"}
HEAVY_FOR_WORKERS = {
    *("dataclasses", "typing", "inspect", "json", "asyncio", "trio", "pydantic", "traceback", "rich", "bcoding"),
}
HEAVY_FOR_DOORS = {"trio", "pydantic", "pydantic_core", "rich", "asyncio", "griffe", "yaml", "shtab"}


@dataclass(frozen=True)
class Import:
    """One module that a file names in an import statement."""

    file: Path
    line: int
    module: str  # absolute: relative imports are resolved
    at_start: bool  # at the top of the module, outside any function
    type_only: bool  # under `if TYPE_CHECKING:`

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def imports_of(file: Path) -> Iterator[Import]:
    relative = file.relative_to(ROOT).with_suffix("")
    parts = list(relative.parts)
    if parts[0] in ROOMS:
        parts.insert(0, "bascule")
    package = parts[:-1]  # of a module its package, of an __init__ the package itself

    def walk(node: ast.AST, *, at_start: bool, type_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = at_start and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(file, child.lineno, alias.name, at_start, type_only)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    base = ".".join([*package[: len(package) - child.level + 1], *base.split(".")]).rstrip(".")
                for alias in child.names:
                    yield Import(file, child.lineno, _named(base, alias.name), at_start, type_only)
            elif isinstance(child, ast.If) and _asks_for_type_checking(child.test):
                for statement in child.body:
                    yield from walk(ast.Module([statement], []), at_start=inside, type_only=True)
                for statement in child.orelse:
                    yield from walk(ast.Module([statement], []), at_start=inside, type_only=type_only)
            else:
                yield from walk(child, at_start=inside, type_only=type_only)

    yield from walk(ast.parse(file.read_bytes(), str(file)), at_start=True, type_only=False)


def _named(base: str, name: str) -> str:
    """`from base import name` loads base.name when that is a module of ours, else base."""
    room = base.removeprefix("bascule").lstrip(".").replace(".", "/")
    if base.partition(".")[0] == "bascule":
        folder = ROOT / "bascule" / room if room else ROOT / "bascule"
        if (folder / name).is_dir() or (folder / f"{name}.py").is_file():
            return f"{base}.{name}"
    return base


def _asks_for_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def files_of(folder: str) -> list[Path]:
    # The generated code under tests/contracts/gugugu is another tool's.
    found = sorted((ROOT / folder).rglob("*.py"))
    return [file for file in found if not {"__pycache__", "gugugu"} & set(file.parts)]


def within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in allowed)


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_upward(room: str) -> None:
    wrong = []
    for file in files_of(room):
        for each in imports_of(file):
            if each.module.partition(".")[0] != "bascule" or each.type_only:
                continue
            allowed = MAY_IMPORT[room]
            if not (within(each.module, allowed - {"bascule"}) or (each.module in allowed)):
                wrong.append(str(each))
    assert not wrong, "wrong direction:\n" + "\n".join(wrong)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_needs_no_more_of_others_than_it_declares(room: str) -> None:
    wrong = []
    for file in files_of(room):
        for each in imports_of(file):
            top = each.module.partition(".")[0]
            optional = OPTIONAL.get(file.relative_to(ROOT).as_posix(), set())
            if top in STDLIB or top in OURS or top in FOREIGN[room] | optional or each.type_only:
                continue
            if each.at_start:  # inside a function it is an option that its user has installed
                wrong.append(str(each))
    assert not wrong, "not among the room's dependencies:\n" + "\n".join(wrong)


def test_what_runs_in_a_worker_never_imports_what_the_bridge_is_made_of() -> None:
    wrong = [
        str(each)
        for room in ("protocols", "workers")
        for file in files_of(room)
        for each in imports_of(file)
        if each.module.partition(".")[0] in {"trio", "pydantic", "outcome"} and not each.type_only
    ]
    assert not wrong, "not even inside a function; what a task runs in is there without it:\n" + "\n".join(wrong)


def test_the_protocols_do_no_io() -> None:
    wrong = [
        str(each)
        for file in files_of("protocols")
        for each in imports_of(file)
        if each.module.partition(".")[0] in NO_IO and not each.type_only
    ]
    assert not wrong, "protocols turn bytes into events, and do nothing else:\n" + "\n".join(wrong)


def test_only_the_name_bascule_is_claimed() -> None:
    wrong = [
        str(each)
        for folder in ("bascule/__init__.py", *ROOMS, "tests", "benchmarks", "demo", "docs", "deploy")
        for file in ([ROOT / folder] if folder.endswith(".py") else files_of(folder))
        for each in imports_of(file)
        if each.module.partition(".")[0] in ROOMS
    ]
    assert not wrong, "the rooms are bascule.bridge, bascule.protocols, bascule.workers:\n" + "\n".join(wrong)


def test_the_rooms_are_links_beside_the_public_face() -> None:
    for room in ROOMS:
        link = ROOT / "bascule" / room
        assert link.is_symlink(), f"{link} is no symbolic link"
        assert link.resolve() == ROOT / room


# ---- What a start really loads -----------------------------------------------------------------------------------


def loaded_after(code: str, *, executable: str = sys.executable) -> set[str]:
    """The modules, by full name, that a fresh interpreter has loaded once it ran `code`."""
    script = f"import sys\n{code}\nprint(*sys.modules, sep='\\n')"
    bare = [executable, "-I", "-c", f"import sys; sys.path.insert(0, {os.fspath(ROOT)!r}); exec({script!r})"]
    told = subprocess.run(bare, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return set(told.stdout.split())


def heavy(loaded: set[str], unwanted: set[str], baseline: set[str]) -> list[str]:
    return sorted(name for name in loaded - baseline if within(name, unwanted))


def test_the_public_face_loads_nothing() -> None:
    assert loaded_after("import bascule") - loaded_after("import __future__") == {"bascule"}


def test_what_workers_import_is_light(interpreters: dict[tuple[int, int], str]) -> None:
    for version, executable in interpreters.items():
        baseline = loaded_after("pass", executable=executable)
        for module in ("launch", "boot", "page"):
            loaded = loaded_after(f"import bascule.workers.{module}", executable=executable)
            assert not heavy(loaded, HEAVY_FOR_WORKERS, baseline), (version, module)


def test_a_real_worker_stays_light_until_user_code_needs_more(
    interpreters: dict[tuple[int, int], str], tmp_path: Path, nothing_left: None
) -> None:
    (tmp_path / "seen.py").write_text("import sys\ndef names():\n    return sorted(sys.modules)\n")
    for version, executable in interpreters.items():
        spec = PoolSpec(size=1, executable=executable, paths=(str(tmp_path),))
        spawned = spawn_worker(spec, 0, 1, prefix=new_prefix(), bridge=new_bridge_id())
        wire = spawned.wire
        try:
            (ready,) = frames_from(wire.read_fd)
            assert msgpack.unpackb(ready[6])["op"] == "ready", version
            call = encode_call(Op.CALL, "seen:names", b"")
            os.write(wire.write_fd, encode_frame(Kind.CALL, Codec.MSGPACK, 0, 1, 1, 0, call))
            (reply,) = frames_from(wire.read_fd)
            assert reply[0] == Kind.REPLY, reply
            loaded = set(msgpack.unpackb(reply[6]))
        finally:
            for fd in (wire.write_fd, wire.read_fd, wire.stdout_fd, wire.stderr_fd):
                os.close(fd)
            select.select([wire.pidfd], [], [], 10)
            os.close(wire.pidfd)
            spawned.process.reap()
            wire.page.close()
        assert not heavy(loaded, HEAVY_FOR_WORKERS, loaded_after("pass", executable=executable)), version


def frames_from(fd: int) -> list[Frame]:
    reader = FrameReader()
    while not (frames := reader.receive_data(os.read(fd, 65536))):
        pass
    return frames


@pytest.mark.parametrize("command", ["pod", "port", "call", "map", "path", "sketch", "doctor", "completion", "man"])
def test_a_command_is_parsed_without_the_heavy_libraries(command: str) -> None:
    code = (
        "import contextlib, io\n"
        "from bascule.bridge.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main([{command!r}, '--help'])"
    )
    assert not heavy(loaded_after(code), HEAVY_FOR_DOORS, loaded_after("pass"))


def test_the_blocking_client_needs_no_trio() -> None:
    assert not heavy(loaded_after("import bascule; bascule.connect"), HEAVY_FOR_DOORS, loaded_after("pass"))
