"""`bascule contract`: check, format, compare and generate from Gugugu's definition files.

    bascule contract check definitions
    bascule contract generate -i definitions -o src -p shop --with-server --with-client
    bascule contract diff old new

Exit statuses: 0 all is well; 1 the definitions are wrong, differ, or are not in the form that was asked for; 2 the
command line is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bascule.bridge.contracts.generators import File
    from bascule.bridge.contracts.generators.python_options import PythonOptions
    from bascule.bridge.contracts.loading import Loaded
    from bascule.bridge.contracts.names import NameRules
    from bascule.bridge.contracts.schema import Schema

DONE, WRONG = 0, 1
TARGETS = ("python", "erlang", "clojure", "typescript", "json-schema", "openapi")
_PAUSE = 0.3  # seconds between two looks at watched files


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "contract",
        help="check, generate and compare contracts (Gugugu's .pg files)",
        description="Work with contracts: definition files of Gugugu, with what Bascule adds to them.",
    )
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    _add_generate(actions)
    check = _action(actions, "check", "say what is wrong with definitions", "Check definitions.")
    _add_folder(check)
    text = "Write definition files in their usual form."
    layout = _action(actions, "format", "write definition files in their usual form", text)
    layout.add_argument("files", nargs="+", type=Path, metavar="FILE", help="definition files, or folders of them")
    layout.add_argument(
        "--check", action="store_true", help="change nothing; exit with 1 if a file is not in that form"
    )
    text = "Compare two folders of definitions: what differs, and whom that breaks. Exits with 1 if it breaks anybody."
    diff = _action(actions, "diff", "tell which changes break whom", text)
    diff.add_argument("old", type=Path, metavar="OLD", help="the folder as it was")
    diff.add_argument("new", type=Path, metavar="NEW", help="the folder as it is")
    diff.add_argument("--extended", action="store_true", help="read all files as extended")
    text = "Propose definitions from recorded calls, or from a module's annotations, with the evidence as comments."
    infer = _action(actions, "infer", "propose definitions from recorded calls or annotations", text)
    infer.add_argument(
        "recording",
        metavar="SOURCE",
        help="a trace of `bascule record`; or a Python file, a module's name, or a landscape as JSON, with annotations",
    )
    infer.add_argument("--module", default="Inferred", metavar="NAME", help="the module's name (default: Inferred)")


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    """A parser of its own; build scripts must go on working when there are more options, so none is abbreviated."""
    return actions.add_parser(name, help=summary, description=description, allow_abbrev=False)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder with the definition files")
    parser.add_argument("--extended", action="store_true", help="read all files as extended")


def _add_generate(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from bascule.bridge.contracts.names import RULES, TRANSFORMERS, rule_default

    text = "Generate code. All files are written, or none; files that are not made any more are removed."
    parser = _action(actions, "generate", "generate code", text)
    parser.add_argument("-i", "--input", type=Path, required=True, metavar="DIR", help="the definition files")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where the code goes")
    parser.add_argument("-t", "--target", choices=TARGETS, default="python", help="what is made (default: python)")
    parser.add_argument(
        "-p", "--package-prefix", type=_dotted, default="", metavar="NAME", help="the package, such as shop.contract"
    )
    parser.add_argument(
        "-r", "--runtime-package", type=_dotted, metavar="NAME", help="where Python's run time goes (default: beside)"
    )
    parser.add_argument("--classic", action="store_true", help="write Python as Gugugu does")
    parser.add_argument("--modern", action="store_true", help="write modern Python (the default)")
    for flag in ("codec", "server", "client"):
        parser.add_argument(f"--with-{flag}", action="store_true", help=f"write {flag}s")
    for rule in RULES:
        option = f"--trans-{rule.replace('_', '-')}"
        default = rule_default(rule)
        parser.add_argument(option, choices=tuple(TRANSFORMERS), default=default, help=f"(default: {default})")
    parser.add_argument("--extended", action="store_true", help="read all files as extended")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if the output is not up to date"
    )
    parser.add_argument("--watch", action="store_true", help="generate again whenever a definition changes")


def run(options: argparse.Namespace) -> int:
    """Do what was asked; the exit status."""
    actions = {"generate": _generate, "check": _check, "format": _format, "diff": _diff, "infer": _infer}
    status: int = actions[options.action](options)
    return status


def _complain(message: object) -> int:
    print(f"bascule contract: {message}", file=sys.stderr)
    return WRONG


def _load(folder: Path, options: argparse.Namespace) -> Loaded | None:
    """The definitions of a folder, and what is to be said of them; None when there is no such folder."""
    from bascule.bridge.contracts.loading import load_folder

    if not folder.is_dir():
        remedy = "; name the folder that it is in" if folder.is_file() else ""
        _complain(f"{folder} is no folder{remedy}")
        return None
    loaded = load_folder(folder, _rules(options), extended=options.extended)
    for problem in loaded.diagnostics:
        print(problem.show(), file=sys.stderr)
    return loaded


def _rules(options: argparse.Namespace) -> NameRules:
    from bascule.bridge.contracts.names import RULES, NameRules

    chosen = {rule: getattr(options, f"trans_{rule}") for rule in RULES if hasattr(options, f"trans_{rule}")}
    return NameRules.named(**chosen)


def _check(options: argparse.Namespace) -> int:
    loaded = _load(options.folder, options)
    if loaded is None or loaded.schema is None:
        return WRONG
    modules = loaded.schema.modules.values()
    types, functions = sum(len(each.definitions) for each in modules), sum(len(each.functions) for each in modules)
    print(f"{len(modules)} modules, {types} types, {functions} functions")
    return DONE


def _generate(options: argparse.Namespace) -> int:
    if options.classic and options.modern:
        return _complain("--classic and --modern exclude each other")
    if options.target == "python" and not options.classic and (wrong := _python_options(options).unimportable()):
        return _complain(wrong)
    if not options.watch:
        return _generate_once(options)
    seen: dict[Path, tuple[int, int]] | None = None
    while True:
        now = _marks(options.input)
        if now != seen:
            seen = now
            _generate_once(options)
            sys.stdout.flush()
        time.sleep(_PAUSE)


def _marks(folder: Path) -> dict[Path, tuple[int, int]]:
    """The definition files of a folder, each with what changes when it does; its time alone is too coarse for a file
    that is seen before its text is written.
    """
    found = {}
    for path in sorted(folder.rglob("*.pg")):
        with contextlib.suppress(OSError):  # somebody has just moved it away
            told = path.stat()
            found[path] = (told.st_mtime_ns, told.st_size)
    return found


def _generate_once(options: argparse.Namespace) -> int:
    from bascule.bridge.contracts.sources import ContractError
    from bascule.bridge.contracts.writing import OutputError, carry_out, plan

    loaded = _load(options.input, options)
    if loaded is None or loaded.schema is None:
        return WRONG
    try:
        work = plan(
            options.output, _files(loaded.schema, options), f"{options.target} {options.package_prefix}".strip()
        )
        for path in work.kept:
            print(f"{options.output / path}: not made any more, but changed by somebody: kept", file=sys.stderr)
        if options.check:
            for file in work.changed:
                print(f"not up to date: {options.output / file.path}")
            for path in work.stale:
                print(f"not made any more: {options.output / path}")
            return WRONG if work.drifted else DONE
        carry_out(work)
    except ContractError as error:
        for problem in error.diagnostics:
            print(problem.show(), file=sys.stderr)
        return WRONG
    except OutputError as error:
        return _complain(error)
    for file in work.changed:
        print(f"wrote {options.output / file.path}")
    for path in work.stale:
        print(f"removed {options.output / path}")
    return DONE


def _dotted(word: str) -> str:
    """A package's name; other languages have the same form."""
    if word and not all(part.isidentifier() for part in word.split(".")):
        raise argparse.ArgumentTypeError(f"{word!r} is no package's name, such as shop.contract")
    return word


def _files(schema: Schema, options: argparse.Namespace) -> Sequence[File]:
    from bascule.bridge.contracts.generating import Dialect, generate, generate_python

    if options.target != "python":
        return generate(schema, options.target, options.package_prefix)
    dialect = Dialect.CLASSIC if options.classic else Dialect.MODERN
    return generate_python(schema, _python_options(options), dialect)


def _python_options(options: argparse.Namespace) -> PythonOptions:
    from bascule.bridge.contracts.generators.python_options import DEFAULT_RUNTIME, PythonOptions

    beside = f"{options.package_prefix}.runtime" if options.package_prefix else "runtime"
    return PythonOptions(
        package=options.package_prefix,
        runtime=options.runtime_package or (DEFAULT_RUNTIME if options.classic else beside),
        with_codec=options.with_codec,
        with_server=options.with_server,
        with_client=options.with_client,
        rules=_rules(options),
    )


def _format(options: argparse.Namespace) -> int:
    from bascule.bridge.contracts.formatting import format_text
    from bascule.bridge.contracts.sources import ContractError

    status = DONE
    paths = [path for each in options.files for path in (sorted(each.rglob("*.pg")) if each.is_dir() else [each])]
    for path in paths:
        try:
            text = path.read_bytes().decode()
            made = format_text(str(path), text)
        except ContractError as error:
            for problem in error.diagnostics:
                print(problem.show(), file=sys.stderr)
            status = WRONG
            continue
        except (OSError, UnicodeDecodeError) as error:
            status = _complain(f"{path}: {error}")
            continue
        if made == text:
            continue
        if options.check:
            print(f"would be formatted: {path}")
            status = WRONG
            continue
        try:
            path.write_bytes(made.encode())
        except OSError as error:
            status = _complain(f"{path}: {error.strerror}")
        else:
            print(f"formatted {path}")
    return status


def _diff(options: argparse.Namespace) -> int:
    from bascule.bridge.contracts.differences import differences
    from bascule.workers.contracts.comparing import Breaks

    old, new = _load(options.old, options), _load(options.new, options)
    if old is None or new is None or old.schema is None or new.schema is None:
        return WRONG
    found = differences(old.schema, new.schema)
    for each in found:
        print(each)
    return WRONG if any(each.breaks is not Breaks.NOBODY for each in found) else DONE


def _infer(options: argparse.Namespace) -> int:
    from bascule.bridge.contracts.annotated import infer_landscape, infer_source, is_landscape
    from bascule.bridge.contracts.inferring import infer_file
    from bascule.bridge.contracts.proposing import InferError

    path = Path(options.recording)
    try:
        if path.suffix == ".py" or not (path.exists() or path.suffix):
            text = infer_source(options.recording, options.module)
        elif is_landscape(path):
            text = infer_landscape(path, options.module)
        else:
            text = infer_file(path, options.module)
    except InferError as error:
        return _complain(error)
    print(text, end="")
    return DONE
