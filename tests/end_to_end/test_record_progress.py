"""What `bascule record run` shows while the program runs: one line on a terminal, nothing elsewhere."""

from __future__ import annotations

import io
import json
import os
import re
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bascule.bridge.recording.progress import Tally, shown

ROOT = Path(__file__).resolve().parents[2]
PROGRESS = re.compile(r"bascule record: (\d+) events from (\d+) places, \d+\.\d MB")
MOST = 10_000
PROGRAM = """\
import json, threading
json.dumps([1])
json.loads("[1]")
print("threads", threading.active_count(), flush=True)
open("go").read()
json.dumps({})
"""


def line(place: str) -> bytes:
    return json.dumps({"location": place, "function": 1}, separators=(",", ":")).encode() + b"\n"


def read_until(terminal: int, wanted: re.Pattern[str], text: str = "") -> str:
    while not wanted.search(text):
        assert select.select([terminal], [], [], 60)[0], text
        assert len(text) < MOST, text  # it goes on showing something else
        text += os.read(terminal, 4096).decode()
    return text


def test_a_terminal_shows_how_the_recording_gets_on_and_then_what_came_of_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    os.mkfifo(tmp_path / "go")
    ours, terminal = os.openpty()
    command = [sys.executable, "-m", "bascule", "record", "run", "--to", "json", "-o", "trace.jsonl", "app.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    try:
        text = read_until(ours, re.compile(r"threads 1\r\n"))
        text = read_until(ours, PROGRESS, text)
        events, places = map(int, PROGRESS.findall(text)[0])
        assert 2 <= places <= events
        (tmp_path / "go").write_text("")
        text = read_until(ours, re.compile(r"bascule record: \d+ lines in .*trace.jsonl\x1b\[J\r\n"), text)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert text.startswith("threads 1\r\n")


def test_where_nobody_looks_nothing_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_bytes(b"")
    monkeypatch.setattr(sys, "stderr", told := io.StringIO())
    before = threading.active_count()
    with shown(trace, quiet=False):
        assert threading.active_count() == before
    assert told.getvalue() == ""


def test_lines_of_children_count_before_and_after_they_are_merged(tmp_path: Path) -> None:
    trace, child = tmp_path / "trace.jsonl", tmp_path / "trace.jsonl.7.part"
    trace.write_bytes(line("a.py:1") + line("a.py:1")[:5])
    child.write_bytes(line("b.py:1") + line("b.py:2"))
    tally = Tally(trace)
    tally.look()
    assert (tally.events, tally.places, tally.size) == (3, 3, trace.stat().st_size + child.stat().st_size)
    trace.write_bytes(line("a.py:1") * 2 + child.read_bytes())
    child.unlink()
    tally.look()
    assert (tally.events, tally.places) == (4, 3)


def test_a_trace_that_is_no_file_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "trace")
    keep = os.open(tmp_path / "trace", os.O_RDWR)
    os.write(keep, line("a.py:1"))
    tally = Tally(tmp_path / "trace")
    tally.look()
    assert (tally.events, tally.size) == (0, 0)
    assert os.read(keep, 100) == line("a.py:1")
    os.close(keep)
