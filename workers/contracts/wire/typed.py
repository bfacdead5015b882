"""What generated types inherit: their values go out as plain ones and as JSON, and come back."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from .definitions import classes, known
from .errors import FAILURES, Mismatch
from .json_text import read_json, write_json
from .locating import located, located_value

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


class Wired:
    """A generated type: its values go out as plain ones and as JSON, and come back."""

    __slots__ = ()
    WIRE_KIND: ClassVar[str]

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        kind = cls.__dict__.get("WIRE_KIND")
        if kind is not None:
            classes[kind] = cls

    def _write(self) -> Any:
        """The plain form; raises one of `FAILURES`."""

    @classmethod
    def _read(cls, wire: Any) -> Self:
        """A value of its plain form; raises one of `FAILURES`."""
        raise Mismatch

    def to_wire(self) -> Any:
        """This value in its plain form: maps, lists, texts, numbers.

        Raises:
            EncodeError: It is not what its type says; the path tells where.
        """
        try:
            return self._write()
        except FAILURES as failure:
            raise located_value(self.WIRE_KIND, self, failure) from None

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """A value of its plain form.

        Raises:
            DecodeError: The form is wrong; the path tells where.
        """
        try:
            return cls._read(wire)
        except FAILURES as failure:
            raise located(cls.WIRE_KIND, wire, failure) from None

    def to_json(self) -> bytes:
        """This value as JSON.

        Raises:
            EncodeError: It is not what its type says.
        """
        write = _writer_of(type(self))
        text = None if write is None else write(self)
        if text is not None:
            return text
        plain = self.to_wire()
        return _plain_writer()(plain)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """A value of JSON.

        Raises:
            DecodeError: It is no JSON, or not of this type.
        """
        read = _reader_of(cls)
        found: Self | None = None if read is None else read(text)
        return cls.from_wire(read_json(text)) if found is None else found


class SumCodec:
    """How the values of a sum travel; the values themselves are those of its cases."""

    WIRE_KIND: ClassVar[str]

    @classmethod
    def _read(cls, wire: Any) -> Any:
        """A value of its plain form; raises one of `FAILURES`."""

    @classmethod
    def from_wire(cls, wire: object) -> Any:
        """A value of its plain form.

        Raises:
            DecodeError: The form is wrong; the path tells where.
        """
        try:
            return cls._read(wire)
        except FAILURES as failure:
            raise located(cls.WIRE_KIND, wire, failure) from None

    @classmethod
    def from_json(cls, text: str | bytes) -> Any:
        """A value of JSON.

        Raises:
            DecodeError: It is no JSON, or not of this type.
        """
        return cls.from_wire(read_json(text))


# ---- By way of msgspec, where that is installed; it is imported when it is first of use


_readers: dict[type, Callable[[str | bytes], Any] | None] = {}
_writers: dict[type, Callable[[Any], bytes | None] | None] = {}


def _reader_of(cls: type) -> Callable[[str | bytes], Any] | None:
    """What reads a type's JSON with msgspec; it gives None for what it does not take."""
    try:
        return _readers[cls]
    except KeyError:
        found = None
        try:
            from .fast_reading import reader
        except ImportError:
            pass
        else:
            found = reader(cls, known, classes)
        _readers[cls] = found
        return found


def _writer_of(cls: type) -> Callable[[Any], bytes | None] | None:
    """What writes a type's JSON with msgspec; it gives None for what it does not take."""
    try:
        return _writers[cls]
    except KeyError:
        found = None
        try:
            from .fast_writing import writer
        except ImportError:
            pass
        else:
            found = writer(cls, known, classes)
        _writers[cls] = found
        return found


@lru_cache(maxsize=1)
def _plain_writer() -> Callable[[Any], bytes]:
    """What makes JSON of plain values."""
    try:
        from .fast_writing import write
    except ImportError:
        return write_json
    return write
