"""Atoms between the wire and Python, and how many new ones a node can be made to take.

A node never forgets an atom, and dies of the millionth. What came from Erlang is known there; what Python makes up
(`Atom(b"...")` in a result, the class of an error) is counted, and refused beyond a limit far below the node's.
"""

from __future__ import annotations

import struct

from bascule.protocols.erlport.terms import Atom
from bascule.protocols.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MOST_NEW: Final = 1 << 16
"""Atoms that one process may make up. A node has room for 1,048,576 in all."""
MOST_CLASSES: Final = 1 << 12
"""How many more there may be when they are the names of errors' classes."""

_u16 = struct.Struct(">H").unpack_from
_LONGEST: Final = 255
_SHORT: Final = frozenset((115, 119))  # one byte of length
_LATIN: Final = frozenset((100, 115))
_SPECIAL: Final[dict[bytes, object]] = {b"true": True, b"false": False, b"undefined": None}

read: dict[bytes, object] = {}
"""What was read before, by what it was encoded as, tag and length included."""
written: dict[Atom, bytes] = {}
"""How an atom is encoded: every atom that the node knows, as far as this process can tell."""
_made_up = [0]


def read_new(data: bytes, position: int) -> object:
    """The atom that begins here, and that is not in `read` yet."""
    tag = data[position]
    begin = position + (2 if tag in _SHORT else 3)
    end = begin + (data[position + 1] if tag in _SHORT else _u16(data, position + 1)[0])
    name = data[begin:end]
    if end > len(data):
        raise IndexError
    if tag in _LATIN:
        if not name.isascii():
            name = name.decode("latin-1").encode()
    else:
        try:
            name.decode()
        except UnicodeDecodeError:
            raise RemoteProtocolError(f"the atom at byte {position} is not UTF-8") from None
    try:
        atom = _SPECIAL[name] if name in _SPECIAL else Atom(name)
    except ValueError as error:
        raise RemoteProtocolError(f"{error}; the one at byte {position} has more") from None
    read[data[position:end]] = atom
    if isinstance(atom, Atom) and atom not in written:
        written[atom] = _encode(name)
    return atom


def write_new(atom: Atom, most: int = MOST_NEW) -> bytes:
    """The encoding of an atom that is not in `written` yet: one that Python makes up, as one of at most so many.

    Raises:
        ValueError: It has made up too many.
    """
    name = bytes(atom)
    try:
        name.decode()
    except UnicodeDecodeError:  # made for the Latin-1 that nodes used to write
        name = name.decode("latin-1").encode()
    if _made_up[0] >= most:
        raise ValueError(
            f"{atom!r} would be one new atom too many: {MOST_NEW} were made here, and a node keeps each for ever; "
            "send names as bytes"
        )
    _made_up[0] += 1
    encoded = written[atom] = _encode(name)
    return encoded


def _encode(name: bytes) -> bytes:
    """In the oldest form that will do: nodes of every age read it."""
    if name.isascii():
        return b"d" + len(name).to_bytes(2, "big") + name
    if len(name) > _LONGEST:
        return b"v" + len(name).to_bytes(2, "big") + name
    return bytes((119, len(name))) + name


# What we say ourselves is no matter of limits.
for _name in (*_SPECIAL, b"$erlport.opaque", b"python", b"erlang", b"self", b"make_ref", b"N", b"L"):
    written[Atom(_name)] = _encode(_name)
