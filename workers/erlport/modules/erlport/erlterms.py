"""Erlang's terms in Python, and their external format."""

from bascule.protocols.erlport.external import decode, encode
from bascule.protocols.erlport.terms import (
    Atom,
    ExactMap,
    ImproperList,
    IncompleteData,
    List,
    Map,
    MutationError,
    OpaqueObject,
)

__all__ = [
    "Atom",
    "ExactMap",
    "ImproperList",
    "IncompleteData",
    "List",
    "Map",
    "MutationError",
    "OpaqueObject",
    "decode",
    "encode",
]
