"""How objects of a class are made, where the class does not say so itself: inherited, or written by a decorator.

A dataclass takes its fields, a NamedTuple too, another class what the first of its bases takes that says so. A class
whose metaclass has a word in it, or with a base that no source tells of, is left alone: `parameters` stays None.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace

from bascule.bridge.sketch.branches import dotted
from bascule.bridge.sketch.model import Class, Field, Function, Parameter, ParameterKind

Lookup = Callable[[str], Class | Function | None]

_DATACLASS = re.compile(r"(?:\w+\.)*dataclass(?:\((.*)\))?", re.DOTALL)
_CLASS_VARIABLE = re.compile(r"[\"']?(?:\w+\.)?ClassVar\b")
_ONLY_KEYWORDS = re.compile(r"[\"']?(?:\w+\.)?KW_ONLY\b")
_INIT_VARIABLE = re.compile(r"(?:\w+\.)?InitVar\[(.*)\]", re.DOTALL)
_FIELD = re.compile(r"(?:\w+\.)?field\(")
_HARMLESS_METACLASSES = {"ABCMeta", "abc.ABCMeta", "type"}


def completed(cls: Class, lookup: Lookup) -> Class:
    """The class with its constructor's parameters, as far as they can be told; the classes in it likewise.

    Args:
        cls: As it was read.
        lookup: What a base's name stands for where the class is.
    """
    inner = tuple([completed(one, lookup) if isinstance(one, Class) else one for one in cls.members])
    if inner != cls.members:
        cls = replace(cls, members=inner)
    if cls.parameters is not None:
        return cls
    found = _of_dataclass(cls, lookup) if dataclass_options(cls) is not None else _inherited(cls, lookup)
    return cls if found is None else replace(cls, parameters=found)


def dataclass_options(cls: Class) -> str | None:
    """What stands in the parentheses of `@dataclass(...)`; None for a class that has no such decorator."""
    for decorator in cls.decorators:
        if match := _DATACLASS.fullmatch(decorator):
            return match[1] or ""
    return None


def is_class_variable(annotation: str) -> bool:
    """Whether an annotation says that no object has a value of its own: `ClassVar[...]`."""
    return _CLASS_VARIABLE.match(annotation) is not None


def _inherited(cls: Class, lookup: Lookup) -> tuple[Parameter, ...] | None:
    for name, value in cls.keywords:
        if name == "metaclass" and value not in _HARMLESS_METACLASSES:
            return None
    for written in cls.bases:
        name = written.partition("[")[0]
        if name == "object":
            continue
        base = lookup(name)
        if isinstance(base, Function):
            return _of_fields(cls) if base.name == "NamedTuple" else None
        if base is None or base.parameters is None:
            return None
        if base.parameters:
            return base.parameters
    return ()


def _of_fields(cls: Class) -> tuple[Parameter, ...]:
    return tuple(
        [
            Parameter(one.name, default=one.value, annotation=one.annotation)
            for one in cls.fields
            if one.annotation is not None
        ]
    )


def _of_dataclass(cls: Class, lookup: Lookup) -> tuple[Parameter, ...] | None:
    options = dataclass_options(cls) or ""
    if re.search(r"\binit\s*=\s*False", options):
        return _inherited(cls, lookup)
    parameters: dict[str, Parameter] = {}
    for written in reversed(cls.bases):
        base = lookup(written.partition("[")[0])
        if isinstance(base, Class) and dataclass_options(base) is not None and base.parameters is not None:
            parameters.update((one.name, one) for one in base.parameters)
        elif not isinstance(base, Class) and written.partition("[")[0] != "object":
            return None
    only_keywords = re.search(r"\bkw_only\s*=\s*True", options) is not None
    for one in cls.fields:
        if one.annotation is None or _set_by_init(one) or is_class_variable(one.annotation):
            continue
        if _ONLY_KEYWORDS.match(one.annotation):
            only_keywords = True
            continue
        parameter = _of_field(one, only_keywords=only_keywords)
        if parameter is not None:
            parameters[one.name] = parameter
    found = list(parameters.values())
    return tuple(sorted(found, key=lambda one: one.kind is ParameterKind.KEYWORD_ONLY))


def _set_by_init(one: Field) -> bool:
    """Whether only `__init__` sets it: what a class's body annotates has no value there, or is the class's."""
    return one.of_instances and one.value is not None


def _of_field(one: Field, *, only_keywords: bool) -> Parameter | None:
    """The parameter of one field; None when the constructor does not take it."""
    annotation = one.annotation or ""
    if match := _INIT_VARIABLE.fullmatch(annotation):
        annotation = match[1]
    default = one.value
    if default is not None and _FIELD.match(default):
        options = _options(default)
        if options.get("init") == "False":
            return None
        only_keywords = {"True": True, "False": False}.get(options.get("kw_only", ""), only_keywords)
        factory = options.get("default_factory")
        default = options.get("default", None if factory is None else f"{factory}()")
    kind = ParameterKind.KEYWORD_ONLY if only_keywords else ParameterKind.POSITIONAL_OR_KEYWORD
    return Parameter(one.name, kind, default, annotation)


def _options(call: str) -> dict[str, str]:
    try:
        node = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError):  # cut off, since it is very long
        return {}
    if not isinstance(node, ast.Call) or dotted(node.func) is None:
        return {}
    return {one.arg: ast.unparse(one.value) for one in node.keywords if one.arg is not None}
