"""A schema as plain data: what generated code carries about itself, and what two programs compare.

See `bascule.workers.contracts.wire` for the form.
"""

from __future__ import annotations

import json
from typing import Any

from bascule.bridge.contracts.schema import (
    Builtin,
    Definition,
    Enum,
    Field,
    Foreign,
    MemberDefault,
    Module,
    Record,
    Ref,
    Schema,
    Type,
)
from bascule.workers.contracts.comparing import whole

LANGUAGE = "python"


def describe_module(schema: Schema, module: Module) -> dict[str, Any]:
    """A module's own types and functions; types of other modules stand in it by name."""
    return {
        "module": module.name,
        "namespace": list(module.namespace),
        "types": {ref_name(each.ref): describe_definition(schema, each) for each in module.definitions},
        "functions": {
            each.wire: {
                "argument": describe_type(each.argument),
                "result": describe_type(each.result),
                **({"stream": True} if each.stream else {}),
                **({"raises": [ref_name(ref) for ref in each.raises]} if each.raises else {}),
            }
            for each in module.functions
        },
    }


def whole_contract(schema: Schema, module: Module) -> str:
    """All that the functions of a module are about, as JSON: what clients in other languages have compared."""
    known = {
        ref_name(each.ref): describe_definition(schema, each)
        for other in schema.modules.values()
        for each in other.definitions
    }
    return json.dumps(whole(describe_module(schema, module), known), separators=(",", ":"), ensure_ascii=False)


def describe_definition(schema: Schema, definition: Definition) -> dict[str, Any]:
    """One definition."""
    if isinstance(definition, Record):
        return {"record": _fields(schema, definition.fields)}
    if isinstance(definition, Enum):
        return {"enum": [each.wire for each in definition.members]}
    if isinstance(definition, Foreign):
        return {"foreign": definition.targets.get(LANGUAGE, definition.ref.name)}
    return {"sum": [[each.wire, _fields(schema, each.fields)] for each in definition.cases]}


def describe_type(kind: Type) -> Any:
    """A type: a name, or a list of a name and what it is applied to."""
    if isinstance(kind.target, Ref):
        return ref_name(kind.target)
    name = "Wrapped" if kind.target is Builtin.WRAPPED else kind.target.value
    return [name, *map(describe_type, kind.arguments)] if kind.arguments else name


def ref_name(ref: Ref) -> str:
    """`Shop.Book`."""
    return f"{ref.module}.{ref.name}"


def default_on_wire(schema: Schema, field: Field) -> Any:
    """A field's default as it would stand on the wire."""
    assert field.default is not None
    value = field.default.value
    if isinstance(value, MemberDefault):
        kind = field.type.arguments[0] if field.type.target is Builtin.MAYBE else field.type
        assert isinstance(kind.target, Ref)
        definition = schema.definition(kind.target)
        members = definition.members if isinstance(definition, Enum) else definition.cases  # type: ignore[union-attr]
        return next(each.wire for each in members if each.name == value.name)
    return value


def _fields(schema: Schema, fields: tuple[Field, ...]) -> list[Any]:
    return [
        [
            each.wire,
            describe_type(each.type),
            *([{"default": default_on_wire(schema, each)}] if each.default is not None else []),
        ]
        for each in fields
    ]
