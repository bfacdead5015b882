"""One stored result: what a store keeps, and how a damaged one is known.

A result is bytes. Beside them stands a `Stamp`: when it was computed and how long that took, by which code, in what
form the bytes are. `seal` writes stamp and result as one envelope with a checksum over everything and over the name it
is kept under; `unseal` reads it and refuses whatever is not exactly what was written. Little-endian:

    2 bytes "bP" | u8 version | u8 form | f64 created | f64 expires | f32 cost | 8 bytes fingerprint | 8 bytes checksum

then the result. The checksum is the first 8 bytes of BLAKE2b: no accident of a disk gets past it.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any, NamedTuple, Optional

MAGIC = b"bP"
VERSION = 1
_HEAD = struct.Struct("<2sBBddf8s")
CHECKSUM = 8
_CHECKED = _HEAD.size
HEAD_SIZE = _CHECKED + CHECKSUM
_LENGTHS = struct.Struct("<II")  # of key and metadata, see `_length`
_unpack_head = _HEAD.unpack_from
_SMALL = 4096
_blake = hashlib.blake2b
_new_tuple = tuple.__new__  # what a named tuple's own constructor does, without its checks


class Form:
    """What the bytes of a result are: how it was written, in the low bits, and what was done to that."""

    TEXT = 0  # by a `pickle=` function of the user's, as UTF-8
    PICKLE = 1
    BUFFERS = 2  # a pickle, and large buffers beside it
    PACKED = 3
    JSON = 4
    BYTES = 5  # by a `pickle=` function, as it gave them
    RAW = 6  # the result is bytes, and these are they
    KIND = 0x0F
    ZLIB = 0x10
    ZSTD = 0x20
    ERROR = 0x40  # an exception that was raised
    RECORDED = 0x80  # the list of what a generator gave


class Damaged(Exception):
    """This is not what was stored; the message says what is wrong."""


class OtherVersion(Exception):
    """Written by a newer Bascule, in a way that this one does not know."""


class Stamp(NamedTuple):
    """What is known of a result without reading it."""

    created: float  # seconds since the epoch
    expires: float = 0.0  # the same; 0: never
    cost: float = 0.0  # seconds that computing it took
    form: int = Form.TEXT
    fingerprint: bytes = bytes(8)  # of the code; zeros: not known


class Entry(NamedTuple):
    """A result as a store keeps it. Without a stamp it was written by somebody else, pypersist for instance."""

    value: Any  # bytes, or something with their buffer
    stamp: Optional[Stamp] = None
    key: Optional[bytes] = None  # with storekey, the key, written
    metadata: Optional[str] = None


class Listed(NamedTuple):
    """An entry in a listing."""

    name: str
    size: int
    created: float
    used: float
    expires: float = 0.0
    key: Optional[bytes] = None


def checksum(name: str, head: bytes, value: Any, key: bytes | None, metadata: str | None) -> bytes:
    """Over everything that an entry says."""
    digest = _blake(head + name.encode("utf-8", "surrogatepass"), digest_size=CHECKSUM)
    if key is not None or metadata is not None:
        text = None if metadata is None else metadata.encode("utf-8", "surrogatepass")
        digest.update(_LENGTHS.pack(_length(key), _length(text)) + (key or b"") + (text or b""))
    digest.update(value)
    return digest.digest()


def head_of(name: str, entry: Entry) -> bytes:
    """The envelope's beginning, checksum included."""
    stamp = entry.stamp or Stamp(0.0)
    head = _HEAD.pack(MAGIC, VERSION, stamp.form, stamp.created, stamp.expires, stamp.cost, stamp.fingerprint)
    return head + checksum(name, head, entry.value, entry.key, entry.metadata)


def seal(name: str, entry: Entry) -> bytes:
    """An entry with its stamp as one envelope; key and metadata are kept beside it."""
    return head_of(name, entry) + bytes(entry.value)


def unseal(name: str, data: bytes, key: bytes | None = None, metadata: str | None = None) -> Entry:
    """The entry in an envelope.

    Raises:
        Damaged: Something was changed since it was written.
        OtherVersion: Only a newer Bascule can read it.
    """
    return checked(name, data, after_head(data), key, metadata)


def after_head(data: bytes) -> Any:
    """The value in an envelope: copied where that is quicker than a view."""
    return data[HEAD_SIZE:] if len(data) < _SMALL else memoryview(data)[HEAD_SIZE:]


def checked(
    name: str, head: bytes, value: Any, key: bytes | None, metadata: str | None, *, known_good: bool = False
) -> Entry:
    """The same for a value that is kept apart from its head; `known_good`: these very bytes were checked before."""
    if len(head) < HEAD_SIZE:
        raise Damaged(f"it has {len(head)} bytes where {HEAD_SIZE} belong")
    magic, version, form, created, expires, cost, fingerprint = _unpack_head(head)
    if magic != MAGIC:
        raise Damaged("it does not begin like a result")
    if version > VERSION and not known_good:
        raise OtherVersion(f"it is of version {version}, this Bascule reads up to {VERSION}")
    if not known_good:
        if key is None and metadata is None:  # what `checksum` does, without its cost
            digest = _blake(head[:_CHECKED] + name.encode("utf-8", "surrogatepass"), digest_size=CHECKSUM)
            digest.update(value)
            good = digest.digest() == head[_CHECKED:HEAD_SIZE]
        else:
            good = checksum(name, head[:_CHECKED], value, key, metadata) == head[_CHECKED:HEAD_SIZE]
        if not good:
            raise Damaged("its checksum is wrong")
    stamp = _new_tuple(Stamp, (created, expires, cost, form, fingerprint))
    return _new_tuple(Entry, (value, stamp, key, metadata))


def peek(head: bytes) -> Stamp | None:
    """The stamp at the beginning of an envelope, for listings: not checked."""
    if len(head) < HEAD_SIZE or head[:2] != MAGIC or head[2] > VERSION:
        return None
    _magic, _version, form, created, expires, cost, fingerprint = _unpack_head(head)
    return Stamp(created, expires, cost, form, fingerprint)


def _length(part: bytes | None) -> int:
    """One more than its bytes; 0: there is none, which is another thing than an empty one."""
    return 0 if part is None else len(part) + 1


def seal_all(name: str, entry: Entry) -> bytes:
    """An entry as one piece, key and metadata in front."""
    metadata = None if entry.metadata is None else entry.metadata.encode("utf-8", "surrogatepass")
    return (
        _LENGTHS.pack(_length(entry.key), _length(metadata))
        + (entry.key or b"")
        + (metadata or b"")
        + seal(name, entry)
    )


def unseal_all(name: str, data: bytes, *, check: bool = True) -> Entry:
    """What `seal_all` made one piece of. Without `check`, for listings, nothing is promised of it.

    Raises:
        Damaged, OtherVersion: As `unseal`.
    """
    if len(data) < _LENGTHS.size:
        raise Damaged("it is cut short")
    key_length, metadata_length = _LENGTHS.unpack_from(data)
    middle = _LENGTHS.size + max(key_length - 1, 0)
    start = middle + max(metadata_length - 1, 0)
    if start + HEAD_SIZE > len(data):
        raise Damaged("it is cut short")
    key = data[_LENGTHS.size : middle] if key_length else None
    try:
        metadata = data[middle:start].decode("utf-8", "surrogatepass") if metadata_length else None
    except UnicodeDecodeError:
        raise Damaged("its metadata is no text") from None
    envelope = data[start:]
    return checked(name, envelope, memoryview(envelope)[HEAD_SIZE:], key, metadata, known_good=not check)
