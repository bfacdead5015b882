"""A sketch in the formats of `bascule sketch`: of plain data (`describing`, `classic`, `changes`), or of a module.

JSON, YAML and EDN take any plain data. A pod's namespace and the text for people, which looks like Python, are made
from the module itself: the one has names of its own, the other says things in fewer words than data can.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from bascule.bridge.sketch.describing import as_landscape
from bascule.bridge.sketch.model import (
    Alias,
    Class,
    ClassMember,
    Doc,
    Function,
    FunctionKind,
    Member,
    Module,
    Parameter,
    ParameterKind,
    Property,
    TypeName,
)

_NOT_KNOWN = "..."


def as_json(data: Any) -> str:
    """Indented, in the letters that the source has."""
    try:
        return to_json(data, indent=2).decode()  # the same to the letter, in a fifth of the time
    except (PydanticSerializationError, UnicodeError):  # a lone surrogate, which only Python's own lets pass
        return json.dumps(data, indent=2, ensure_ascii=False)


def as_yaml(data: Any) -> str:
    """In the order of the data, not of the alphabet."""
    import yaml

    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
    return text.rstrip("\n")


def as_edn(data: Any) -> str:
    """Maps have keywords for keys, in kebab-case; text is in ASCII, so that no reader's locale matters."""
    from bascule.protocols import edn

    return edn.dumps(_with_keywords(data)).decode()


def _with_keywords(data: Any) -> Any:
    from bascule.protocols.clojure import Keyword

    if isinstance(data, dict):
        return {Keyword(key.replace("_", "-")): _with_keywords(value) for key, value in data.items()}
    return [_with_keywords(one) for one in data] if isinstance(data, list) else data


def as_pod(module: Module, members: Iterable[Member]) -> dict[str, Any]:
    """A namespace as a babashka pod describes it."""
    from bascule.bridge.doors.pod_vars import kebab, member_var

    landscape = as_landscape(module, members)
    return {"name": kebab(module.name), "vars": [member_var(one) for one in landscape["members"]]}


def signature(name: str, parameters: tuple[Parameter, ...] | None, returns: str | None = None) -> str:
    """`name(a, /, b: int = 1, *, c=None) -> str`."""
    text = f"{name}({', '.join(_words(parameters))})"
    return text if returns is None else f"{text} -> {returns}"


def _words(parameters: tuple[Parameter, ...] | None) -> Iterator[str]:
    if parameters is None:
        yield _NOT_KNOWN
        return
    before: ParameterKind | None = None
    star = False
    for one in parameters:
        if before is ParameterKind.POSITIONAL_ONLY and one.kind is not ParameterKind.POSITIONAL_ONLY:
            yield "/"
        if one.kind is ParameterKind.KEYWORD_ONLY and not star:
            star = True
            yield "*"
        star = star or one.kind is ParameterKind.VAR_POSITIONAL
        yield _word(one)
        before = one.kind
    if before is ParameterKind.POSITIONAL_ONLY:
        yield "/"


def _word(one: Parameter) -> str:
    mark = {ParameterKind.VAR_POSITIONAL: "*", ParameterKind.VAR_KEYWORD: "**"}.get(one.kind, "")
    text = mark + one.name
    if one.annotation is not None:
        text += f": {one.annotation}"
    if one.default is not None:
        text += f" = {one.default}" if one.annotation is not None else f"={one.default}"
    return text


def heading(member: Member | ClassMember, name: str | None = None) -> str:
    """A member in one line, as Python would declare it."""
    name = name or member.name
    if isinstance(member, Alias):
        return f"{name} = {member.target}" if member.meant is None else heading(member.meant, name)
    if isinstance(member, Function):
        marks = {FunctionKind.STATIC_METHOD: "static ", FunctionKind.CLASS_METHOD: "class "}.get(member.kind, "")
        word = "async def " if member.coroutine else "def "
        return marks + word + signature(name, member.called_with, member.returns)
    if isinstance(member, Class):
        bases = f"  <- {', '.join(member.bases)}" if member.bases else ""
        return "class " + signature(name, member.parameters) + bases
    if isinstance(member, Property):
        text = f"property {name}" + (f": {member.type}" if member.type else "")
        return text if member.writable else f"{text}  (read only)"
    if isinstance(member, TypeName):
        return f"type {name} = {member.value or _NOT_KNOWN}"
    text = name if member.annotation is None else f"{name}: {member.annotation}"
    return text if member.value is None else f"{text} = {member.value}"


def as_text(module: Module, members: Iterable[Member]) -> str:
    """For people: a line for each member, and the first sentence about it."""
    lines = [f"{module.name}  {module.file or ''}".rstrip()]
    if module.doc is not None and module.doc.summary:
        lines.append(f"    {module.doc.summary}")
    if module.submodules:
        lines.append(f"    submodules: {', '.join(module.submodules)}")
    if module.error is not None:
        lines.append(f"    error: {module.error}")
    for member in members:
        lines += ["", *_text_lines(member, "")]
    return "\n".join(lines)


def _text_lines(member: Member | ClassMember, indent: str) -> Iterator[str]:
    meant = member.meant if isinstance(member, Alias) and member.meant is not None else member
    where = f"  [{member.target}]" if isinstance(member, Alias) and member.meant is not None else ""
    yield f"{indent}{heading(member)}{where}"
    doc = getattr(meant, "doc", None)
    if isinstance(doc, Doc) and doc.summary:
        yield f"{indent}    {doc.summary}"
    if isinstance(meant, Class):
        for one in meant.members:
            yield from _text_lines(one, indent + "    ")


def as_markdown(module: Module, members: Iterable[Member]) -> str:
    """A page about the module: headings, signatures, docstrings, a table of the parameters that are described."""
    lines = [f"# {module.name}", ""]
    if module.error is not None:
        lines += [f"> Not read: {module.error}", ""]
    if module.doc is not None:
        lines += [module.doc.text, ""]
    values: list[str] = []
    for member in members:
        meant = member.meant if isinstance(member, Alias) else member
        if isinstance(meant, (Function, Class)):
            lines += _section(member, meant, 2)
        else:
            values.append(heading(member))
    if values:
        lines += ["## Values", "", *_fenced(values)]
    return "\n".join(lines).rstrip()


def _section(member: Member | ClassMember, meant: Function | Class, level: int) -> Iterator[str]:
    yield f"{'#' * level} {member.name}"
    yield ""
    inner = [heading(one) for one in meant.members if not isinstance(one, Function)] if isinstance(meant, Class) else []
    yield from _fenced([heading(member), *[f"    {line}" for line in inner]])
    if meant.doc is not None:
        yield meant.doc.text
        yield ""
        if meant.doc.parameters:
            yield "| parameter | meaning |"
            yield "|---|---|"
            for one in meant.doc.parameters:
                text = " ".join(one.text.split()).replace("|", "\\|")
                yield f"| `{one.name}` | {text} |"
            yield ""
    if isinstance(meant, Class):
        for method in meant.methods:
            yield from _section(method, method, level + 1)


def _fenced(lines: list[str]) -> list[str]:
    return ["```python", *lines, "```", ""]
