"""JSON Schema (2020-12) and OpenAPI (3.1) of the JSON that a schema's values become."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

from bascule.bridge.contracts.generators import File
from bascule.bridge.contracts.generators.description import default_on_wire, ref_name
from bascule.bridge.contracts.schema import (
    Builtin,
    Definition,
    Enum,
    Field,
    Foreign,
    Function,
    Record,
    Ref,
    Schema,
    Sum,
    Type,
)

_UUID = {"type": "string", "format": "uuid"}
_DECIMAL = {"type": "string", "pattern": r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"}
_SIMPLE: dict[Builtin, dict[str, Any]] = {
    Builtin.UNIT: {"type": "object", "maxProperties": 0},
    Builtin.BOOL: {"type": "boolean"},
    Builtin.INT32: {"type": "integer", "minimum": -(1 << 31), "maximum": (1 << 31) - 1},
    Builtin.INT64: {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1},
    Builtin.INTEGER: {"type": "integer"},
    Builtin.DOUBLE: {"type": "number", "minimum": -sys.float_info.max, "maximum": sys.float_info.max},
    Builtin.STRING: {"type": "string"},
    Builtin.BYTES: {
        "type": "string",
        "contentEncoding": "base64",
        "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    },
    Builtin.TIMESTAMP: {
        "type": "string",
        "format": "date-time",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6}0{0,3})?Z$",
    },
    Builtin.DURATION: {
        "type": "integer",
        "description": "microseconds",
        "minimum": timedelta.min // timedelta.resolution,
        "maximum": timedelta.max // timedelta.resolution,
    },
    Builtin.UUID: _UUID,
    Builtin.DECIMAL: _DECIMAL,
}
FOREIGN = {
    "datetime.datetime": {
        "type": "string",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$",
    },
    "datetime.date": {"type": "string", "format": "date"},
    "uuid.UUID": _UUID,
    "decimal.Decimal": _DECIMAL,
}
"""What converters make of the foreign types that are known without being told of."""


def generate_json_schema(schema: Schema) -> list[File]:
    """One file with the schemas of all definitions."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {ref_name(each.ref): _definition(schema, each, "#/$defs/") for each in _all(schema)},
    }
    return [File("schema.json", _text(document))]


def generate_openapi(schema: Schema, title: str) -> list[File]:
    """One file that describes every function as `POST /NAMESPACE/FUNCTION`."""
    place = "#/components/schemas/"
    paths: dict[str, Any] = {}
    for module in schema.modules.values():
        for function in module.functions:
            result = _type(schema, function.result, place)
            paths[f"/{'/'.join(module.namespace)}/{function.wire}"] = {
                "post": {
                    "operationId": f"{'_'.join(module.namespace)}_{function.wire}",
                    "tags": [module.name],
                    **({"description": function.doc} if function.doc else {}),
                    "requestBody": {"required": True, "content": _json(_type(schema, function.argument, place))},
                    "responses": {
                        "200": _answer(result, stream=function.stream),
                        "400": {"description": "The argument is not of its type."},
                        "404": {"description": "There is no such function."},
                        **_declared(function, place),
                    },
                }
            }
    document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {"schemas": {ref_name(each.ref): _definition(schema, each, place) for each in _all(schema)}},
    }
    return [File("openapi.json", _text(document))]


def _all(schema: Schema) -> list[Definition]:
    return [each for module in schema.modules.values() for each in module.definitions]


def _json(content: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": content}}


def _answer(result: dict[str, Any], *, stream: bool) -> dict[str, Any]:
    """What comes back; of a stream, the events' data."""
    if not stream:
        return {"description": "The result.", "content": _json(result)}
    told = "The values, one for each server-sent event; then `event: end`, or `event: error`."
    return {"description": told, "content": {"text/event-stream": {"schema": result}}}


def _declared(function: Function, place: str) -> dict[str, Any]:
    """The errors that a definition names: each says which record it is, and has it."""
    cases = [
        {
            "type": "object",
            "properties": {
                "error": {"type": "string"},
                "raised": {"const": ref_name(ref)},
                "value": {"$ref": place + ref_name(ref)},
            },
            "required": ["error", "raised", "value"],
        }
        for ref in function.raises
    ]
    return {"500": {"description": "The call failed.", "content": _json({"oneOf": cases})}} if cases else {}


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _definition(schema: Schema, definition: Definition, place: str) -> dict[str, Any]:
    found: dict[str, Any] = {"title": definition.ref.name}
    if definition.doc:
        found["description"] = definition.doc
    if isinstance(definition, Record):
        return found | _object(schema, definition.fields, place)
    if isinstance(definition, Enum):
        return found | {"type": "string", "enum": [each.wire for each in definition.members]}
    if isinstance(definition, Sum):
        return found | {"oneOf": [_case(schema, each, place) for each in definition.cases]}
    assert isinstance(definition, Foreign)
    return found | FOREIGN.get(definition.targets.get("python", ""), {})


def _case(schema: Schema, case: Any, place: str) -> dict[str, Any]:
    if not case.fields:
        return {"const": case.wire}
    payload = _object(schema, case.fields, place)
    return {
        "type": "object",
        "properties": {case.wire: payload},
        "required": [case.wire],
        "additionalProperties": False,
    }


def _object(schema: Schema, fields: tuple[Field, ...], place: str) -> dict[str, Any]:
    properties = {}
    for each in fields:
        described = _type(schema, each.type, place)
        if each.doc:
            described = {**described, "description": each.doc}
        if each.default is not None:
            described = {**described, "default": default_on_wire(schema, each)}
        properties[each.wire] = described
    required = [each.wire for each in fields if each.default is None]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _type(schema: Schema, kind: Type, place: str) -> dict[str, Any]:
    target = kind.target
    if isinstance(target, Ref):
        return {"$ref": place + ref_name(target)}
    if target in _SIMPLE:
        return dict(_SIMPLE[target])
    inner = _type(schema, kind.arguments[-1], place)
    if target is Builtin.MAYBE:
        return {"anyOf": [inner, {"type": "null"}]}
    if target is Builtin.LIST:
        return {"type": "array", "items": inner}
    if target is Builtin.SET:
        return {"type": "array", "items": inner, "uniqueItems": True}
    if target is Builtin.MAP:
        names = _keys(schema, kind.arguments[0], place)
        return {"type": "object", "additionalProperties": inner, **({"propertyNames": names} if names else {})}
    just = {"type": "object", "properties": {"just": inner}, "required": ["just"], "additionalProperties": False}
    return {"anyOf": [just, {"type": "null"}]}


def _keys(schema: Schema, kind: Type, place: str) -> dict[str, Any]:
    """What the keys of a Map are, which are texts in every format; nothing where any text will do."""
    if isinstance(kind.target, Ref):
        return _type(schema, kind, place)
    if kind.target is Builtin.UUID:
        return {"format": "uuid"}
    return {} if kind.target is Builtin.STRING else {"pattern": "^(0|-?[1-9][0-9]*)$"}
