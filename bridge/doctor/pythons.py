"""The interpreters: the bridge's own, and those of the pools, which have to run a worker."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from bascule.bridge.doctor.findings import Finding, Pool, good, problem
from bascule.workers.launch import OLDEST

_ASK = (
    "import json, sys; v = sys.version_info; "
    "print(json.dumps([sys.implementation.name, v[0], v[1], v[2], sys.prefix != sys.base_prefix]))"
)
_WITHIN = 20.0  # seconds that an interpreter has for a first word
_OLDEST = ".".join(map(str, OLDEST))


def bridge() -> Iterator[Finding]:
    """Our own interpreter, and the libraries beside us."""
    version = ".".join(map(str, sys.version_info[:3]))
    missing = []
    for line in importlib.metadata.requires("bascule") or ():
        if "extra ==" in line:
            continue
        name = line.split(";")[0].split(">")[0].split("=")[0].split("<")[0].split("[")[0].strip()
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        remedy = f"{sys.executable} -m pip install {' '.join(missing)}"
        yield problem("bridge", f"CPython {version}; not installed: {', '.join(missing)}", remedy)
    else:
        yield good("bridge", f"CPython {version}, {sys.executable}; all that it needs is installed")


def pool(pool: Pool) -> Iterator[Finding]:
    """A pool's interpreter: it is there, and it is a CPython that is new enough. (`modules` starts a worker in it.)"""
    subject = f"python of pool {pool.name}"
    found = shutil.which(pool.python)
    if found is None:
        what = "is not executable" if os.path.exists(pool.python) else "is not there"  # noqa: PTH110
        yield problem(subject, f"{pool.python} {what}", "name an interpreter with `python` in the pool, or --python")
        return
    try:
        told = subprocess.run(
            [found, "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        implementation, major, minor, micro, in_environment = json.loads(told.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = (getattr(error, "stderr", None) or "").strip().splitlines()
        why = said[-1] if said else str(error)
        yield problem(subject, f"{found} does not run: {why}", "name a CPython that runs: try it with -I -c pass")
        return
    version = f"{major}.{minor}.{micro}"
    if implementation != "cpython" or (major, minor) < OLDEST:
        text = f"{found} is {implementation} {version}"
        yield problem(subject, text, f"workers need CPython {_OLDEST} or newer: name another interpreter")
        return
    yield good(subject, f"CPython {version}{' of a virtual environment' if in_environment else ''}, {found}")
