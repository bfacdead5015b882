"""Values in their plain form: the maps, lists, texts and numbers that every format has.

Generated types read and write that form in straight lines of code that only knows whether all is well (`typed`). When
it is not, `locating` goes through the value again, slowly, beside the description of its type (see `definitions`), and
finds what is wrong and where:

    books[3].price: expected Double, found "x"

Where msgspec is installed, JSON takes a faster way (`fast_reading`, `fast_writing`).

The same files are the run time of modern generated code, where this package is a copy: it imports nothing of ours.
"""

from __future__ import annotations

from .definitions import describe, is_enum, known
from .errors import (
    FAILURES,
    DecodeError,
    EncodeError,
    Mismatch,
    Raised,
    WireError,
    mismatch,
)
from .foreign import converter, foreign_from_wire, foreign_to_wire, register_converter
from .inside import Just, held, just, read_unit, unique, unique_keys
from .json_text import read_json, write_json
from .locating import MOST_NESTED, NESTED_MAYBE, located, located_value
from .scalars import (
    as_double,
    int_key,
    key_to_wire,
    read_bytes,
    read_decimal,
    read_duration,
    read_timestamp,
    read_uuid,
    write_bytes,
    write_decimal,
    write_duration,
    write_timestamp,
    write_uuid,
)
from .telling import hint, name_of, no, path_text, show
from .typed import SumCodec, Wired

__all__ = [
    "FAILURES",
    "MOST_NESTED",
    "NESTED_MAYBE",
    "DecodeError",
    "EncodeError",
    "Just",
    "Mismatch",
    "Raised",
    "SumCodec",
    "WireError",
    "Wired",
    "as_double",
    "converter",
    "describe",
    "foreign_from_wire",
    "foreign_to_wire",
    "held",
    "hint",
    "int_key",
    "is_enum",
    "just",
    "key_to_wire",
    "known",
    "located",
    "located_value",
    "mismatch",
    "name_of",
    "no",
    "path_text",
    "read_bytes",
    "read_decimal",
    "read_duration",
    "read_json",
    "read_timestamp",
    "read_unit",
    "read_uuid",
    "register_converter",
    "show",
    "unique",
    "unique_keys",
    "write_bytes",
    "write_decimal",
    "write_duration",
    "write_json",
    "write_timestamp",
    "write_uuid",
]
