"""Breaks long lines of a stub the way the formatter does that python-record-api uses.

A line that is too long is broken at its last pair of brackets: what stands between them goes on a line of its own, or,
when that is still too long, each part on one, with a comma behind the last.
"""

from __future__ import annotations

from collections.abc import Iterator

WIDTH = 88
_OPENING, _CLOSING = "([{", ")]}"


def broken(line: str) -> Iterator[str]:
    """The line, as many as it has to be."""
    indent = line[: len(line) - len(line.lstrip())]
    if len(line) <= WIDTH:
        yield line
        return
    span = _last_brackets(line)
    if span is None:
        yield line
        return
    start, end = span
    body = line[start + 1 : end]
    if not body:
        yield line
        return
    is_def = line.lstrip().startswith("def ")
    parts = _parts(body)
    inner = indent + "    "
    yield line[: start + 1]
    if len(inner) + len(body) <= WIDTH and not (is_def and len(parts) == 1):
        yield inner + body
    elif len(parts) == 1 and not is_def:
        yield from broken(inner + body)
    else:
        for part in parts:
            yield from broken(f"{inner}{part},")
    yield indent + line[end:]


def _last_brackets(line: str) -> tuple[int, int] | None:
    depth, end = 0, -1
    for at, sign, quoted in _signs(line):
        if quoted:
            continue
        if sign in _OPENING:
            if depth == 0:
                start = at
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
            if depth == 0:
                found = (start, at)
                end = at
    return found if end >= 0 else None


def _parts(body: str) -> list[str]:
    parts, depth, begin = [], 0, 0
    for at, sign, quoted in _signs(body):
        if quoted:
            continue
        if sign in _OPENING:
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(body[begin:at].strip())
            begin = at + 1
    rest = body[begin:].strip()
    return [*parts, rest] if rest else parts


def _signs(text: str) -> Iterator[tuple[int, str, bool]]:
    """Each character, and whether it stands in a text."""
    quote = ""
    escaped = False
    for at, sign in enumerate(text):
        inside = bool(quote)
        if quote:
            if escaped:
                escaped = False
            elif sign == "\\":
                escaped = True
            elif sign == quote:
                quote = ""
        elif sign in "\"'":
            quote = sign
            inside = True
        yield at, sign, inside
