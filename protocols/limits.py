"""Every cap of the wire in one place.

What a peer sends can neither make us crash nor grow without bound, so each parser asks here how much is too much.
They suit a data scientist's machine; what an operator may want lower, `[limits]` of a configuration sets.
"""

from __future__ import annotations

# Set by hand rather than imported, so that a worker does not pay for the typing module at start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MAX_FRAME: Final = 1 << 28  # 256 MiB: payload bytes of one frame
MAX_DEPTH: Final = 10_000  # nested containers in one term
MAX_ELEMENTS: Final = 1 << 24  # elements of one container, before they are seen
MAX_BIGNUM: Final = 1 << 20  # bytes of one integer
MAX_INFLATED: Final = 1 << 28  # bytes of a compressed term once inflated
MAX_LENGTH_DIGITS: Final = 10  # digits of a bencode length
MAX_BENCODE_DEPTH: Final = 64  # nested containers of one bencode value (a pod's request has one)
MAX_BENCODE_ELEMENTS: Final = 1 << 16  # values and keys of one bencode value
MAX_BENCODE_DIGITS: Final = 1_000  # digits of a bencode integer
MAX_BEFORE_HELLO: Final = 16 << 10  # bytes accepted from a peer that has not said who it is
MAX_CONTROL: Final = 1 << 16  # bytes of a client's control request
MAX_RELEASE: Final = 1 << 20  # bytes of the tokens released with one frame
MAX_TARGET: Final = 1 << 12  # bytes of a call's target
MAX_TRACE: Final = 512  # bytes of a trace context
