"""The keys of a configuration in words: what each allows, its default, what it is for.

All of it is read off the models in `config`, so that an error, the reference page (`bascule config reference`) and the
commented file (`bascule config init`) can't contradict what is checked.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bascule.bridge import config
from bascule.bridge.config import Section, ServiceConfig

_PLURAL = {
    "string": "texts",
    "integer": "whole numbers",
    "number": "numbers",
}
_SINGLE = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a table",
}


@dataclass(frozen=True)
class Key:
    """One key that may be written."""

    table: tuple[str, ...]  # the table that it stands in; NAME where the user names one
    name: str
    allowed: str
    default: str  # in words, or as TOML
    value: str | None  # the default as TOML, where it can be written
    text: str

    @property
    def path(self) -> str:
        """Its whole name."""
        return ".".join((*self.table, self.name))


@dataclass(frozen=True)
class Table:
    """One table that may be written, with the keys that stand in it."""

    path: tuple[str, ...]
    text: str
    keys: tuple[Key, ...]


@cache
def tables() -> tuple[Table, ...]:
    """All tables, the top one first, in the order of the models."""
    return tuple(_tables(ServiceConfig, ()))


def allowed_at(location: Sequence[int | str]) -> str:
    """What may stand at a place in the data, in words; empty when nothing is known of it."""
    model: type[BaseModel] = ServiceConfig
    path = [part for part in location if isinstance(part, str)]
    while path:
        field = model.model_fields.get(path.pop(0))
        if field is None:
            return f"one of {', '.join(model.model_fields)}"
        inner, named = _section_of(field)
        if inner is None:
            return _allowed(model, field)
        if named:
            if not path:
                return "a table of tables, at least one, each under a name"
            path.pop(0)
        model = inner
    return f"a table with {', '.join(model.model_fields)}"


def known_keys(location: Sequence[int | str]) -> tuple[str, ...]:
    """The keys of the table that a place in the data is in."""
    model: type[BaseModel] = ServiceConfig
    path = [part for part in location[:-1] if isinstance(part, str)]
    while path:
        field = model.model_fields.get(path.pop(0))
        inner, named = (None, False) if field is None else _section_of(field)
        if inner is None:
            return ()
        if named and path:
            path.pop(0)
        model = inner
    return tuple(model.model_fields)


def _tables(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Table]:
    keys, inner_tables = [], []
    for name, field in model.model_fields.items():
        inner, named = _section_of(field)
        if inner is None:
            keys.append(_key(model, path, name, field))
        else:
            inner_tables.append((inner, (*path, name, "NAME") if named else (*path, name)))
    yield Table(path, (model.__doc__ or "").strip(), tuple(keys))
    for inner, where in inner_tables:
        yield from _tables(inner, where)


def _section_of(field: FieldInfo) -> tuple[type[Section] | None, bool]:
    """The model of a table, or of each table of a table; and whether it is the latter."""
    annotation = field.annotation
    if get_origin(annotation) is dict:
        inner = get_args(annotation)[1]
        return (inner, True) if isinstance(inner, type) and issubclass(inner, Section) else (None, False)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, False
    return None, False


def _key(model: type[BaseModel], table: tuple[str, ...], name: str, field: FieldInfo) -> Key:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = None if extra.get("shown") else field.get_default(call_default_factory=True, validated_data={})
    value = None if extra.get("shown") or default is None else as_toml(default)
    shown = str(extra.get("shown") or ("none" if default is None else value))
    return Key(table, name, _allowed(model, field), shown, value, _texts()[model.__name__, name])


@cache
def _texts() -> dict[tuple[str, str], str]:
    """What is written below the keys in `config`, by model and key; a model has what those above it say, too."""
    texts: dict[tuple[str, str], str] = {}
    for node in ast.parse(inspect.getsource(config)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for base in node.bases:
            above = [(key, text) for (model, key), text in texts.items() if model == ast.unparse(base)]
            texts.update({(node.name, key): text for key, text in above})
        for key, text in pairwise(node.body):
            if isinstance(key, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                texts[node.name, ast.unparse(key.target)] = " ".join(str(text.value.value).split())
    return texts


def as_toml(value: Any) -> str:
    """A plain value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:.0f}" if float(value).is_integer() else str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(as_toml(each) for each in value) + "]"
    if isinstance(value, dict):
        inner = ", ".join(f"{as_toml(str(name))} = {as_toml(each)}" for name, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text) + '"'


def _allowed(model: type[BaseModel], field: FieldInfo) -> str:
    name = next(name for name, each in model.model_fields.items() if each is field)
    return _in_words(_schema(model)["properties"][name])


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _in_words(schema: dict[str, Any]) -> str:
    if told := schema.get("allowed"):
        return str(told)
    if choices := schema.get("enum"):
        return "one of " + ", ".join(as_toml(choice) for choice in choices)
    if several := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(_in_words(each) for each in several if each.get("type") != "null"))
    kind = str(schema.get("type", ""))
    if kind == "array":
        items = schema.get("items", {})
        if several := items.get("anyOf"):
            return "a list of " + " or ".join(_PLURAL[each["type"]] for each in several)
        return f"a list of {_PLURAL.get(items.get('type'), 'values')}"
    if kind == "object":
        return "a table of texts"
    if schema.get("format") == "path":
        return "a path"
    return _SINGLE.get(kind, "a value") + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    least, above, most = schema.get("minimum"), schema.get("exclusiveMinimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least:g} to {most}" if isinstance(most, int) else f" from {least:g} to {most:.0f}"
    if above is not None:
        return f" above {above:g}" + (f", at most {most:.0f}" if most is not None else "")
    return f" from {least:g} up" if least is not None else ""
