"""Other CPythons with what a row needs: found as the tests find them, each with an environment made once in .venv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_ENVIRONMENTS = Path(__file__).resolve().parents[1] / ".venv" / "other-pythons"


def pythons(*versions: str, packages: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Versions like "3.12" and an interpreter of each that was found; what is missing is said on stderr.

    Args:
        packages: To be installed beside it, from whatever index pip is set up with. Where that can't be done the bare
            interpreter is given, and what needs the packages has to ask `has`.
    """
    for version in versions:
        python = _find(version)
        if python is None:
            print(f"benchmarks: no CPython {version} found (pyenv, uv, PATH): its rows are left out", file=sys.stderr)
        elif all(has(python, package) for package in packages):
            yield version, python
        else:
            yield version, _with_packages(version, python, packages)


def has(python: str, module: str) -> bool:
    """Whether an interpreter can import a module."""
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def _find(version: str) -> str | None:
    candidates = [sys.executable, shutil.which(f"python{version}") or ""]
    candidates += sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    candidates += sorted(map(str, Path.home().glob(f".local/share/uv/python/cpython-{version}.*/bin/python3")))
    ask = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name)"
    for candidate in filter(None, candidates):
        told = subprocess.run([candidate, "-c", ask], capture_output=True, text=True, check=False).stdout
        if told.strip() == f"{version} cpython":
            return candidate
    return None


def _with_packages(version: str, python: str, packages: tuple[str, ...]) -> str:
    folder = _ENVIRONMENTS / version
    own = str(folder / "bin" / "python")
    if all(has(own, package) for package in packages) if Path(own).exists() else False:
        return own
    print(f"benchmarks: {', '.join(packages)} for CPython {version}, once, in {folder}", file=sys.stderr)
    for command in ([python, "-m", "venv", str(folder)], [own, "-m", "pip", "install", "-q", *packages]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            why = (done.stderr or done.stdout).strip().splitlines()[-1:]
            print(f"benchmarks: that failed, so their rows are left out: {' '.join(why)}", file=sys.stderr)
            return python
    return own
