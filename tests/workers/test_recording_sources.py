"""Code from everywhere: made by the program itself, and run by the Pythons that it starts, alike on every version."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_recording_corpus import RECORDED, lines_of

Interpreters = dict[tuple[int, int], str]

LIBRARY = "def take(what):\n    return what\n"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def recorded(
    python: str, folder: Path, program: str, *users: str
) -> tuple[subprocess.CompletedProcess[str], set[object]]:
    """What the program did, and the first arguments of all calls that were told."""
    (folder / "library.py").write_text(LIBRARY)
    (folder / "program.py").write_text(program)
    trace = folder / "trace.jsonl"
    command = [sys.executable, "-m", "bascule", "record", "run", "--to", "library", "--python", python, "--quiet"]
    command += [word for user in users for word in ("--from", user)]
    done = run(folder, *command, "-o", str(trace), "program.py")
    told = {line["bound_params"]["pos_or_kw"][0][1] for line in lines_of(trace) if "bound_params" in line}
    return done, {each for each in told if isinstance(each, str)}


@pytest.mark.parametrize("version", RECORDED)
def test_what_a_program_compiles_and_runs_itself_is_recorded(
    version: tuple[int, int], interpreters: Interpreters, tmp_path: Path
) -> None:
    program = (
        "from __future__ import annotations\n"
        "from library import take\n"
        "exec('take(\"exec\")')\n"
        "exec(compile('take(\"compiled\")', '<made>', 'exec'))\n"
        "print(eval('  take(\"eval\")'))\n"
        "exec('take(\"named\")', {'take': take, '__name__': '__main__'})\n"
        "exec('take(\"unnamed\")', {'take': take})\n"
        "exec('take(\"of others\")', {'take': take, '__name__': 'other'})\n"
        "def function(local):\n"
        "    exec('take(local)')\n"
        "    exec('def inner(a: Missing): return take(\"inner\")', globals())\n"
        "    return eval('take(local)', globals(), locals()), inner(1), inner.__annotations__\n"
        "print(function('local'))\n"
        "for broken in ('1 +', b'\\xff', 3):\n"
        "    try: exec(broken)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    done, told = recorded(interpreters[version], tmp_path, program)
    alone = run(tmp_path, interpreters[version], "program.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, alone.stdout, ""), alone.stderr
    assert told == {"exec", "compiled", "eval", "named", "unnamed", "local", "inner"}


CHILD = '''"""A program."""
import sys
import library
print(sys.argv, __file__, __name__, __doc__, sys.path[0], __package__, flush=True)
library.take(sys.argv[1])
def deeper(): raise ValueError("at the end")
if len(sys.argv) > 2: deeper()
'''


@pytest.mark.parametrize("version", RECORDED)
def test_the_own_module_of_a_child_python_is_recorded_and_behaves_as_ever(
    version: tuple[int, int], interpreters: Interpreters, tmp_path: Path
) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__main__.py").write_text(CHILD)
    program = (
        "import os, runpy, subprocess, sys\n"
        "def child(*arguments, **more): return subprocess.run([sys.executable, *arguments], **more).returncode\n"
        "child('child.py', 'script')\n"
        "child('./child.py', 'by a path', 'fails')\n"
        "child('-m', 'child', 'module')\n"
        "child('pack', 'folder')\n"
        "child('-P', 'child.py', 'safe path')\n"
        "sys.argv[1:] = ['by runpy']\n"
        "runpy.run_path('child.py', run_name='__main__')\n"
        "runpy.run_module('child', run_name='__main__')\n"
        "runpy.run_module('child')\n"
    )
    done, told = recorded(interpreters[version], tmp_path, program)
    alone = run(tmp_path, interpreters[version], "program.py")
    assert (done.returncode, done.stdout) == (0, alone.stdout), done.stderr
    assert done.stderr == alone.stderr
    assert told == {"script", "by a path", "module", "folder", "safe path", "by runpy"}


@pytest.mark.parametrize("version", RECORDED)
def test_what_cannot_be_seen_of_children_is_what_the_documentation_says(
    version: tuple[int, int], interpreters: Interpreters, tmp_path: Path
) -> None:
    (tmp_path / "work.py").write_text("import library\ndef do(name): library.take(name)\n")
    program = (
        "import subprocess, sys\n"
        'code = \'import library, work; library.take("text itself"); work.do("module")\'\n'
        "begin = 'import sys; sys.path.insert(0, \".\"); '\n"
        "for flags in ([], ['-S'], ['-E'], ['-I']):\n"
        "    text = begin + code.replace('\"module\"', repr('module' + ''.join(flags)))\n"
        "    subprocess.run([sys.executable, *flags, '-c', text], check=True)\n"
    )
    done, told = recorded(interpreters[version], tmp_path, program, "work")
    assert (done.returncode, done.stderr) == (0, "")
    assert told == {"module"} | ({"text itself"} if version >= (3, 12) else set())
