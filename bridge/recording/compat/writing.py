"""The stubs of python-record-api: one file for each module, `numpy.random.py`, with overloads and counts.

With `strict` exactly as the old tool writes them. Otherwise what it gets wrong is right: constructors are written, a
slice's step is its own, and the file can be executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bascule.bridge.recording.compat.annotating import annotate
from bascule.bridge.recording.compat.layout import broken
from bascule.bridge.recording.reading import InputError

Told = dict[str, Any]


def write(api: Told, folder: Path, *, strict: bool = True) -> list[Path]:
    """Write the stubs of an API; the files.

    Raises:
        InputError: It is no API.
        OSError: A file can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, module in api.get("modules", {}).items():
        path = folder / f"{name}.py"
        try:
            text = module_text(module, strict=strict)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"module {name}: it is no API: {type(error).__name__}: {error}") from None
        path.write_text(text, errors="surrogatepass")
        files.append(path)
    return files


def module_text(module: Told, *, strict: bool) -> str:
    """The stub of one module."""
    lines = [] if strict else ["from __future__ import annotations"]
    lines.append("from typing import *")
    for name, attribute in _sorted(module.get("properties", {})):
        lines += ["", *_attribute(name, attribute, "", strict=strict)]
    for name, signature in _sorted(module.get("functions", {})):
        overloads = module.get("function_overloads", {}).get(name, [])
        for each in _function(name, overloads, signature, "function", "", strict=strict):
            lines += ["", "", *each]
    for name, of in _sorted_all(module.get("classes", {})):
        lines += ["", "", *_class(name, of, strict=strict)]
    return "\n".join(lines) + "\n"


def _class(name: str, of: Told, *, strict: bool) -> Iterator[str]:
    yield f"class {name}:"
    indent = "    "
    blocks: list[list[str]] = []
    plain: list[list[str]] = []
    if not strict and "constructor" in of:
        overloads = of.get("constructor_overloads", [])
        blocks += _function("__init__", overloads, of["constructor"], "method", indent, strict=strict)
    for each, attribute in _sorted(of.get("classproperties", {})):
        plain.append(list(_attribute(each, attribute, indent, strict=strict, of_class=True)))
    for each, signature in _sorted(of.get("classmethods", {})):
        overloads = of.get("classmethod_overloads", {}).get(each, [])
        blocks += _function(each, overloads, signature, "classmethod", indent, strict=strict)
    between = [list(_attribute(each, told, indent, strict=strict)) for each, told in _sorted(of.get("properties", {}))]
    methods: list[list[str]] = []
    for each, signature in _sorted(of.get("methods", {})):
        overloads = of.get("method_overloads", {}).get(each, [])
        methods += _function(each, overloads, signature, "method", indent, strict=strict)
    first = True
    for kind, groups in (("attribute", plain), ("def", blocks), ("attribute", between), ("def", methods)):
        for group in groups:
            if not (first and kind == "def"):
                yield ""
            yield from group
            first = False
    if first:
        yield f"{indent}pass"


def _attribute(name: str, told: Any, indent: str, *, strict: bool, of_class: bool = False) -> Iterator[str]:
    usage, of = told
    said = annotate(of, strict=strict)
    yield from (f"{indent}# {line}" for line in _counts(usage))
    yield from broken(f"{indent}{name}: {f'ClassVar[{said}]' if of_class else said}")


def _function(
    name: str, overloads: list[Told], whole: Told, kind: str, indent: str, *, strict: bool
) -> Iterator[list[str]]:
    for each in overloads if len(overloads) > 1 else []:
        yield [f"{indent}@overload", *_definition(name, each, kind, indent, strict=strict)]
    yield list(_definition(name, whole, kind, indent, strict=strict))


def _definition(name: str, of: Told, kind: str, indent: str, *, strict: bool) -> Iterator[str]:
    if kind == "classmethod":
        yield f"{indent}@classmethod"
    yield from broken(f"{indent}def {name}({', '.join(_parameters(of, kind, strict=strict))}):")
    inner = indent + "    "
    yield f'{inner}"""'
    yield from (f"{inner}{line}" for line in _counts(of.get("metadata", {})))
    yield f'{inner}"""'
    yield f"{inner}..."


def _parameters(of: Told, kind: str, *, strict: bool) -> Iterator[str]:
    def given(names: Told, default: str = "") -> list[str]:
        return [f"{name}: {annotate(told, strict=strict)}{default}" for name, told in names.items()]

    first = {"classmethod": ["cls"], "method": ["self"]}.get(kind, [])
    optional = _ordered(of.get("pos_only_optional", {}), of.get("pos_only_optional_ordering", []))
    positional = [*first, *given(of.get("pos_only_required", {})), *given(optional, " = ...")]
    yield from positional
    if positional:
        yield "/"
    yield from given(of.get("pos_or_kw_required", {}))
    yield from given(_ordered(of.get("pos_or_kw_optional", {}), of.get("pos_or_kw_optional_ordering", [])), " = ...")
    keywords = [*given(of.get("kw_only_required", {})), *given(of.get("kw_only_optional", {}), " = ...")]
    if of.get("var_pos"):
        name, told = of["var_pos"]
        yield f"*{name}: {annotate(told, strict=strict)}"
    elif keywords:
        yield "*"
    yield from keywords
    if of.get("var_kw"):
        name, told = of["var_kw"]
        yield f"**{name}: {annotate(told, strict=strict)}"


def _ordered(names: Told, pairs: list[list[str]]) -> Told:
    """Names in an order that the pairs allow: level by level, in each as they were first named."""
    waiting = list(dict.fromkeys(name for pair in pairs for name in pair))
    behind = {name: {first for first, then in pairs if then == name} for name in waiting}
    order: list[str] = []
    while waiting:
        level = [name for name in waiting if not behind[name] - set(order)]
        if not level:
            break
        order += level
        waiting = [name for name in waiting if name not in level]
    return {name: names[name] for name in order if name in names} or names


def _counts(usage: dict[str, int]) -> Iterator[str]:
    for label, count in sorted(usage.items()):
        yield f"{label}: {count}"


def _sorted(told: Told) -> list[tuple[str, Any]]:
    return [(name, each) for name, each in sorted(told.items()) if name.isidentifier()]


def _sorted_all(told: Told) -> list[tuple[str, Any]]:
    return sorted(told.items())
