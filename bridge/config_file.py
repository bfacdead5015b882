"""Reading a configuration file, and saying on which line it is wrong.

`tomllib` forgets where things stood. So, when something is to be complained about, the text is cut into its statements
(a statement is the fewest lines that are TOML by themselves) and each is read alone: that gives every key its line.

An error has one line for each problem:

    bascule.toml:7: pools.default.size: found 0; allowed: a whole number from 1 to 4096
"""

from __future__ import annotations

import difflib
import os
import shutil
from pathlib import Path
from typing import Any

import tomllib
from pydantic import ValidationError

from bascule.bridge.cli.pod_settings import setting
from bascule.bridge.config import ConfigError, ServiceConfig
from bascule.bridge.config_words import allowed_at, as_toml, known_keys

_SHOWN = 80  # characters of what was found

Location = tuple[int | str, ...]


def load(path: Path) -> ServiceConfig:
    """Read a configuration file.

    Raises:
        ConfigError: It can't be read, is no TOML, or says something that is not allowed.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: it is not UTF-8 (byte {error.start})") from None
    return parse(text, str(path))


def parse(text: str, source: str) -> ServiceConfig:
    """Read a configuration from its text; `source` stands in messages.

    Raises:
        ConfigError: It is no TOML, or says something that is not allowed.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_not_toml(source, text, str(error))) from None
    return check(data, source, text)


def check(data: dict[str, object], source: str, text: str | None = None) -> ServiceConfig:
    """Validate what was read or given; `source` stands in messages, with the lines of `text` where there is one.

    Raises:
        ConfigError: Something is not allowed; one line for each problem.
    """
    try:
        config = ServiceConfig.model_validate(data)
    except ValidationError as error:
        lines = lines_of(text) if text is not None else {}
        found = sorted(error.errors(), key=lambda problem: _line(problem["loc"], lines))
        problems = [_explain(problem, source, lines) for problem in found]
        raise ConfigError("\n".join(dict.fromkeys(problems))) from None
    problems = [
        f"{_place(location, source, lines_of(text) if text is not None else {})}: {what}"
        for location, what in check_world(config)
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def check_world(config: ServiceConfig) -> list[tuple[Location, str]]:
    """What the models can't see: whether the files that are named are there, and the pools."""
    found: list[tuple[Location, str]] = []
    for name, pool in config.pools.items():
        if not _runs(pool.python):
            allowed = "an interpreter that can be run, CPython 3.9 or newer"
            found.append((("pools", name, "python"), f"found {_show(pool.python)}; allowed: {allowed}"))
        if pool.cwd is not None and not Path(pool.cwd).is_dir():
            found.append((("pools", name, "cwd"), f"found {_show(pool.cwd)}; allowed: a folder that is there"))
    for name, value in config.pod.items():
        try:
            setting("pod", name, value)
        except ValueError as error:
            found.append((("pod", name), f"found {_show(value)}; allowed: {str(error).partition(': ')[2] or error}"))
    guarded: list[tuple[Location, Any]] = [(("listeners", name), each) for name, each in config.listeners.items()]
    guarded.append((("http",), config.http))
    for where, each in guarded:
        for key in ("certificate", "key", "client_ca", "token_file"):
            path = getattr(each, key)
            if path is not None and not os.access(path, os.R_OK):
                found.append(((*where, key), f"found {_show(str(path))}; allowed: a file that can be read"))
        if each.pool is not None and each.pool not in config.pools:
            allowed = f"one of {', '.join(config.pools)}"
            found.append(((*where, "pool"), f"found {_show(each.pool)}; allowed: {allowed}"))
    return found


def lines_of(text: str) -> dict[Location, int]:
    """Each key's and table's line in a text that is TOML."""
    found: dict[Location, int] = {}
    table: Location = ()
    counts: dict[Location, int] = {}
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        first, statement = at, ""
        while at < len(lines):
            statement += lines[at] + "\n"
            at += 1
            try:
                data = tomllib.loads(statement)
                break
            except tomllib.TOMLDecodeError:
                continue
        else:
            break
        if statement.lstrip().startswith("["):
            table = _table_of(data, counts)
            found.setdefault(table, first + 1)
        else:
            for path in _paths(data):
                found.setdefault((*table, *path), first + 1)
    return found


def _table_of(data: dict[str, Any], counts: dict[Location, int]) -> Location:
    """The path that a header names; the tables of an array are counted."""
    path: list[int | str] = []
    value: Any = data
    while value:
        if isinstance(value, list):
            key = tuple(path)
            counts[key] = counts.get(key, -1) + 1
            path.append(counts[key])
            value = value[0]
        else:
            name, value = next(iter(value.items()))
            path.append(name)
    return tuple(path)


def _paths(value: Any) -> list[Location]:
    """The paths of everything in a value."""
    found: list[Location] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += [(name,), *((name, *path) for path in _paths(inner))]
    return found


def _explain(problem: Any, source: str, lines: dict[Location, int]) -> str:
    location: Location = tuple(problem["loc"])
    kind, found = problem["type"], problem["input"]
    if location and location[-1] == "[key]":  # a name that the user gave to a table
        location = location[:-1]
        allowed = problem["ctx"]["error"] if kind == "value_error" else _NAMES
        return f"{_place(location, source, lines)}: found the name {_show(location[-1])}; allowed: {allowed}"
    if kind == "extra_forbidden":
        known = known_keys(location)
        close = difflib.get_close_matches(str(location[-1]), known, 1)
        guess = f"; did you mean {close[0]}?" if close else ""
        return f"{_place(location, source, lines)}: found an unknown key; allowed: {', '.join(known)}{guess}"
    if kind == "value_error" and isinstance(found, dict):  # of a table as a whole
        return f"{_place(location, source, lines)}: found a table; allowed: one with {problem['ctx']['error']}"
    while len(location) > 1 and not isinstance(location[-1], int) and not allowed_at(location):
        location = location[:-1]
    allowed = allowed_at(location)
    why = f" ({problem['ctx']['error']})" if kind == "value_error" and len(str(problem["ctx"]["error"])) > 20 else ""
    return f"{_place(location, source, lines)}: found {_show(found)}; allowed: {allowed}{why}"


_NAMES = "1 to 60 of letters, digits, _, . and -"


def _place(location: Location, source: str, lines: dict[Location, int]) -> str:
    """FILE:LINE: KEY, with the line of the innermost that has one."""
    line = _line(location, lines)
    where = f"{source}:{line}" if line else source
    key = ".".join(str(part) for part in location)
    return f"{where}: {key}" if key else where


def _line(location: Location, lines: dict[Location, int]) -> int:
    """The line of the innermost part of a location that has one; 0 where none has."""
    while location and location not in lines:
        location = location[:-1]
    return lines.get(location, 0)


def _show(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    text = as_toml(value) if isinstance(value, (str, int, float, list, tuple)) else str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _not_toml(source: str, text: str, message: str) -> str:
    """tomllib says '(at line 3, column 4)' or '(at end of document)': the line goes where lines go."""
    what, _, where = message.rpartition(" (at ")
    words = where.rstrip(")").replace(",", "").split()
    line = words[1] if words[:1] == ["line"] else str(text.count("\n") + 1)
    return f"{source}:{line}: it is no TOML: {what or message}"


def _runs(python: str) -> bool:
    """Whether this names a program: a path, or a name on the PATH."""
    return shutil.which(python) is not None
