"""Puts instructions together into a code object of CPython 3.11: jumps, line table and exception table included.

What is inserted stands at the source position of the instruction that it serves, so tracebacks, warnings and debuggers
see the same lines as before.
"""

from __future__ import annotations

import dis
import opcode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

_EXTENDED_ARG = opcode.opmap["EXTENDED_ARG"]
_CACHES = getattr(opcode, "_inline_cache_entries", None)
_MOST_UNITS = 8  # that one entry of the line table covers
_LONG, _NO_POSITION = 14, 15


class Label:
    """A place to jump to."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = 0


class Emitted:
    """One instruction to be."""

    __slots__ = ("arg", "at", "caches", "op", "position", "target")

    def __init__(self, op: int, arg: int, position: object, target: Label | None = None) -> None:
        self.op = op
        self.arg = arg
        self.position = position
        self.target = target
        self.at = 0  # in code units, of its EXTENDED_ARGs where it has any
        self.caches: int = _CACHES[op] if isinstance(_CACHES, list) else 0

    @property
    def prefixes(self) -> int:
        """How many EXTENDED_ARGs stand before it."""
        return (self.arg > 0xFF) + (self.arg > 0xFFFF) + (self.arg > 0xFFFFFF)

    @property
    def units(self) -> int:
        """How long it is, in code units."""
        return self.prefixes + 1 + self.caches


class Range:
    """One entry of the exception table."""

    __slots__ = ("depth", "end", "lasti", "start", "target")

    def __init__(self, start: Label, end: Label, target: Label, depth: int, lasti: bool) -> None:
        self.start = start
        self.end = end
        self.target = target
        self.depth = depth
        self.lasti = lasti


class Assembler:
    """Collects instructions and labels in order."""

    def __init__(self) -> None:
        self.items: list[Emitted | Label] = []
        self.ranges: list[Range] = []

    def emit(self, name: str, arg: int, position: object, target: Label | None = None) -> Emitted:
        """Add an instruction."""
        emitted = Emitted(opcode.opmap[name], arg, position, target)
        self.items.append(emitted)
        return emitted

    def place(self, label: Label) -> None:
        """Let a label stand here."""
        self.items.append(label)

    def finish(self, code: CodeType, consts: tuple[object, ...], stack: int) -> CodeType:
        """The new code object, in all else like `code`."""
        assembled = self.code()
        ordered = sorted((each for each in self.ranges if each.start.at < each.end.at), key=lambda each: each.start.at)
        return code.replace(
            co_code=assembled,
            co_consts=consts,
            co_stacksize=code.co_stacksize + stack,
            co_linetable=self._line_table(code.co_firstlineno),
            co_exceptiontable=b"".join(
                range_bytes(each.start.at, each.end.at, each.target.at, each.depth, each.lasti) for each in ordered
            ),
        )

    def _settle(self) -> None:
        """Give every instruction its place; a jump that becomes longer moves others, so until nothing moves."""
        moved = True
        while moved:
            moved = False
            at = 0
            for item in self.items:
                moved = moved or item.at != at
                item.at = at
                if isinstance(item, Emitted):
                    at += item.units
            for item in self.items:
                if isinstance(item, Emitted) and item.target is not None:
                    distance = abs(item.target.at - (item.at + item.units))
                    if distance != item.arg:
                        # Never shorter again: else two jumps could move each other for ever.
                        moved = moved or distance > item.arg
                        item.arg = distance
        for item in self.items:
            if isinstance(item, Emitted) and item.target is not None:
                item.arg = abs(item.target.at - (item.at + item.units))

    def code(self) -> bytes:
        """The instructions, settled."""
        self._settle()
        data = bytearray()
        for item in self.items:
            if isinstance(item, Label):
                continue
            for shift in range(item.prefixes, 0, -1):
                data += bytes((_EXTENDED_ARG, (item.arg >> 8 * shift) & 0xFF))
            data += bytes((item.op, item.arg & 0xFF))
            data += bytes(2 * item.caches)
        return bytes(data)

    def _line_table(self, line: int) -> bytes:
        table = bytearray()
        for item in self.items:
            if isinstance(item, Label):
                continue
            units = item.units
            while units > 0:
                now = min(units, _MOST_UNITS)
                line = _position_bytes(table, item.position, now, line)  # type: ignore[arg-type]
                units -= now
        return bytes(table)


def _position_bytes(table: bytearray, position: tuple[int | None, ...], units: int, line: int) -> int:
    start, end, column, end_column = position
    if start is None:
        table.append(0x80 | _NO_POSITION << 3 | units - 1)
        return line
    table.append(0x80 | _LONG << 3 | units - 1)
    delta = start - line
    table += _varint(delta << 1 if delta >= 0 else (-delta << 1) | 1)
    table += _varint((end or start) - start)
    table += _varint(0 if column is None else column + 1)
    table += _varint(0 if end_column is None else end_column + 1)
    return start


def _varint(value: int) -> bytes:
    data = bytearray()
    while value >= 64:
        data.append(0x40 | value & 0x3F)
        value >>= 6
    data.append(value)
    return bytes(data)


def range_bytes(start: int, end: int, target: int, depth: int, lasti: bool) -> bytes:
    """An entry of the exception table; places are in code units."""
    values = (start, end - start, target, depth << 1 | lasti)
    data = bytearray()
    for index, value in enumerate(values):
        parts = [value & 0x3F]
        while value := value >> 6:
            parts.append(0x40 | value & 0x3F)
        if index == 0:
            parts[-1] |= 0x80
        data += bytes(reversed(parts))
    return bytes(data)


def exception_entries(code: CodeType) -> Iterable[object]:
    """The exception table as `dis` reads it."""
    return dis._parse_exception_table(code)  # type: ignore[attr-defined,no-any-return]
