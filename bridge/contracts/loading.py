"""The whole way from a folder of `.pg` files to a schema: read, parse, check, resolve.

All that is wrong is collected and told in the order of the files, never only the first mistake. But references are
resolved only when every file could be read: a file that can't be would make wrong whatever refers to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bascule.bridge.collecting import no_collections
from bascule.bridge.contracts import syntax
from bascule.bridge.contracts.checks import check
from bascule.bridge.contracts.meanings import Mode
from bascule.bridge.contracts.names import NameRules
from bascule.bridge.contracts.parser import parse
from bascule.bridge.contracts.resolving import resolve
from bascule.bridge.contracts.schema import Schema
from bascule.bridge.contracts.sources import ContractError, Diagnostic, Severity, Source, errors_in

SUFFIX = ".pg"


@dataclass(frozen=True)
class Loaded:
    """What became of a set of files: a schema if there is no error, and all that is to be said about them."""

    schema: Schema | None
    files: tuple[syntax.File, ...]
    diagnostics: tuple[Diagnostic, ...]

    def require(self) -> Schema:
        """The schema.

        Raises:
            ContractError: There is none.
        """
        if self.schema is None:
            raise ContractError(errors_in(self.diagnostics))
        return self.schema


def load_folder(
    folder: Path, rules: NameRules | None = None, mode: Mode | None = None, *, extended: bool = False
) -> Loaded:
    """Read all definition files below a folder.

    Args:
        folder: Where they are; files in sub-folders have no name that could be imported, and are an error.
        rules: How names are transformed; only the wire's names matter here.
        mode: How strictly they are read.
        extended: Every file may use what is beyond Gugugu, with or without the pragma.
    """
    sources: list[Source] = []
    problems: list[Diagnostic] = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        if path.is_dir():
            continue
        if not path.is_file():
            problems.append(_about_file(path, "this is no file, or a link that leads to none"))
            continue
        inside = path.relative_to(folder)
        if len(inside.parts) > 1:
            wanted = ".".join(inside.with_suffix("").parts)
            problems.append(
                _about_file(path, f"this would have to be the module {wanted}, which has no name: move it up")
            )
            continue
        try:
            sources.append(Source(str(path), path.read_bytes().decode()))
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
            message = f"byte {error.object[error.start]:#04x} is not UTF-8"
            problems.append(Diagnostic(Severity.ERROR, message, str(path), line, column))
        except OSError as error:
            problems.append(_about_file(path, error.strerror or str(error)))
    return _load(sources, problems, rules or NameRules(), mode or Mode(), extended)


def load_texts(texts: Mapping[str, str], rules: NameRules | None = None, *, extended: bool = False) -> Loaded:
    """The same from texts in memory, by the names of their modules."""
    sources = [Source(f"{name}{SUFFIX}", text) for name, text in sorted(texts.items())]
    return _load(sources, [], rules or NameRules(), Mode(), extended)


def _load(sources: list[Source], problems: list[Diagnostic], rules: NameRules, mode: Mode, extended: bool) -> Loaded:
    with no_collections():
        return _load_all(sources, problems, rules, mode, extended)


def _load_all(
    sources: list[Source], problems: list[Diagnostic], rules: NameRules, mode: Mode, extended: bool
) -> Loaded:
    files: list[syntax.File] = []
    for source in sources:
        file, found = parse(source, extended=extended)
        problems += found
        if file is None:
            continue
        expected = Path(source.path).stem
        if file.name != expected:
            message = f"the module is called {file.name}, its file {expected}: they must have one name"
            problems.append(source.error(file.name_offset, message, len(file.name)))
            continue
        files.append(file)
    unread = list(problems)
    problems += check(files, rules, lenient=mode.lenient)
    # What can't be read would make wrong whatever refers to it.
    schema = None
    if not any(each.severity is Severity.ERROR for each in unread):
        schema, found = resolve(files, rules, mode)
        problems += found
    ordered = sorted(problems, key=lambda problem: (problem.path, problem.line, problem.column))
    return Loaded(None if errors_in(ordered) else schema, tuple(files), tuple(ordered))


def _about_file(path: Path, message: str) -> Diagnostic:
    return Diagnostic(Severity.ERROR, message, str(path))
