"""What a handle looks like: one text, the same in every format.

    bsc + 13 characters of the bridge | 4 slot | 6 incarnation | 8 index | 26 random

60 characters of [0-9a-v], so that no format escapes them. The first 16 are drawn when a bridge starts: the router
finds handles in a payload that it does not decode by looking for them. Slot and incarnation (hexadecimal) say which
life of which worker holds the object, the index (hexadecimal) where in its table, and 128 random bits make the token
a capability: who was not given it can't name the object.
"""

from __future__ import annotations

import os

from bascule.protocols.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from bascule.protocols.envelope import Payload

PREFIX_LENGTH: Final = 16
TOKEN_LENGTH: Final = 60
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuv"
_SLOT, _INCARNATION = slice(16, 20), slice(20, 26)


class Handle:
    """A reference to an object that stayed in its worker, as it travels: the token, and the type's name to show."""

    __slots__ = ("token", "type_name")

    def __init__(self, token: str, type_name: str = "") -> None:
        self.token = token
        self.type_name = type_name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other.token == self.token

    def __hash__(self) -> int:
        return hash(self.token)

    def __repr__(self) -> str:
        return f"<handle {self.type_name or '?'} {self.token[16:34]}>"


def random_text(length: int) -> str:
    """`length` characters of the alphabet, 5 bits each, from the system's entropy."""
    return "".join([_ALPHABET[byte & 31] for byte in os.urandom(length)])


def new_prefix() -> str:
    """The prefix of one bridge's tokens."""
    return "bsc" + random_text(PREFIX_LENGTH - 3)


def make_token(prefix: str, slot: int, incarnation: int, index: int) -> str:
    """A new token for the object at `index` in the table of that worker."""
    return f"{prefix}{slot:04x}{incarnation:06x}{index:08x}{random_text(26)}"


def token_owner(token: str | bytes) -> tuple[int, int]:
    """Which (slot, incarnation) holds the object.

    Raises:
        RemoteProtocolError: It is no token.
    """
    if len(token) != TOKEN_LENGTH:
        raise RemoteProtocolError(f"a token has {TOKEN_LENGTH} characters, this has {len(token)}")
    try:
        text = token if isinstance(token, str) else token.decode("ascii")
        slot, incarnation = int(text[_SLOT], 16), int(text[_INCARNATION], 16)
        # int() alone would take "1_00", blanks and a sign.
        if f"{slot:04x}{incarnation:06x}" == text[16:26] and slot >= 0 and incarnation >= 0:
            return slot, incarnation
    except ValueError:
        pass
    raise RemoteProtocolError("a token's slot and incarnation are hexadecimal")


def find_tokens(prefix: bytes, payload: Payload, *, start: int = 0, most: int = 8) -> list[bytes]:
    """Up to `most` texts in `payload` that begin like a token of this bridge: a hint, no more."""
    found: list[bytes] = []
    at = payload.find(prefix, start)
    while at >= 0 and len(found) < most:
        token = bytes(payload[at : at + TOKEN_LENGTH])
        if len(token) == TOKEN_LENGTH:
            found.append(token)
        at = payload.find(prefix, at + PREFIX_LENGTH)
    return found
