"""Puts a few instructions into a code object of CPython 3.11, at a place that no jump crosses.

A whole library is loaded through this, so nothing is taken apart that need not be: all jumps are relative, so behind
the place they stay as they are; of the line table only the entries before it are looked at, by their lengths.
"""

from __future__ import annotations

import opcode

from .assembler import exception_entries, range_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

_RESUME = opcode.opmap["RESUME"]
_MOST_BEFORE = 64  # code units before the body: cells, free variables, a generator's making
_MOST_UNITS = 8  # of one entry of the line table
_SAME_LINE = 13  # the kind of entry that says a line alone, as the distance to the one before


def body_of(code: CodeType) -> int | None:
    """Where the body begins, in code units: behind the first RESUME; None when it is not where it is looked for."""
    data = code.co_code[: 2 * _MOST_BEFORE]
    for at in range(0, len(data), 2):
        if data[at] == _RESUME:
            return at // 2 + 1
    return None


def insert(code: CodeType, at: int, added: bytes, consts: tuple[object, ...], stack: int) -> CodeType | None:
    """The code object with some instructions before the code unit `at`; None when no position ends there.

    Args:
        added: Instructions that leave the stack as they find it.
        consts: All constants, those of them included.
        stack: How many entries they need above those there are.
    """
    before = _entries_before(code.co_linetable, at)
    if before is None:
        return None
    units = len(added) // 2
    lines = bytearray()
    for done in range(0, units, _MOST_UNITS):
        lines += bytes((0x80 | _SAME_LINE << 3 | min(_MOST_UNITS, units - done) - 1, 0))
    return code.replace(
        co_code=code.co_code[: 2 * at] + added + code.co_code[2 * at :],
        co_consts=consts,
        co_stacksize=code.co_stacksize + stack,
        co_linetable=code.co_linetable[:before] + bytes(lines) + code.co_linetable[before:],
        co_exceptiontable=_moved(code, at, units) if code.co_exceptiontable else b"",
    )


def _entries_before(table: bytes, at: int) -> int | None:
    """How many bytes of a line table tell of the code units before `at`."""
    units = 0
    for index, byte in enumerate(table):
        if byte & 0x80:  # an entry begins
            if units == at:
                return index
            units += (byte & 7) + 1
    return len(table) if units == at else None


def _moved(code: CodeType, at: int, units: int) -> bytes:
    table = b""
    for entry in exception_entries(code):
        start, end, target = (getattr(entry, name) // 2 for name in ("start", "end", "target"))
        start, end, target = (each + units if each >= at else each for each in (start, end, target))
        table += range_bytes(start, end, target, entry.depth, entry.lasti)  # type: ignore[attr-defined]
    return table
