"""`bascule sketch` over the standard library, beside griffe alone reading the same files.

Ours is the whole command, from its start to the last byte of JSON, with all processors reading; griffe's is what its
visitor takes in one process, without finding the files and without writing anything.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure as measuring
from benchmarks import ours
from benchmarks.rows import AtMost, Row

_LEFT_OUT = ("test", "tests", "idlelib", "lib2to3", "site-packages", "__pycache__", "config-*")
_GRIFFE = """
import pathlib, sys, tokenize
import griffe
for file in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    with tokenize.open(file) as opened:
        griffe.visit(file.stem, file, opened.read())
"""


def measure() -> Iterator[Row]:
    """Two rounds after one to warm up."""
    with tempfile.TemporaryDirectory(prefix="bascule-bench-") as folder:
        library = Path(folder) / "library"
        shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        sketch = [ours.executable(), "sketch", str(library), "--format", "json"]
        griffe = [sys.executable, "-c", _GRIFFE, str(library)]
        found = measuring.alternate(_seconds(sketch), _seconds(griffe), rounds=2)
    yield Row("`bascule sketch` of the standard library, s", found.ours, "griffe", found.peer, found.ratio, AtMost(1.3))


def _seconds(command: list[str]) -> measuring.Sample:
    return measuring.seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))
