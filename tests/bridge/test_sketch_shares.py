"""A folder that several processes read is the folder that one reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bascule.bridge.sketch.shares import dealt_out

# In a program of its own: this one has threads, and a fork wants none.
PROGRAM = """
import os, pathlib, signal, sys
from bascule.bridge.sketch import finding, shares
from bascule.bridge.sketch.library import read_place

parent = os.getpid()

def read(place):
    if os.getpid() != parent and place.name in ("pack.b", "pack.broken"):
        {ends}
    return read_place(place)

def no_process():
    raise BlockingIOError("no more processes")

{first}
shares._WORTH_A_PROCESS = 1
shares.read_place = read
places = finding.places_below(pathlib.Path("pack"))
assert shares.read_places(places, 3) == [read_place(place) for place in places]
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print([module.name for module in shares.read_places(places, 3)])
"""
NAMES = ["pack", "pack.a", "pack.b", "pack.broken", "pack.c"]


@pytest.mark.parametrize(
    ("first", "ends"),
    [
        ("", "pass"),
        ("", "os.kill(os.getpid(), signal.SIGKILL)"),
        ("", "sys.exit('no')"),
        ("", "0 / 0"),
        ("os.fork = no_process", "pass"),
    ],
)
def test_a_folder_read_by_several_is_the_one_read_alone_whatever_becomes_of_them(
    tmp_path: Path, first: str, ends: str
) -> None:
    (tmp_path / "pack").mkdir()
    for name in ("__init__", "a", "b", "c"):
        (tmp_path / "pack" / f"{name}.py").write_text(f"def of_{name}(x: int = 1):\n    '''Done.'''\n    yield x\n")
    (tmp_path / "pack" / "broken.py").write_text("def (:\n")
    command = [sys.executable, "-c", PROGRAM.format(first=first, ends=ends)]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (told.stdout, told.stderr) == (f"{NAMES}\n", "")


def test_shares_are_of_about_one_size_and_leave_nothing_out() -> None:
    sizes = [900, 1, 1, 500, 400, 2]
    shares = dealt_out(sizes, 2)
    assert sorted(index for share in shares for index in share) == list(range(len(sizes)))
    assert [sum(sizes[index] for index in share) for share in shares] == [902, 902]
    assert dealt_out([], 0) == [[]]
    assert dealt_out([1], 3) == [[0], [], []]
