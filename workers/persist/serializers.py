"""Results as bytes and back: by pickle, by a safer format, or by two functions of the user's; compressed or not.

What a serializer reads is what it could have written: with a safer format no pickle is ever read, whoever put it there.
"""

from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Callable
from typing import Any

from bascule.workers.persist import pickling
from bascule.workers.persist.commoncache import NotStorable
from bascule.workers.persist.entries import Form
from bascule.workers.persist.preprocessing import same

_KIND, _COMPRESSED = Form.KIND, Form.ZLIB | Form.ZSTD
_ALIGNED = 64  # where an array's elements may begin
_COUNT = struct.Struct("<Q")


class Unreadable(Exception):
    """A stored result can't be read; the message says why."""


class Serializer:
    """Writes results, and reads those that it might have written."""

    reads: tuple[int, ...] = ()
    keeps_errors = False  # whether exceptions can be written too

    def write(self, value: Any) -> tuple[int, bytes]:
        """The form and the bytes of a result.

        Raises:
            NotStorable: It can't be written.
        """
        try:
            return self._write(value)
        except NotStorable:
            raise
        except Exception as error:  # whatever a value's own way of being written raises
            raise NotStorable(f"{type(value).__name__}: {error}") from error

    def read(self, form: int, data: Any) -> Any:
        """The result.

        Raises:
            Unreadable: It is of a form that this serializer does not read, or does not read as that.
        """
        kind = form & _KIND
        if kind not in self.reads:
            raise Unreadable("it was written in another format, which this function does not read")
        if form & _COMPRESSED:
            data = decompressed(form, data)
        try:
            return self._read(kind, data)
        except Exception as error:  # damaged or foreign bytes make an unpickler raise anything
            raise Unreadable(f"{type(error).__name__}: {error}") from error

    def _write(self, value: Any) -> tuple[int, bytes]:
        raise NotStorable

    def _read(self, kind: int, data: Any) -> Any:
        raise Unreadable


class PickleSerializer(Serializer):
    """The default. With `buffers` large arrays stand beside the pickle, so that a file of them can be mapped."""

    reads = (Form.PICKLE, Form.BUFFERS, Form.TEXT, Form.RAW)
    keeps_errors = True

    def __init__(self, *, buffers: bool = False) -> None:
        self._buffers = buffers

    def read(self, form: int, data: Any) -> Any:
        """The result, the usual one without a detour."""
        if form != Form.PICKLE:
            return super().read(form, data)
        try:
            return pickle.loads(data)
        except Exception as error:  # as there
            raise Unreadable(f"{type(error).__name__}: {error}") from error

    def _write(self, value: Any) -> tuple[int, bytes]:
        if type(value) is bytes:
            return Form.RAW, value  # reading a pickle of them would copy them once more
        if not self._buffers:
            return Form.PICKLE, pickle.dumps(value, 5)
        beside: list[pickle.PickleBuffer] = []
        head = pickle.dumps(value, 5, buffer_callback=beside.append)
        if not beside:
            return Form.PICKLE, head
        return Form.BUFFERS, _joined([head, *[each.raw() for each in beside]])

    def _read(self, kind: int, data: Any) -> Any:
        if kind == Form.PICKLE:
            return pickle.loads(data)
        if kind == Form.RAW:
            return bytes(data)
        if kind == Form.TEXT:
            return pickling.unpickle(bytes(data).decode("ascii"))
        head, *beside = _split(data)
        return pickle.loads(head, buffers=beside)


class TextSerializer(PickleSerializer):
    """pypersist's own way: a pickle as text."""

    def _write(self, value: Any) -> tuple[int, bytes]:
        return Form.TEXT, pickling.pickle(value).encode("ascii")


class OwnSerializer(Serializer):
    """By two functions of the user's, to text or bytes and back."""

    reads = (Form.TEXT, Form.BYTES)

    def __init__(self, dump: Callable[[Any], Any], load: Callable[[Any], Any]) -> None:
        self._dump = dump
        self._load = load

    def _write(self, value: Any) -> tuple[int, bytes]:
        written = self._dump(value)
        if isinstance(written, str):
            return Form.TEXT, written.encode("utf-8", "surrogatepass")
        if isinstance(written, (bytes, bytearray)):
            return Form.BYTES, bytes(written)
        raise NotStorable(f"pickle= must give text or bytes, it gave {type(written).__name__}")

    def _read(self, kind: int, data: Any) -> Any:
        return self._load(bytes(data) if kind == Form.BYTES else bytes(data).decode("utf-8", "surrogatepass"))


class PackedSerializer(Serializer):
    """Bascule's msgpack: values of the standard library as what they were, no objects and no code."""

    reads = (Form.PACKED,)

    def _write(self, value: Any) -> tuple[int, bytes]:
        from bascule.protocols import packed

        return Form.PACKED, packed.dumps(value)

    def _read(self, kind: int, data: Any) -> Any:
        from bascule.protocols import packed

        return packed.loads(bytes(data))


class JsonSerializer(Serializer):
    """Plain JSON, for what comes back from it as what it was."""

    reads = (Form.JSON, Form.TEXT)

    def _write(self, value: Any) -> tuple[int, bytes]:
        import json

        text = json.dumps(value)
        if not same(json.loads(text), value):
            raise NotStorable("it would not come back from JSON as what it is; use another serializer")
        return Form.JSON, text.encode("ascii")

    def _read(self, kind: int, data: Any) -> Any:
        import json

        return json.loads(bytes(data))


class Compressing(Serializer):
    """Another serializer's bytes, compressed where that makes a large result smaller."""

    LEAST = 1024  # bytes that are worth trying

    def __init__(self, inner: Serializer, method: str) -> None:
        self._inner = inner
        self._flag, self._compress = _compressor(method)
        self.reads = inner.reads
        self.keeps_errors = inner.keeps_errors

    def _write(self, value: Any) -> tuple[int, bytes]:
        form, data = self._inner._write(value)
        if len(data) >= self.LEAST:
            smaller = self._compress(data)
            if len(smaller) < len(data):
                return form | self._flag, smaller
        return form, data

    def _read(self, kind: int, data: Any) -> Any:
        return self._inner._read(kind, data)


def decompressed(form: int, data: Any) -> Any:
    """The bytes that were compressed.

    Raises:
        Unreadable: They can't be had.
    """
    try:
        if form & Form.ZLIB:
            return zlib.decompress(data)
        return _zstd()[1](bytes(data))
    except Exception as error:  # each library has its own
        raise Unreadable(f"it can't be decompressed: {error}") from error


def _compressor(method: str) -> tuple[int, Callable[[bytes], bytes]]:
    if method == "auto":
        try:
            return Form.ZSTD, _zstd()[0]
        except ImportError:
            method = "zlib"
    if method == "zlib":
        return Form.ZLIB, lambda data: zlib.compress(data, 6)
    if method == "zstd":
        return Form.ZSTD, _zstd()[0]
    raise ValueError(f"compress={method!r}: there are 'zlib', 'zstd' and 'auto'")


def _zstd() -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    """Compress and decompress, of Python 3.14 or of a wheel."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]

        return zstd.compress, zstd.decompress
    except ImportError:
        pass
    try:
        import zstandard
    except ImportError:
        raise ImportError("zstd needs Python 3.14, or the package zstandard (pip install zstandard)") from None
    return zstandard.ZstdCompressor().compress, zstandard.ZstdDecompressor().decompress


_SERIALIZERS: dict[str, Callable[[], Serializer]] = {
    "pickle": PickleSerializer,
    "packed": PackedSerializer,
    "json": JsonSerializer,
}


def choose(
    *,
    name: str | None,
    dump: Callable[[Any], Any] | None,
    load: Callable[[Any], Any] | None,
    compress: str | None,
    mapped: bool,
    text: bool,
) -> Serializer:
    """The serializer for a function's options.

    Raises:
        ValueError: They contradict each other, or one is unknown.
    """
    chosen: Serializer
    if dump is not None or load is not None:
        if dump is None or load is None:
            raise ValueError("pickle= and unpickle= belong together: give both or none")
        if name is not None or mapped:
            raise ValueError("pickle= and unpickle= can't be given beside serializer= or mmap=")
        chosen = OwnSerializer(dump, load)
    elif name is not None and name not in _SERIALIZERS:
        raise ValueError(f"serializer={name!r}: there are {', '.join(map(repr, _SERIALIZERS))}")
    elif mapped:
        if name not in (None, "pickle") or compress is not None:
            raise ValueError("mmap=True maps uncompressed pickles: leave out serializer= and compress=")
        chosen = PickleSerializer(buffers=True)
    elif name is None and text and compress is None:
        chosen = TextSerializer()
    else:
        chosen = _SERIALIZERS[name or "pickle"]()
    return chosen if compress is None else Compressing(chosen, compress)


def _joined(parts: list[Any]) -> bytes:
    """Parts one after the other, each at an aligned place, after a table of their lengths."""
    lengths = [len(part) for part in parts]
    out = bytearray(_COUNT.pack(len(parts)) + b"".join(map(_COUNT.pack, lengths)))
    for part in parts:
        out += bytes(-len(out) % _ALIGNED)
        out += part
    return bytes(out)


def _split(data: Any) -> list[memoryview]:
    view = memoryview(data)
    (count,) = _COUNT.unpack_from(view)
    lengths = [_COUNT.unpack_from(view, _COUNT.size * (1 + index))[0] for index in range(count)]
    at = _COUNT.size * (1 + count)
    parts = []
    for length in lengths:
        at += -at % _ALIGNED
        if at + length > len(view):
            raise ValueError("it is cut short")
        parts.append(view[at : at + length])
        at += length
    return parts
