"""What the decoder's loop has no place for: atoms that were not met before, and tags that are seldom met.

A call costs about as much as reading a number, so `etf_decode` makes one only for what is rare. What goes wrong in both
is told in the same words, which stand here.
"""

from __future__ import annotations

import struct
from math import isfinite

from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.etf_skip import OPAQUE, opaque_end
from bascule.protocols.etf_terms import Atom, BitString, opaque
from bascule.protocols.limits import MAX_BIGNUM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

COMPRESSED: Final = 80
LOCAL: Final = 121
_u16 = struct.Struct(">H").unpack_from
_u32 = struct.Struct(">I").unpack_from

BYTES: Final = Atom("bytes")
HANDLE: Final = Atom("py_handle")
_SPECIAL: Final[dict[str, object]] = {
    "true": True,
    "false": False,
    "undefined": None,
    "bytes": BYTES,
    "py_handle": HANDLE,
}
_SHORT_ATOMS: Final = frozenset((115, 119))  # one byte of length
_LATIN_ATOMS: Final = frozenset((100, 115))
_MOST_ATOMS: Final = 4096
_LONGEST_ATOM: Final = 255
ATOMS: dict[bytes, object] = {}
"""Atoms seen before, by what they were encoded as. Peers use few; one that sends many distinct ones fills this once."""


def decode_rare(data: bytes, position: int, tag: int, *, as_text: bool) -> tuple[object, int]:
    """The tags that the loop has no place for."""
    if tag in OPAQUE:
        end = opaque_end(data, position)
        return opaque(data[position:end]), end
    if tag == 115:
        return new_atom(data, position), position + 2 + data[position + 1]
    if tag == 118:
        return new_atom(data, position), position + 3 + _u16(data, position + 1)[0]
    if tag == 77:
        bits = data[position + 5]
        start = position + 6
        end = start + _u32(data, position + 1)[0]
        if end > len(data):
            raise cut_off(position)
        content = data[start:end]
        if bits > 8 or bool(content) != bool(bits):
            raise RemoteProtocolError(f"the bit string at byte {position} has {bits} bits in its last byte")
        if 0 < bits < 8:
            return BitString(content, bits), end
        return (text_or_bytes(content) if as_text else content), end
    if tag == 111:
        start = position + 6
        end = start + _u32(data, position + 1)[0]
        if end - start > MAX_BIGNUM:
            raise RemoteProtocolError(f"an integer of {end - start} bytes is over the limit of {MAX_BIGNUM}")
        if end > len(data):
            raise cut_off(position)
        number = int.from_bytes(data[start:end], "little")
        return (-number if data[start - 1] else number), end
    if tag == 99:
        return _old_float(data, position), position + 32
    if tag in (COMPRESSED, LOCAL):
        raise RemoteProtocolError(f"tag {tag} at byte {position} may only stand at the beginning of a term")
    raise RemoteProtocolError(f"tag {tag} at byte {position} is none of the external term format")


def _old_float(data: bytes, position: int) -> float:
    written = data[position + 1 : position + 32]
    if len(written) < 31:
        raise cut_off(position)
    digits = written.partition(b"\0")[0]
    try:
        if digits.strip(b"0123456789+-.eE"):  # float() itself would take "nan", "1_0" and blanks
            raise ValueError
        number = float(digits)
    except ValueError:
        raise RemoteProtocolError(f"the float at byte {position} is not written as one") from None
    if not isfinite(number):
        raise not_finite(position)
    return number


def new_atom(data: bytes, position: int) -> object:
    """The atom that begins here, which was not met before (under this tag)."""
    tag = data[position]
    begin = position + (2 if tag in _SHORT_ATOMS else 3)
    end = begin + (data[position + 1] if tag in _SHORT_ATOMS else _u16(data, position + 1)[0])
    if end > len(data):
        raise cut_off(position)
    try:
        name = data[begin:end].decode("latin-1" if tag in _LATIN_ATOMS else "utf-8")
    except UnicodeDecodeError:
        raise RemoteProtocolError(f"the atom at byte {position} is not UTF-8") from None
    if len(name) > _LONGEST_ATOM:
        raise RemoteProtocolError(f"an atom of {len(name)} characters is over the limit of {_LONGEST_ATOM}")
    atom: object = _SPECIAL[name] if name in _SPECIAL else Atom(name)
    if len(ATOMS) < _MOST_ATOMS:
        ATOMS[data[position:end]] = atom
    return atom


def text_or_bytes(raw: bytes) -> str | bytes:
    """A binary as text, if it is UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def cut_off(position: int) -> RemoteProtocolError:
    """What begins there is not whole."""
    return RemoteProtocolError(f"the term is cut off: what begins at byte {position} reaches beyond its end")


def not_finite(position: int) -> RemoteProtocolError:
    """The float there is one that Erlang does not have."""
    return RemoteProtocolError(f"the float at byte {position} is infinite or not a number")
