"""`erlport.erlterms.encode` and `decode`: whole external terms, for user code that keeps or sends them itself."""

from __future__ import annotations

from bascule.protocols.erlport.decode import decode_term
from bascule.protocols.erlport.encode import encode_pieces
from bascule.protocols.erlport.terms import IncompleteData
from bascule.protocols.errors import CutOff, RemoteProtocolError
from bascule.protocols.etf_compressed import uncompress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_DEFAULT_LEVEL: Final = 6


def encode(term: object, compressed: int = False) -> bytes:
    """The external form of a value.

    Args:
        term: The value.
        compressed: zlib's level, 0 to 9, or True for its default. What does not get smaller is left as it is.

    Raises:
        ValueError: Erlang has no form for it, or there is no such level.
    """
    plain = b"".join(encode_pieces(term))
    if compressed:
        import zlib

        level = _DEFAULT_LEVEL if compressed is True else compressed
        if not 0 <= level <= 9:
            raise ValueError(f"invalid compression level: {level!r}")
        smaller = zlib.compress(plain, level)
        if len(smaller) + 5 <= len(plain):
            return b"\x83P" + len(plain).to_bytes(4, "big") + smaller
    return b"\x83" + plain


def decode(string: bytes) -> tuple[Any, bytes]:
    """The value of an external term, and the bytes behind it.

    Raises:
        IncompleteData: There have to be more bytes.
        ValueError: It is no term.
    """
    data = bytes(string)
    if not data:
        raise IncompleteData(data)
    if data[0] != 131:
        raise ValueError(f"unknown protocol version: {data[0]}")
    try:
        if data[1:2] == b"P":
            plain, end = uncompress(data)
            return decode_term(plain, 0)[0], data[end:]
        term, end = decode_term(data, 1)
    except CutOff:
        raise IncompleteData(data) from None
    except RemoteProtocolError as error:
        raise ValueError(str(error)) from None
    return term, data[end:]
