"""Compressed external terms: 131, 80, the size of the term as u32, and a zlib stream.

What a peer claims is believed only as far as the limit goes, and never more is inflated than it claims.
"""

from __future__ import annotations

import struct

from bascule.protocols.errors import CutOff, RemoteProtocolError
from bascule.protocols.limits import MAX_INFLATED

_u32 = struct.Struct(">I").unpack_from


def uncompress(data: bytes) -> tuple[bytes, int]:
    """What a compressed term contains, without a leading 131, and where in `data` it ends.

    Raises:
        CutOff: The data ends first.
        RemoteProtocolError: It claims too much, or is not what it claims.
    """
    import zlib

    if len(data) < 6:
        raise CutOff("a compressed term is cut off")
    size = _u32(data, 2)[0]
    if size > MAX_INFLATED:
        raise RemoteProtocolError(f"a compressed term of {size} bytes is over the limit of {MAX_INFLATED}")
    stream = zlib.decompressobj()
    try:
        # One byte more than claimed: 0 would mean "no limit", and a longer stream shows.
        plain = stream.decompress(memoryview(data)[6:], size + 1)
    except zlib.error as error:
        raise RemoteProtocolError(f"a compressed term does not inflate: {error}") from None
    if not stream.eof and len(plain) <= size:
        raise CutOff("a compressed term is cut off")
    if len(plain) != size or not stream.eof:
        raise RemoteProtocolError(f"a compressed term is not the {size} bytes that it claims")
    return plain, len(data) - len(stream.unused_data)


def inflate(data: bytes) -> bytes:
    """What a compressed term contains that is all of the data.

    Raises:
        RemoteProtocolError: It claims too much, or is not what it claims.
    """
    plain, end = uncompress(data)
    if end != len(data):
        raise RemoteProtocolError(f"the compressed term ends at byte {end}, but {len(data) - end} more follow")
    return plain
