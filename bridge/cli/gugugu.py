"""`gugugu-python`: Gugugu's own command, with its options, its exit statuses and, unless told otherwise, its output.

    gugugu-python --input=definitions --output=src --package-prefix=some.package --with-codec --with-server

Existing build scripts must not notice the difference, so the command line is read as Gugugu reads it and not as
argparse would: an option that is given twice, or a word that belongs to none, is an error, and errors exit with 1. With
`--modern` the same options write modern code instead.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bascule.bridge.contracts.generating import Dialect, generate_python
from bascule.bridge.contracts.generators.python_options import DEFAULT_RUNTIME, PythonOptions
from bascule.bridge.contracts.loading import load_folder
from bascule.bridge.contracts.meanings import Mode
from bascule.bridge.contracts.names import RULES, TRANSFORMERS, NameRules, rule_default
from bascule.bridge.contracts.sources import ContractError, errors_in
from bascule.bridge.contracts.writing import OutputError, carry_out, plan

PROGRAM = "gugugu-python"
VERSION = "Gugugu Python 0.5.2.0"
_SUMMARIES = {
    "module_code": "module name transformer for code",
    "module_value": "module name transformer for value",
    "module_type": "module name transformer for type of client/server",
    "func_code": "function name transformer for code",
    "func_value": "function name transformer for value",
    "type_code": "type name transformer for code",
    "type_func": "type name transformer in function",
    "field_code": "record field name transformer for code",
    "field_value": "record field name transformer for value",
    "enum_code": "enum name transformer for code",
    "enum_value": "enum name transformer for value",
}
_VALUED = {"input": "i", "output": "o", "package-prefix": "p", "runtime-package": "r"}
_FLAGS = ("with-codec", "with-server", "with-client", "classic", "modern")
_TRANSFORMERS = tuple(f"trans-{rule.replace('_', '-')}" for rule in RULES)


class UsageError(Exception):
    """The command line is wrong."""


@dataclass
class _Given:
    values: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may have what the terminal has not
    try:
        status = _run(words)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        from bascule.bridge.cli.output import unwritten

        return unwritten(error, PROGRAM)
    return status


def _run(words: list[str]) -> int:
    try:
        given = _read(words)
        if given is None:
            return 0
        folder, output, options, modern = _understand(given)
    except UsageError as error:
        print(f"{error}\n\n{_usage()}", file=sys.stderr)
        return 1
    return _generate(folder, output, options, modern=modern)


def _generate(folder: Path, output: str, options: PythonOptions, *, modern: bool) -> int:
    # What is wrong by our own lights alone must not stop a build that Gugugu did; modern code can't be made of it.
    mode = Mode(lenient=not modern, functions=modern or options.service)
    if not folder.is_dir():
        print(f"{PROGRAM}: {folder} is no folder: there are no definitions", file=sys.stderr)
    loaded = load_folder(folder, options.rules, mode)
    for problem in loaded.diagnostics:
        print(problem.show(), file=sys.stderr)
    if errors_in(loaded.diagnostics):
        return 1
    try:
        files = generate_python(loaded.require(), options, Dialect.MODERN if modern else Dialect.CLASSIC)
    except ContractError as error:
        for problem in error.diagnostics:
            print(problem.show(), file=sys.stderr)
        return 1
    try:
        carry_out(plan(Path(output), files, None))
    except OutputError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    before = output if output.endswith("/") or not output else f"{output}/"
    for file in files:
        print(f"Writing file: {before}{file.path}")
    return 0


# ---- The command line


def _read(words: list[str]) -> _Given | None:
    """The options by their names; None when one of them was answered at once.

    Raises:
        UsageError: A word is none of ours, or came twice.
    """
    given = _Given()
    shorts = {short: name for name, short in _VALUED.items()}
    waiting = list(reversed(words))
    while waiting:
        word = waiting.pop()
        if word == "--":
            if waiting:
                raise UsageError(f"Invalid argument `{waiting.pop()}'")
            break
        name, value = _split(word, shorts)
        if name in _ANSWERS:
            print(_ANSWERS[name]())
            return None
        if name in _FLAGS and value is None:
            if name in given.flags:
                raise UsageError(f"Invalid option `{word}'")
            given.flags.add(name)
        elif name in _VALUED or name in _TRANSFORMERS:
            if name in given.values:
                raise UsageError(f"Invalid option `{word}'")
            if value is None:
                if not waiting:
                    raise UsageError(f"The option `{word}` expects an argument.")
                value = waiting.pop()
            if name in _TRANSFORMERS and value not in TRANSFORMERS:
                known = ", ".join(TRANSFORMERS)
                raise UsageError(f"option --{name}: unknown name transformer: {value}; there are {known}")
            given.values[name] = value
        elif word.startswith("-") and word != "-":
            raise UsageError(f"Invalid option `{word}'")
        else:
            raise UsageError(f"Invalid argument `{word}'")
    return given


def _split(word: str, shorts: dict[str, str]) -> tuple[str, str | None]:
    """The option's name, and the value that stands in the same word."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return name, value if equals else None
    if word.startswith("-h"):
        return "help", None
    if word.startswith("-") and word[1:2] in shorts:
        return shorts[word[1]], word[2:] or None
    return "", None


def _understand(given: _Given) -> tuple[Path, str, PythonOptions, bool]:
    missing = [_describe(name) for name in ("input", "output", "package-prefix") if name not in given.values]
    if missing:
        raise UsageError(f"Missing: {' '.join(missing)}")
    if {"classic", "modern"} <= given.flags:
        raise UsageError("--classic and --modern exclude each other")
    choices = {
        rule: given.values[option] for option, rule in zip(_TRANSFORMERS, RULES, strict=True) if option in given.values
    }
    options = PythonOptions(
        package=given.values["package-prefix"],
        runtime=given.values.get("runtime-package", DEFAULT_RUNTIME),
        with_codec="with-codec" in given.flags,
        with_server="with-server" in given.flags,
        with_client="with-client" in given.flags,
        rules=NameRules.named(**choices),
    )
    modern = "modern" in given.flags
    if modern and (wrong := options.unimportable()):
        raise UsageError(wrong)
    return Path(given.values["input"]), given.values["output"], options, modern


def _describe(name: str) -> str:
    return f"(-{_VALUED[name]}|--{name} {name.upper().replace('-', '_')})"


def _usage() -> str:
    words = [_describe(name) for name in ("input", "output", "package-prefix")]
    words.append("[-r|--runtime-package RUNTIME_PACKAGE]")
    words += [f"[--{flag}]" for flag in ("with-codec", "with-server", "with-client")]
    words += [f"[--{option} ARG]" for option in _TRANSFORMERS]
    words += ["[--classic | --modern]", "[--version]"]
    lines = [f"Usage: {PROGRAM}"]
    for word in words:
        if len(lines[-1]) + len(word) + 1 > 80:
            lines.append(" " * len(f"Usage: {PROGRAM}"))
        lines[-1] += f" {word}"
    return "\n".join(lines)


def _help() -> str:
    rows = [
        ("-i,--input INPUT", "the directory containing the definition files"),
        ("-o,--output OUTPUT", "the directory to put the generated sources"),
        ("-p,--package-prefix PACKAGE_PREFIX", "the package prefix, e.g. some.package.prefix"),
        ("-r,--runtime-package RUNTIME_PACKAGE", f'location of the run time (default: "{DEFAULT_RUNTIME}")'),
        ("--with-codec", "generate codecs"),
        ("--with-server", "generate servers; implies --with-codec"),
        ("--with-client", "generate clients; implies --with-codec"),
    ]
    rows += [
        (f"--{option} ARG", f"{_SUMMARIES[rule]} (default: {rule_default(rule)})")
        for option, rule in zip(_TRANSFORMERS, RULES, strict=True)
    ]
    rows += [
        ("--classic", "write what Gugugu writes (the default)"),
        ("--modern", "write modern Python with the same wire form"),
        ("-h,--help", "show this help text"),
        ("--help-transformers", "list available name transformers"),
        ("--version", "show version"),
    ]
    lines = [f"  {option:<24} {text}" if len(option) <= 24 else f"  {option}\n{'':27}{text}" for option, text in rows]
    return "\n".join([_usage(), "", "Available options:", *lines])


def _help_transformers() -> str:
    lines = [f"  {name:<30} {summary}" for name, (_, summary) in TRANSFORMERS.items()]
    return "\n".join(["Available name transformers are:", *lines])


_ANSWERS: Mapping[str, Callable[[], str]] = {
    "help": _help,
    "help-transformers": _help_transformers,
    "version": lambda: VERSION,
}
"""Options that are answered at once, whatever stands before and after them."""


if __name__ == "__main__":
    sys.exit(main())
