"""A sketch as Erlang has it: one term that `file:consult/1` reads, maps with atoms for keys and binaries for text.

{ok, [#{module := <<"statistics">>, members := Members}]} = file:consult("statistics.terms").
"""

from __future__ import annotations

from typing import Any


def as_erlang(data: Any) -> str:
    """Plain data as a term with its full stop; text is UTF-8, in ASCII."""
    return f"%% coding: utf-8\n{_term(data, 0)}."


def _term(data: Any, depth: int) -> str:
    if data is None:
        return "undefined"
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, str):
        return _binary(data)
    if isinstance(data, dict):
        return _joined("#{", [f"{_atom(key)} => {_term(value, depth + 1)}" for key, value in data.items()], "}", depth)
    if isinstance(data, (list, tuple)):
        return _joined("[", [_term(one, depth + 1) for one in data], "]", depth)
    return repr(data)


def _joined(begin: str, inner: list[str], end: str, depth: int) -> str:
    if not inner:
        return begin + end
    apart = "\n" + " " * (depth + 1)
    return begin + f",{apart}".join(inner) + end


def _atom(name: str) -> str:
    return name if name.isidentifier() and name.isascii() and name[0].islower() and name not in _WORDS else f"'{name}'"


def _binary(text: str) -> str:
    quoted = "".join([_ESCAPES.get(char) or (char if " " <= char <= "~" else f"\\x{{{ord(char):x}}}") for char in text])
    return f'<<"{quoted}"/utf8>>' if not text.isascii() else f'<<"{quoted}">>'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_WORDS = {"after", "and", "begin", "case", "catch", "cond", "div", "else", "end", "fun", "if", "let", "maybe", "not"}
_WORDS |= {"of", "or", "receive", "rem", "try", "when", "xor"}
