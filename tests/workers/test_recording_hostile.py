"""Programs that make it hard to look on: wide functions, objects that lie or bite, other tools in the same process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_recording_corpus import RECORDED, event, lines_of, record

Interpreters = dict[tuple[int, int], str]

LIBRARY = """\
asked = []


class Guarded:
    def __getattr__(self, name):
        asked.append(name)
        raise RuntimeError(name)

    def __getattribute__(self, name):
        asked.append(name)
        return object.__getattribute__(self, name)

    def __repr__(self):
        raise RuntimeError("shown")

    __eq__ = __hash__ = __len__ = __bool__ = __repr__

    def go(self):
        return 1


class Meta(type):
    def __getattribute__(cls, name):
        asked.append(name)
        return type.__getattribute__(cls, name)

    @property
    def __name__(cls):
        raise RuntimeError("named")


class Made(metaclass=Meta):
    __slots__ = ("x",)
    __module__ = "library"


class Liar:
    @property
    def __class__(self):
        asked.append("__class__")
        return dict


def take(value, more=None):
    return value
"""


def told(output: Path) -> set[str]:
    return {event(line) for line in lines_of(output)}


def written(folder: Path, program: str) -> Path:
    (folder / "library.py").write_text(LIBRARY)
    (folder / "app.py").write_text(program)
    return folder


@pytest.mark.parametrize("exhaustive", [False, True], ids=["usual", "exhaustive"])
@pytest.mark.parametrize("version", RECORDED)
def test_objects_that_bite_are_told_and_never_asked(
    version: tuple[int, int], exhaustive: bool, interpreters: Interpreters, tmp_path: Path
) -> None:
    program = (
        "import library\n"
        "guarded, made, liar = library.Guarded(), library.Made(), library.Liar()\n"
        "del library.asked[:]\n"
        "library.take(guarded, [made])\nlibrary.take(liar, {'a': guarded})\nlibrary.take(library.Made)\n"
        "print(*library.asked)\n"
        "guarded.go()\n"
        "print(*library.asked)\n"
        "try: guarded.gone\nexcept RuntimeError as error: print(error)\n"
        "print(*library.asked)\n"
    )
    output = tmp_path / "trace.jsonl"
    done = record(interpreters[version], output, "app.py", cwd=written(tmp_path, program), exhaustive=exhaustive)
    assert done.returncode == 0, done.stderr
    assert "could not be told" not in done.stderr
    assert done.stdout.splitlines() == ["", "go", "gone", "go gone gone"]
    assert told(output) >= {
        "library.take(value: Guarded, more: [Made])",
        "library.take(value: Liar, more: {'a': Guarded})",
        "library.take(value: Meta[Made])",
        "Guarded.go(self: Guarded)",
        "getattr(Guarded, 'gone') !! RuntimeError",
    }


@pytest.mark.parametrize("version", RECORDED)
def test_a_function_with_more_than_256_names_is_told_like_others(
    version: tuple[int, int], interpreters: Interpreters, tmp_path: Path
) -> None:
    # 300 variables, constants and attributes each: every second instruction has a longer argument.
    lines = [f"    v{number} = library.take({number + 1000}, {number}.5)" for number in range(300)]
    lines += [f"    try: library.take(v{number}).attribute_{number}" for number in range(300)]
    lines = [f"{line}\n    except AttributeError: pass" if line.startswith("    try") else line for line in lines]
    program = "import library\ndef wide():\n" + "\n".join(lines) + "\n    return v299 + len(locals())\nprint(wide())\n"
    output = tmp_path / "trace.jsonl"
    done = record(interpreters[version], output, "app.py", cwd=written(tmp_path, program))
    assert (done.returncode, done.stdout) == (0, f"{1299 + 300}\n"), done.stderr
    calls = [line["location"].rpartition(":")[2] for line in lines_of(output) if "returns" in line]
    called = {int(line) for line in calls}
    assert called >= set(range(3, 303))
    assert called >= set(range(303, 903, 2))


@pytest.mark.parametrize("version", RECORDED)
def test_recording_leaves_no_reference_cycles_that_the_program_could_find(
    version: tuple[int, int], interpreters: Interpreters, tmp_path: Path
) -> None:
    program = (
        "import gc, zlib\n"
        "gc.disable()\n"
        "gc.collect()\n"
        "packer = zlib.compressobj(level=1)\n"
        "packed = zlib.compress(b'x', level=1) + packer.compress(b'x') + packer.flush()\n"
        "del packer\n"
        "print(gc.collect())\n"
    )
    output = tmp_path / "trace.jsonl"
    done = record(interpreters[version], output, "app.py", to="zlib", cwd=written(tmp_path, program))
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
    compress = {"t": "builtin_function_or_method", "v": {"module": "zlib", "name": "compress"}}
    bound = next(line["bound_params"] for line in lines_of(output) if line["function"] == compress)
    assert bound["pos_only"][0][1] == {"t": "bytes"}
    assert bound["pos_or_kw"] == [["level", {"t": "int"}]]


@pytest.mark.parametrize("version", RECORDED)
def test_a_debugger_and_a_tracer_see_the_program_and_so_do_we(
    version: tuple[int, int], interpreters: Interpreters, tmp_path: Path
) -> None:
    program = (
        "import sys, library\n"
        "lines = set()\n"
        "def trace(frame, what, value):\n"
        "    if what == 'line' and frame.f_code.co_name == 'work': lines.add(frame.f_lineno)\n"
        "    return trace\n"
        "def work():\n"
        "    first = library.take(1)\n"
        "    return library.take(first, 's')\n"
        "sys.settrace(trace)\n"
        "work()\n"
        "sys.settrace(None)\n"
        "print(*sorted(lines))\n"
    )
    output = tmp_path / "trace.jsonl"
    done = record(interpreters[version], output, "app.py", cwd=written(tmp_path, program))
    assert (done.returncode, done.stdout) == (0, "7 8\n"), done.stderr
    assert told(output) >= {"library.take(value: int) -> int", "library.take(value: int, more: 's') -> int"}


@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
@pytest.mark.parametrize("version", RECORDED)
def test_coverage_measures_what_it_would_measure_alone(
    version: tuple[int, int], core: str, interpreters: Interpreters, tmp_path: Path
) -> None:
    import coverage

    program = (
        "import coverage\n"
        "measured = coverage.Coverage(data_file=None, include=['*work.py'])\n"
        "measured.start()\nimport work\nmeasured.stop()\n"
        "_, statements, _, missing, _ = measured.analysis2('work.py')\n"
        "print(statements, missing)\n"
    )
    written(tmp_path, program)
    (tmp_path / "work.py").write_text(
        "import library\ndef used(a):\n    if library.take(a):\n        return library.take('x')\n"
        "    return library.take('never')\nused(1)\n"
    )
    # Its Python parts alone, for interpreters that it is not installed for.
    packages = Path(coverage.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(packages), "COVERAGE_CORE": "pytrace" if core == "ctrace" else core}
    alone = subprocess.run(
        [interpreters[version], "app.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert alone.stdout == "[1, 2, 3, 4, 5, 6] [5]\n", alone.stderr
    output = tmp_path / "trace.jsonl"
    done = record(interpreters[version], output, "app.py", users=("work",), cwd=tmp_path, env=environment)
    assert (done.returncode, done.stdout) == (0, alone.stdout), done.stderr
    assert told(output) >= {"library.take(value: int) -> int", "library.take(value: 'x') -> str"}


def test_a_disk_that_fills_up_in_the_middle_ends_the_recording_alone(tmp_path: Path) -> None:
    program = (
        "import resource, signal, library\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "for name in 'abcdefghijklmnopqrstuvwxyz': library.take(name)\n"
        "print('went on')\n"
    )
    output = tmp_path / "trace.jsonl"
    done = record(sys.executable, output, "app.py", cwd=written(tmp_path, program))
    assert (done.returncode, done.stdout) == (0, "went on\n")
    assert f"recording ended, the program goes on: {output}: File too large" in done.stderr
    assert done.stderr.count("recording ended") == 1
    assert output.stat().st_size == 2000
