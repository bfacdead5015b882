"""Reads a page of the documentation and runs its snippets in order, as a reader at a keyboard would.

A page is one sitting: one folder, one shell, one Python, one Erlang shell and one Elixir shell, kept from the first
snippet to the last. The Erlang and Elixir shells start in the shell's folder with what it exported. What a fenced block
does is told by its language:

| language | what happens |
|---|---|
| `console` | lines after `$ ` are typed into the shell, the lines below each are its output |
| `sh` | a script for the shell; it must succeed |
| `python` | run in the page's Python; with `>>> ` a transcript; beginning with `# name.py` a file of that name |
| `erlang` | with `1> ` a transcript of the Erlang shell; beginning with `%% name.erl` a file of that name |
| `elixir` | with `iex> ` a transcript of its shell |
| `lisp`, `clojure` | LFE and babashka: run by `lfe` and `bb` where these are installed |

In expected output `...` stands for anything: within a line, or, alone on a line, for any number of lines. A command
without expected output must succeed; what it prints is not looked at. A command that ends with `&` is awaited until it
says its first line. A comment `<!-- not run: why -->` before a block keeps it from being run.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|:{3,})(?P<language>[\w{}-]*)[^\n`]*$")
_NOT_RUN = re.compile(r"<!--\s*not run:\s*(.+?)\s*-->")
RUN = ("console", "sh", "python", "erlang", "elixir", "lisp", "clojure")
_PATIENCE = 60.0  # seconds for one command


@dataclass(frozen=True)
class Snippet:
    """A fenced block."""

    line: int  # of its fence
    language: str
    text: str
    not_run: str | None  # why, when it is not meant to be run


@dataclass(frozen=True)
class Typed:
    """One thing typed at a prompt, and what is expected to come back: None when that is not looked at."""

    text: str
    expected: str | None


class PageError(AssertionError):
    """A snippet does not do what the page says."""


def snippets(page: str) -> list[Snippet]:
    """The fenced blocks of a Markdown page."""
    found: list[Snippet] = []
    not_run: str | None = None
    lines = page.splitlines()
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if opening is None:
            if excuse := _NOT_RUN.search(lines[at]):
                not_run = excuse[1]
            elif lines[at].strip():
                not_run = None
            at += 1
            continue
        indent, ticks = len(opening["indent"]), opening["ticks"]
        body: list[str] = []
        start = at
        at += 1
        while at < len(lines) and lines[at].strip() != ticks:
            body.append(lines[at][indent:])
            at += 1
        found.append(Snippet(start + 1, opening["language"], "\n".join(body), not_run))
        not_run = None
        at += 1
    return found


def transcript(text: str, prompt: str, continued: str) -> list[Typed]:
    """Split a transcript into what was typed and what came back; both prompts are regular expressions."""
    found: list[Typed] = []
    typed: list[str] = []
    output: list[str] = []

    def close() -> None:
        if typed:
            expected = "\n".join(output).rstrip()
            found.append(Typed("\n".join(typed), expected or None))

    for line in text.splitlines():
        if begin := re.match(prompt, line):
            close()
            typed, output = [line[begin.end() :]], []
        elif typed and not output and (more := re.match(continued, line)):
            typed.append(line[more.end() :])
        else:
            output.append(line)
    close()
    return found


def fits(expected: str, actual: str) -> bool:
    """Whether `actual` is what the page shows, `...` standing for anything."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("...")) + r"[ \t]*\n"
    return re.fullmatch(pattern + r"\s*", actual.rstrip() + "\n") is not None


class Sitting:
    """One reader at one page. A context manager: at its end everything that was started is ended."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._shell = _Shell(folder, environment)
        self._consoles: dict[str, _Console] = {}
        self._python: _Python | None = None

    def __enter__(self) -> Sitting:
        return self

    def __exit__(self, *_: object) -> None:
        for console in self._consoles.values():
            console.close()
        if self._python is not None:
            self._python.close()
        self._shell.close()

    def run(self, snippet: Snippet) -> None:
        """Do what the snippet says.

        Raises:
            PageError: It does something else.
        """
        text = snippet.text
        if snippet.language == "console":
            for typed in transcript(text, r"\$ ", r"> "):
                self._shell.run(typed)
        elif snippet.language == "sh":
            self._shell.run(Typed(text, None))
        elif name := re.match(r"(?:#|%%) (\S+\.(?:py|erl))\n", text):
            (self.folder / name[1]).write_text(text + "\n")
        elif snippet.language == "python":
            if self._python is None:
                self._python = _Python(self.folder, self._shell.environment())
            if text.startswith(">>> "):
                for typed in transcript(text, r">>> ", r"\.\.\.(?: |$)"):
                    self._python.run(typed)
            else:
                self._python.run(Typed(text, None))
        elif snippet.language == "erlang":
            for typed in transcript(text, r"\d+> ", r"(?:\.\.|  ) "):
                self._console("erl", r"(?:^|\n)\d+> $").run(typed)
        elif snippet.language == "elixir":
            for typed in transcript(text, r"iex(?:\(\d+\))?> ", r"\.\.\.(?:\(\d+\))?> "):
                self._console("iex", r"(?:^|\n)(?:iex|\.\.\.)\(\d+\)> $").run(typed)
        elif snippet.language == "clojure":
            (self.folder / "snippet.clj").write_text(text)
            self._shell.run(Typed("bb snippet.clj", None))
        elif snippet.language == "lisp":
            (self.folder / "snippet.lfe").write_text(text)
            self._shell.run(Typed("lfe snippet.lfe", None))
        else:
            raise PageError(f"nobody knows how to run {snippet.language!r}")

    def _console(self, command: str, prompt: str) -> _Console:
        if command not in self._consoles:
            self._consoles[command] = _Console(command, prompt, self.folder, self._shell.environment())
        return self._consoles[command]


_REPORT = re.compile(r"^=[A-Z ]+ REPORT====.*\n(?:.+\n)*\n?", re.MULTILINE)
"""What a node's logger writes into its shell, whenever it comes to it."""


def _compare(typed: Typed, actual: str) -> None:
    if typed.expected is not None and not fits(typed.expected, actual) and not fits(typed.expected, _plain(actual)):
        raise PageError(f"{typed.text}\n--- the page says\n{typed.expected}\n--- it was\n{actual.rstrip()}")


def _plain(output: str) -> str:
    return _REPORT.sub("", output)


class _Shell:
    """A bash that is told one command after the other; each writes into a file of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._outputs = folder / ".outputs"
        self._outputs.mkdir()
        self._count = 0
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-m"],  # -m: each background job is a process group that can be ended
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )

    def run(self, typed: Typed) -> str:
        self._count += 1
        output = self._outputs / str(self._count)
        status = self._tell(f"eval {shlex.quote(typed.text)} >{output} 2>&1 </dev/null")
        if typed.text.rstrip().endswith("&"):
            _wait_until(lambda: output.stat().st_size > 0, f"`{typed.text}` to say something")
            return ""
        actual = output.read_text(errors="replace")
        _compare(typed, actual)
        if status != 0:
            raise PageError(f"{typed.text}\n--- ended with status {status}\n{actual}")
        return actual

    def environment(self) -> dict[str, str]:
        """What the shell exports by now."""
        dump = self._outputs / "environment"
        self._tell(f"env -0 >{dump}")
        pairs = (entry.partition("=") for entry in dump.read_text().split("\0") if entry)
        return {name: value for name, _, value in pairs}

    def _tell(self, command: str) -> int:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{command}\necho $?\n".encode())
        line = _read_until(stdout, rb"\d+\n", f"`{command}`")
        return int(line.split()[-1])

    def close(self) -> None:
        with contextlib.suppress(PageError, BrokenPipeError):
            self._tell("kill $(jobs -p) 2>/dev/null; wait")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


class _Console:
    """An interactive shell of another language, fed through a pipe, that prompts when it is ready."""

    def __init__(self, command: str, prompt: str, folder: Path, environment: dict[str, str]) -> None:
        self._prompt = prompt.encode()
        self._process = subprocess.Popen(
            [command],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        _read_until(self._stdout, self._prompt, command)

    def run(self, typed: Typed) -> None:
        output = ""
        # Line by line: iex prompts after each, the Erlang shell only once an expression is whole.
        lines = [typed.text] if b"iex" not in self._prompt else typed.text.splitlines()
        for line in lines:
            self._stdin.write(f"{line}\n".encode())
            output = _read_until(self._stdout, self._prompt, line).decode(errors="replace")
        shown = re.sub(self._prompt.decode(), "", output)
        _compare(typed, shown)
        if typed.expected is None and shown.lstrip().startswith("**"):
            raise PageError(f"{typed.text}\n{shown}")

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._stdout.close()


class _Python:
    """A Python in another process, with one namespace for the whole page."""

    _LOOP = """
import contextlib, io, json, sys, traceback
sys.path.insert(0, "")
namespace = {"__name__": "__main__"}
for line in sys.stdin:
    order = json.loads(line)
    output = io.StringIO()
    failed = False
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            exec(compile(order["code"] + "\\n", "<snippet>", order["mode"]), namespace)
        except BaseException as error:
            failed = True
            trace = traceback.format_exception(error)
            print("Traceback (most recent call last):\\n    ...")
            print("".join(traceback.format_exception_only(error)), end="")
    print(json.dumps({"output": output.getvalue(), "failed": failed}), file=sys.__stdout__, flush=True)
"""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._LOOP],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )

    def run(self, typed: Typed) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        mode = "exec" if typed.expected is None and not _is_expression(typed.text) else "single"
        stdin.write(json.dumps({"code": typed.text, "mode": mode}).encode() + b"\n")
        answer = json.loads(_read_until(stdout, rb"\n", typed.text))
        _compare(typed, answer["output"])
        if answer["failed"] and typed.expected is None:
            raise PageError(f"{typed.text}\n{answer['output']}")

    def close(self) -> None:
        self._process.communicate()


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def _read_until(stream: IO[bytes], end: bytes, what: str) -> bytes:
    """Bytes of `stream` until they end with `end`."""
    data = b""
    deadline = time.monotonic() + _PATIENCE
    while not re.search(end + rb"\Z", data):
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(stream.fileno(), 65536) if ready else b""
        if not chunk:
            why = "ended" if ready else f"did not come back within {_PATIENCE:g} s"
            raise PageError(f"{what} {why}; so far it said:\n{data.decode(errors='replace')}")
        data += chunk
    return data


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise PageError(f"waited in vain for {what}")
        time.sleep(0.01)
