"""What stands at the head of a call's payload: which operation, on what, and how the result shall travel.

    u8 op | u8 want | u16 style | u16 length of target | u16 length of object | target | object | arguments

The head is all that the bridge reads of a call: the *target* (UTF-8) for policy and accounting, the *object* (a
handle's token, or nothing) for routing. The arguments follow in the caller's own codec as `[args]` or `[args, kwargs]`:
a list of positionals, and a map of keywords with text keys; no bytes at all mean no arguments. Operations on an object
take it from the head, or, when the head names none, from the first argument (a value: a date, a number).

| op | target | object | arguments |
|---|---|---|---|
| CALL | `module:attribute.path`, or a dotted name | none | any |
| INIT | a class, named the same way | none | any |
| METHOD | method name (a dotted path is followed) | receiver | any |
| GETATTR, DELATTR | attribute name | receiver | none |
| SETATTR | attribute name | receiver | the value |
| CONST | `module:attribute.path` | none | none, or a type's name to convert with |
| OPERATOR | a name in `operator`, with or without a trailing `-` or `_` | first operand, or none | the other operands |
| BUILTIN | a name in `builtins` | first argument, or none | the others |
| ITERATE | empty | what to iterate | none |
| DESCRIBE | empty | what to describe | none |
| LANDSCAPE | a module | none | none, or a map of options |
| MAP | a function, named as for CALL | none | `[items]`: each item a list of positionals |
| KEPT | as for CALL, a newline, and what the worker needs to know of the store | none | any |
| USE | `module:attribute.path` | none | any, or none where it is no function |

MAP answers with `[values, errors]`: a value for each item (none where it failed), and for each that failed, in order,
`[index, error map]`.

KEPT is a CALL that the bridge has looked up in its cache and not found, and sends to a worker in this form: the worker
may have the result from the same store, where another client's call left it (see `bascule.workers.persist.shared`).
No client may send it.

A target may also be *combined*: what is made of functions that it names, `fold(operator:add,operator:neg)`. All that a
call will do stands in its target, where the bridge looks who may do it; no argument names a function.

| target | of | arguments | what it gives |
|---|---|---|---|
| `fold(F)`, `fold(F,EACH)` | CALL, MAP | `[items]` | the items reduced by F, after EACH was applied to them |
| `fold_part(F)`, `fold_part(F,EACH)` | CALL, MAP | `[items]` | the same as a part: pickled and signed |
| `join_parts(F)` | CALL, MAP | `[parts]` | parts reduced to one part |
| `finish_parts(F)` | CALL, MAP | `[parts]` | parts reduced to a value |
| `convert(NAME,TYPE)` | CONST | none | the constant, converted to a type of a module |

USE is for who does not know what a name stands for: it is called if it can be, else it is the answer.
"""

from __future__ import annotations

import enum
import struct

from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.limits import MAX_TARGET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from bascule.protocols.envelope import Payload


class Op(enum.IntEnum):
    """What a call does."""

    CALL = 1
    INIT = 2
    METHOD = 3
    GETATTR = 4
    SETATTR = 5
    DELATTR = 6
    CONST = 7
    OPERATOR = 8
    BUILTIN = 9
    ITERATE = 10
    DESCRIBE = 11
    LANDSCAPE = 12
    MAP = 13
    KEPT = 14
    USE = 15


class Want(enum.IntEnum):
    """How the result travels."""

    AUTO = 0  # a value where the format carries it faithfully, else a handle
    VALUE = 1  # a value, or the error NOT_ENCODABLE
    HANDLE = 2  # a handle, even for a value


class Style(enum.IntFlag):
    """Bits of `style`: choices within ETF (other codecs have none)."""

    STR_AS_BINARY = 1  # str goes out as a UTF-8 binary, not as a list of code points
    DICT_AS_MAP = 2  # dict goes out as a map, not as {"dict", [{K, V}]}
    BINARY_AS_BYTES = 4  # a binary argument is bytes, not UTF-8 text


def combine(what: str, *names: str) -> str:
    """A combined target."""
    return f"{what}({','.join(names)})"


def names_in(target: str) -> tuple[str, list[str]]:
    """What a target combines, and the names in it; of a plain target nothing, and the target itself."""
    if not target.endswith(")"):
        return "", [target]
    what, _, names = target[:-1].partition("(")
    return what, names.split(",")


HEAD: Final = struct.Struct("<BBHHH")
HEAD_SIZE: Final = HEAD.size


def encode_call(
    op: int, target: str, arguments: bytes, *, object_token: bytes = b"", want: int = 0, style: int = 0
) -> bytes:
    """The payload of a CALL frame.

    Raises:
        LocalProtocolError: The target or the token is too long.
    """
    name = target.encode()
    if len(name) > MAX_TARGET:
        raise LocalProtocolError(f"a target of {len(name)} bytes is over the limit of {MAX_TARGET}")
    try:
        return HEAD.pack(op, want, style, len(name), len(object_token)) + name + object_token + arguments
    except struct.error as error:
        raise LocalProtocolError(f"a field of the call's head does not fit its width: {error}") from None


def decode_head(payload: Payload) -> tuple[int, int, int, bytes, bytes, int]:
    """The head of a CALL payload: op, want, style, target, object token, and where the arguments begin.

    Raises:
        RemoteProtocolError: The payload is shorter than its head says, or the target is too long.
    """
    if len(payload) < HEAD_SIZE:
        raise RemoteProtocolError(f"a call of {len(payload)} bytes is shorter than its head of {HEAD_SIZE}")
    op, want, style, target_length, object_length = HEAD.unpack_from(payload)
    middle = HEAD_SIZE + target_length
    start = middle + object_length
    if start > len(payload):
        raise RemoteProtocolError("a call's target and object reach beyond the end of its frame")
    if target_length > MAX_TARGET:
        raise RemoteProtocolError(f"a target of {target_length} bytes is over the limit of {MAX_TARGET}")
    # The payload of a large frame is a bytearray; a target is a key.
    return op, want, style, bytes(payload[HEAD_SIZE:middle]), bytes(payload[middle:start]), start
