"""Where an encoded term ends, without building it.

Pids, ports, references and funs travel back as the bytes they came in, so their end must be found and their shape
checked: a term that is passed on must be whole. A fun carries any terms, hence one walk for all tags: a count of the
terms still to come instead of recursion, no memory however deep they nest.
"""

from __future__ import annotations

import struct

from bascule.protocols.errors import CutOff, RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_u16 = struct.Struct(">H").unpack_from
_u32 = struct.Struct(">I").unpack_from

_FIXED: Final = {97: 2, 98: 5, 99: 32, 70: 9, 106: 1}
"""Tag -> length of the whole term."""
_COUNTED: Final = {115: (1, 2), 119: (1, 2), 100: (2, 3), 118: (2, 3), 107: (2, 3), 109: (4, 5), 77: (4, 6)}
"""Tag -> width of the length field, and what stands before the content. (A bit string has one more byte there.)"""
_BIG: Final = {110: (1, 3), 111: (4, 6)}
_AFTER_NODE: Final = {88: 12, 103: 9, 101: 5, 102: 5, 89: 8, 120: 12}
"""Tag -> bytes behind the node's name, of the kinds that begin with that name."""
_ATOMS: Final = frozenset((100, 115, 118, 119))
OPAQUE: Final = frozenset((88, 89, 90, 101, 102, 103, 112, 113, 114, 117, 120))


def _length(data: bytes, position: int, width: int) -> int:
    if width == 1:
        return data[position]
    return int(_u16(data, position)[0] if width == 2 else _u32(data, position)[0])


def _expect(data: bytes, position: int, allowed: frozenset[int], what: str) -> None:
    if data[position] not in allowed:
        raise RemoteProtocolError(f"byte {position} should begin {what}, its tag is {data[position]}")


def _atom_end(data: bytes, position: int) -> int:
    _expect(data, position, _ATOMS, "an atom")
    width, before = _COUNTED[data[position]]
    return position + before + _length(data, position + 1, width)


def term_end(data: bytes, position: int) -> int:
    """Where the term that begins here ends, whatever it is.

    Raises:
        RemoteProtocolError: It is cut off, or contains what is no term.
    """
    try:
        end = _terms_end(data, position, 1)
    except (IndexError, struct.error):
        end = len(data) + 1
    if end > len(data):
        raise CutOff(f"the term at byte {position} is cut off")
    return end


def opaque_end(data: bytes, position: int) -> int:
    """Where the pid, port, reference, fun or export that begins here ends.

    Raises:
        RemoteProtocolError: It is none of these, is cut off, or contains what is no term.
    """
    if position >= len(data):
        raise CutOff(f"the term at byte {position} is cut off")
    _expect(data, position, OPAQUE, "a pid, port, reference or fun")
    return term_end(data, position)


def _terms_end(data: bytes, position: int, pending: int) -> int:
    """Skip that many terms. May run past the end of the data, by at most one term."""
    while pending:
        pending -= 1
        tag = data[position]
        if tag in _FIXED:
            position += _FIXED[tag]
        elif tag in _COUNTED:
            width, before = _COUNTED[tag]
            position += before + _length(data, position + 1, width)
        elif tag in _BIG:
            width, before = _BIG[tag]
            position += before + _length(data, position + 1, width)
        elif tag == 104:
            pending += data[position + 1]
            position += 2
        elif tag in (105, 108, 116):
            count = _u32(data, position + 1)[0]
            pending += count * 2 if tag == 116 else count + (tag == 108)
            position += 5
        elif tag in _AFTER_NODE:
            position = _atom_end(data, position + 1) + _AFTER_NODE[tag]
        elif tag in (114, 90):
            words = _u16(data, position + 1)[0]
            position = _atom_end(data, position + 3) + (1 if tag == 114 else 4) + 4 * words
        elif tag == 113:
            position = _atom_end(data, _atom_end(data, position + 1))
            _expect(data, position, frozenset((97,)), "an arity")
            position += 2
        elif tag == 112:
            # size 4 (Erlang goes by the content, and so do we), arity 1, unique 16, index 4, free variables 4; then as
            # terms the module, old index, old unique, pid, and those variables
            pending += 4 + _u32(data, position + 26)[0]
            _expect(data, position + 30, _ATOMS, "the module of a fun")
            position += 30
        elif tag == 117:
            pending += 4 + _u32(data, position + 1)[0]
            _expect(data, position + 5, frozenset((88, 103)), "the pid of a fun")
            position += 5
        else:
            raise RemoteProtocolError(f"tag {tag} at byte {position} is none of the external term format")
    return position
