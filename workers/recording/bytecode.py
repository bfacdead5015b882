"""What each instruction of a code object does, and where its operands lie on the stack. Pure: code in, steps out.

CPython 3.11, 3.12 and 3.13 compile the same source to different instructions; here they become the same `Step`s, so
that everything behind this module is alike for all of them. A step names a `Does`, how many of the stack's topmost
entries are its operands, and what is known beforehand (an attribute's name, the operator).

An attribute that is loaded only to be called (`x.sum()`) is no step of its own: the call tells it. To see that also
where the compiler loads the method like any attribute, the analysis follows which instruction put each stack entry
there; that also gives the depth of the stack at each instruction, which 3.12 and newer do not keep in the frame while
they run it.
"""

from __future__ import annotations

import dis
import opcode
import sys
from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

VERSION = sys.version_info[:2]
KNOWN_VERSIONS = ((3, 11), (3, 12), (3, 13))
NULL = -1
"""Stands for the origin of a stack entry that holds no object."""

_EXTENDED_ARG = opcode.opmap["EXTENDED_ARG"]
_GENERATORS = 0x20 | 0x80 | 0x200


class Does(IntEnum):
    """What a step does; operands are named in the order they lie on the stack, the topmost last."""

    UNARY = 1  # x; what: the name in `operator`
    BINARY = 2  # left, right; what: the name
    COMPARE = 3  # left, right; what: the name
    CONTAINS = 4  # item, container
    GET_ITEM = 5  # container, key
    SET_ITEM = 6  # value, container, key
    DELETE_ITEM = 7  # container, key
    GET_SLICE = 8  # container, start, stop
    SET_SLICE = 9  # value, container, start, stop
    GET_ATTRIBUTE = 10  # x; what: the attribute
    SET_ATTRIBUTE = 11  # value, x
    DELETE_ATTRIBUTE = 12  # x
    ITERATE = 13  # x; what: the builtin that is as if called: iter, aiter, next, anext, len
    SPREAD_MAPPING = 14  # x
    ENTER = 15  # x; what: the method called
    EXCEPT_EXIT = 16  # the exit method, two that are not looked at, the exception
    CALL = 17  # function and self or NULL in either order, the arguments; what: names of the last ones, or None
    CALL_NAMED = 18  # the same, and the names on top
    CALL_SPREAD = 19  # function, iterable; what: whether a mapping is on top
    FORMAT = 20  # x, and its format where it has one; what: the builtin that is as if called
    MATCH_CLASS = 21  # x, a class, names of attributes; what: how many more are the class's own positional ones
    MATCH_KEYS = 22  # x, keys


class Step:
    """One instruction that may be a use of the target."""

    __slots__ = ("depth", "does", "insert", "line", "next", "offset", "take", "what")

    def __init__(self, offset: int, does: Does, take: int, what: Any) -> None:
        self.offset = offset
        self.does = does
        self.take = take
        self.what = what
        self.next = 0  # offset of the instruction that follows
        self.depth = 0  # of the stack before it
        self.line = 0
        self.insert = offset  # before which instruction the operands lie ready: 3.11 prepares a call in several


class Instruction:
    """One instruction with its whole argument."""

    __slots__ = ("arg", "end", "first", "name", "offset", "op")

    def __init__(self, first: int, offset: int, op: int, arg: int, end: int) -> None:
        self.first = first  # with its EXTENDED_ARGs
        self.offset = offset
        self.op = op
        self.arg = arg
        self.end = end  # behind its inline caches
        self.name = opcode.opname[op]


def _cache_counts() -> list[int]:
    entries = getattr(opcode, "_inline_cache_entries", None)
    if isinstance(entries, dict):
        return [entries.get(name, 0) for name in opcode.opname]
    return list(entries) if entries is not None else [0] * 256


_CACHES = _cache_counts()
_MOST_CACHES = max(_CACHES)


def instructions(code: CodeType) -> Iterator[Instruction]:
    """The instructions of a code object in order, as they were compiled, whatever they have been specialised to."""
    data = code.co_code
    at = first = extended = 0
    while at < len(data):
        op, arg = data[at], data[at + 1] | extended
        if op == _EXTENDED_ARG:
            extended = arg << 8
            at += 2
            continue
        end = at + 2 + 2 * (_CACHES[op] if op < len(_CACHES) else 0)
        yield Instruction(first, at, op, arg, end)
        at = first = end
        extended = 0


_UNARY = {"UNARY_POSITIVE": "pos", "UNARY_NEGATIVE": "neg", "UNARY_NOT": "not_", "UNARY_INVERT": "invert"}
_BINARY = ("add", "and_", "floordiv", "lshift", "matmul", "mul", "mod", "or_", "pow", "rshift", "sub", "truediv", "xor")
_IN_PLACE = tuple("i" + name.rstrip("_") for name in _BINARY)
_COMPARE = {"<": "lt", "<=": "le", "==": "eq", "!=": "ne", ">": "gt", ">=": "ge"}
_COMPARE_SHIFT = {(3, 11): 0, (3, 12): 4, (3, 13): 5}.get(VERSION, 5)
_TRUTH = {
    "TO_BOOL",
    *("POP_JUMP_FORWARD_IF_TRUE", "POP_JUMP_FORWARD_IF_FALSE"),
    *("POP_JUMP_BACKWARD_IF_TRUE", "POP_JUMP_BACKWARD_IF_FALSE"),
    *("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"),
}
if VERSION == (3, 12):
    _TRUTH |= {"POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE"}  # from 3.13 on TO_BOOL stands before them
_ITERATE = {
    "GET_ITER": "iter",
    "GET_YIELD_FROM_ITER": "iter",
    "UNPACK_SEQUENCE": "iter",
    "UNPACK_EX": "iter",
    "LIST_EXTEND": "iter",
    "SET_UPDATE": "iter",
    "FOR_ITER": "next",
    "GET_AITER": "aiter",
    "GET_ANEXT": "anext",
    "GET_LEN": "len",
}
_ENTER = {
    "BEFORE_WITH": "__enter__",
    "BEFORE_ASYNC_WITH": "__aenter__",
    "GET_AWAITABLE": "__await__",
}
_FORMATS = ("format", "str", "repr", "ascii")
_SPEC_BIT = 4
_FIXED = {
    "BINARY_SUBSCR": (Does.GET_ITEM, 2),
    "STORE_SUBSCR": (Does.SET_ITEM, 3),
    "DELETE_SUBSCR": (Does.DELETE_ITEM, 2),
    "BINARY_SLICE": (Does.GET_SLICE, 3),
    "STORE_SLICE": (Does.SET_SLICE, 4),
    "CONTAINS_OP": (Does.CONTAINS, 2),
    "DICT_UPDATE": (Does.SPREAD_MAPPING, 1),
    "DICT_MERGE": (Does.SPREAD_MAPPING, 1),
    "WITH_EXCEPT_START": (Does.EXCEPT_EXIT, 4),
    "MATCH_KEYS": (Does.MATCH_KEYS, 2),
}
_POSITIVE_INTRINSIC = 5
_METHOD_BIT = 1


def _step(code: CodeType, each: Instruction, before: Instruction | None, names: object) -> Step | None:
    """The step that an instruction is; `names` are the keyword names prepared for a call."""
    name, arg, at = each.name, each.arg, each.offset
    if name in _UNARY:
        return Step(at, Does.UNARY, 1, _UNARY[name])
    if name in _TRUTH:
        return Step(at, Does.UNARY, 1, "truth")
    if name == "CALL_INTRINSIC_1":
        return Step(at, Does.UNARY, 1, "pos") if arg == _POSITIVE_INTRINSIC else None
    if name == "BINARY_OP":
        return Step(at, Does.BINARY, 2, _BINARY[arg] if arg < len(_BINARY) else _IN_PLACE[arg - len(_BINARY)])
    if name == "COMPARE_OP":
        return Step(at, Does.COMPARE, 2, _COMPARE[dis.cmp_op[arg >> _COMPARE_SHIFT]])
    if name in _ITERATE:
        return Step(at, Does.ITERATE, 1, _ITERATE[name])
    if name in _ENTER:
        return Step(at, Does.ENTER, 1, _ENTER[name])
    if name in _FIXED:
        does, take = _FIXED[name]
        return Step(at, does, take, None)
    if name == "LOAD_ATTR":
        if VERSION >= (3, 12):
            if arg & _METHOD_BIT:
                return None
            arg >>= 1
        return Step(at, Does.GET_ATTRIBUTE, 1, code.co_names[arg])
    if name == "FORMAT_VALUE":  # until 3.12; then in two steps
        return Step(at, Does.FORMAT, 2 if arg & _SPEC_BIT else 1, _FORMATS[arg & 3])
    if name == "CONVERT_VALUE":
        return Step(at, Does.FORMAT, 1, _FORMATS[arg])
    if name in ("FORMAT_SIMPLE", "FORMAT_WITH_SPEC"):
        return Step(at, Does.FORMAT, 2 if name == "FORMAT_WITH_SPEC" else 1, "format")
    if name == "MATCH_CLASS":
        return Step(at, Does.MATCH_CLASS, 3, arg)
    if name == "STORE_ATTR":
        return Step(at, Does.SET_ATTRIBUTE, 2, code.co_names[arg])
    if name == "DELETE_ATTR":
        return Step(at, Does.DELETE_ATTRIBUTE, 1, code.co_names[arg])
    if name == "CALL":
        return Step(at, Does.CALL, arg + 2, names)
    if name == "CALL_KW":
        return Step(at, Does.CALL_NAMED, arg + 3, None)
    if name == "CALL_FUNCTION_EX":
        spread_mapping = bool(arg & 1)
        return Step(at, Does.CALL_SPREAD, 3 + spread_mapping, spread_mapping)
    return None


def _keeps_origins(name: str) -> bool:
    return name.startswith(("POP_", "STORE_", "JUMP", "DELETE_", "RESUME", "NOP", "PRECALL", "KW_NAMES", "CACHE"))


class Analysis:
    """Steps of one code object, and for each instruction which instructions filled the stack before it."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.all = list(instructions(code))
        self.by_offset = {each.first: each for each in self.all}
        self.stacks: dict[int, tuple[int, ...]] = {}
        self._flow()
        self.steps = self._steps()

    def _flow(self) -> None:
        start: tuple[int, ...] = ()
        if self.code.co_flags & _GENERATORS and dis.stack_effect(opcode.opmap["RETURN_GENERATOR"]) == 0:
            start = (0,)  # what the generator was sent
        waiting: list[tuple[int, tuple[int, ...]]] = [(0, start)]
        handlers = dis._parse_exception_table(self.code)  # type: ignore[attr-defined]
        waiting += [(entry.target, (0,) * (entry.depth + entry.lasti + 1)) for entry in handlers]
        while waiting:
            at, stack = waiting.pop()
            while at in self.by_offset and at not in self.stacks:
                each = self.by_offset[at]
                self.stacks[at] = stack
                if each.op in _JUMPS:
                    waiting.append((_target(each), self._after(each, stack, jumped=True)))
                if each.name in _ENDS:
                    break
                stack = self._after(each, stack, jumped=False)
                at = each.end

    def _after(self, each: Instruction, stack: tuple[int, ...], *, jumped: bool) -> tuple[int, ...]:
        name, at = each.name, each.offset
        if name == "PUSH_NULL":
            return (*stack, NULL)
        if name == "LOAD_GLOBAL" and each.arg & 1:
            return (*stack, at, NULL) if VERSION >= (3, 13) else (*stack, NULL, at)
        if name == "LOAD_METHOD" or (name == "LOAD_ATTR" and VERSION >= (3, 12) and each.arg & _METHOD_BIT):
            return (*stack[:-1], NULL, at)
        if name == "SWAP":
            changed = list(stack)
            changed[-1], changed[-each.arg] = changed[-each.arg], changed[-1]
            return tuple(changed)
        if name == "COPY":
            return (*stack, stack[-each.arg])
        if name == "PRECALL":
            return stack
        if name == "CALL" and VERSION == (3, 11):
            return (*stack[: -each.arg - 2], at)
        effect = dis.stack_effect(each.op, each.arg if each.op >= opcode.HAVE_ARGUMENT else None, jump=jumped)
        after = stack[:effect] if effect < 0 else (*stack, *([at] * effect))
        if after and not _keeps_origins(name):
            after = (*after[:-1], at)
        return after

    def _steps(self) -> list[Step]:
        steps: dict[int, Step] = {}
        called: set[int] = set()
        names: object = None
        ready: int | None = None
        before: Instruction | None = None
        lines = dict(_lines(self.code))
        for each in self.all:
            if each.first not in self.stacks:
                continue  # never reached
            stack = self.stacks[each.first]
            if each.name == "KW_NAMES":
                names = self.code.co_consts[each.arg]
            if each.name in ("KW_NAMES", "PRECALL") and ready is None:
                ready = each.first
            step = _step(self.code, each, before, names)
            if step is not None:
                step.next = each.end
                step.depth = len(stack)
                step.line = lines.get(each.offset, 0)
                step.insert = each.first
                if step.does is Does.CALL and ready is not None:
                    step.insert = ready
                if step.does is Does.UNARY and step.what == "not_" and before is not None and before.name == "TO_BOOL":
                    steps[before.offset].what = "not_"  # from 3.13 on `not` comes behind a truth test of its own
                else:
                    steps[step.offset] = step
                if step.does in (Does.CALL, Does.CALL_NAMED, Does.CALL_SPREAD):
                    called.update(stack[len(stack) - step.take :][:2])
            if each.name in ("CALL", "CALL_KW"):
                names = ready = None
            before = each
        return [step for step in steps.values() if not (step.does is Does.GET_ATTRIBUTE and step.offset in called)]


_JUMPS = frozenset([*opcode.hasjrel, *opcode.hasjabs])
_ENDS = frozenset(
    [
        *("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"),
        *("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"),
    ]
)


def _target(each: Instruction) -> int:
    distance = each.arg * 2
    return each.end - distance if "BACKWARD" in each.name else each.end + distance


def _lines(code: CodeType) -> Iterator[tuple[int, int]]:
    for start, end, line in code.co_lines():
        if line is not None:
            for offset in range(start, end, 2):
                yield offset, line


def behind(offset: int, sites: dict[int, Any]) -> Any:
    """What stands at the instruction that a frame says it is at: while it calls, it names its last inline cache."""
    for at in range(offset, offset - 2 * _MOST_CACHES - 2, -2):
        if at in sites:
            return sites[at]
    return None
