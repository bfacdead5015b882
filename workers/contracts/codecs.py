"""Implementations of formats for generated codecs: JSON, msgpack, Erlang's external terms, EDN.

    from bascule.workers.contracts.codecs import JsonDecoder, JsonEncoder
    client = HelloModule.from_transport(transport, JsonEncoder(), JsonDecoder())

All of them have one idea in common, the plain form of values (maps, lists, texts, numbers), and differ in how that is
written as bytes: `encoding` and `decoding` have what they share.

Enums travel by name. A foreign type goes through the converters of `wire` (a datetime is `%Y-%m-%dT%H:%M:%S`); the
method that generated code calls for it, `encode_date_time` say, is found by its name: `TARGETS` of the generated module
`foreign` says which Python type each is, and `Foreign.DateTime` is known without.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from bascule.protocols.errors import ProtocolError
from bascule.workers.contracts import wire
from bascule.workers.contracts.decoding import ValueDecoder
from bascule.workers.contracts.encoding import ValueEncoder
from bascule.workers.contracts.wire import DecodeError, EncodeError

__all__ = [
    "EdnDecoder",
    "EdnEncoder",
    "EtfDecoder",
    "EtfEncoder",
    "JsonDecoder",
    "JsonEncoder",
    "MsgpackDecoder",
    "MsgpackEncoder",
    "ValueDecoder",
    "ValueEncoder",
]

Step = Callable[[Any], Any]


class JsonEncoder(ValueEncoder):
    """Writes JSON, as text."""

    def _finish(self, plain: Any) -> Any:
        return wire.write_json(plain).decode()


class JsonDecoder(ValueDecoder):
    """Reads JSON, text or bytes. An object that has a key twice is refused."""

    def _begin(self, r: Any) -> Any:
        return wire.read_json(r)


class MsgpackEncoder(ValueEncoder):
    """Writes msgpack."""

    def _finish(self, plain: Any) -> Any:
        from bascule.protocols import packed

        return _written(packed.dumps, plain)


class MsgpackDecoder(ValueDecoder):
    """Reads msgpack."""

    def _begin(self, r: Any) -> Any:
        from bascule.protocols import packed

        return _read(packed.loads, r)


class EtfEncoder(ValueEncoder):
    """Writes Erlang's external term format: maps, and texts as binaries."""

    def _finish(self, plain: Any) -> Any:
        from bascule.protocols import etf
        from bascule.protocols.calls import Style

        return _written(partial(etf.dumps, style=int(Style.STR_AS_BINARY | Style.DICT_AS_MAP)), plain)


class EtfDecoder(ValueDecoder):
    """Reads Erlang's external term format."""

    def _begin(self, r: Any) -> Any:
        from bascule.protocols import etf

        return _read(etf.loads, r)


class EdnEncoder(ValueEncoder):
    """Writes EDN, as bytes."""

    def _finish(self, plain: Any) -> Any:
        from bascule.protocols import edn

        return _written(edn.dumps, plain)


class EdnDecoder(ValueDecoder):
    """Reads EDN."""

    def _begin(self, r: Any) -> Any:
        from bascule.protocols import edn

        return _read(edn.loads, r.encode() if isinstance(r, str) else r)


def _written(dumps: Step, plain: Any) -> Any:
    try:
        return dumps(plain)
    except (ValueError, TypeError, RecursionError, ProtocolError) as error:
        raise EncodeError("", str(error)) from None


def _read(loads: Step, data: Any) -> Any:
    try:
        return loads(data)
    except (ValueError, TypeError, RecursionError, ProtocolError) as error:
        raise DecodeError("", str(error)) from None
