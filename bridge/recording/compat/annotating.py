"""A type of an api.json -> how python-record-api writes it."""

from __future__ import annotations

from typing import Any

_UNKNOWN = ("object", "bottom")


def annotate(told: dict[str, Any], *, strict: bool) -> str:
    """The annotation of a type. A slice's step is written as its start when `strict`: so the old tool does."""
    kind = told["type"]
    if isinstance(kind, dict):
        return _dotted(kind)
    if kind in _UNKNOWN:
        return "object"
    if kind == "None":
        return "None"
    if kind == "str":
        options = told.get("options")
        return f"Literal[{', '.join(map(quoted, options))}]" if options else "str"
    if kind == "list":
        return "list" if _unknown(told["item"]) else f"List[{annotate(told['item'], strict=strict)}]"
    if kind == "tuple":
        return _tuple(told["items"], strict=strict)
    if kind == "dict":
        if _unknown(told["key"]) and _unknown(told["value"]):
            return "dict"
        return f"Dict[{annotate(told['key'], strict=strict)}, {annotate(told['value'], strict=strict)}]"
    if kind == "slice":
        parts = [told["start"], told["stop"], told["step"]]
        if all(map(_unknown, parts)):
            return "slice"
        parts[2] = parts[0] if strict else parts[2]
        return f"slice[{', '.join(annotate(part, strict=strict) for part in parts)}]"
    if kind == "union":
        return f"Union[{', '.join(annotate(each, strict=strict) for each in told['options'])}]"
    if kind == "type":
        return f"Type[{_dotted(told['name'])}]" if told.get("name") else "type"
    if kind == "numpy.ufunc":
        return "numpy.ufunc"
    return "types.ModuleType" if kind == "module" else "Callable"


def _tuple(items: Any, *, strict: bool) -> str:
    if isinstance(items, list):
        return f"Tuple[{', '.join(annotate(each, strict=strict) for each in items)}]"
    return "tuple" if _unknown(items) else f"Tuple[{annotate(items, strict=strict)}, ...]"


def _unknown(told: Any) -> bool:
    return isinstance(told, dict) and told.get("type") in _UNKNOWN


def _dotted(name: dict[str, Any]) -> str:
    whole = f"{name['module']}.{name['name']}" if name.get("module") else name["name"]
    return whole if all(part.isidentifier() for part in whole.split(".")) else "Unknown"


def quoted(text: str) -> str:
    """A text as a literal, in double quotes unless that needs more escapes."""
    plain = repr(text)
    if plain[0] == '"':
        return plain
    inner = plain[1:-1]
    if '"' in inner:
        return plain
    return '"' + inner.replace("\\'", "'") + '"'
