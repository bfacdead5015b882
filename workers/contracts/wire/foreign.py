"""Foreign types: how a value of a class that is not ours travels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import Mismatch
from .scalars import read_decimal, read_uuid, write_decimal, write_uuid

if TYPE_CHECKING:
    from collections.abc import Callable

_converters: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {}
CONVERTERS_FAIL_WITH = (Exception,)  # they are their users'


def register_converter(target: str, to_wire: Callable[[Any], Any], from_wire: Callable[[Any], Any]) -> None:
    """Say how a foreign type travels.

    Args:
        target: Its Python name, as the FOREIGN pragma has it.
        to_wire: A value of it -> what every format has.
        from_wire: The other way; whatever it raises means that the value does not fit.
    """
    _converters[target] = (to_wire, from_wire)


def converter(target: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """How a foreign type travels.

    Raises:
        LookupError: Nobody said.
    """
    found = _converters.get(target) or _builtin_converter(target)
    if found is None:
        raise LookupError(f"nothing is known of how {target} travels: tell it with register_converter({target!r}, ...)")
    return found


def foreign_to_wire(target: str, value: Any) -> Any:
    """A foreign value in its plain form."""
    to_wire = converter(target)[0]
    try:
        return to_wire(value)
    except CONVERTERS_FAIL_WITH as error:
        raise Mismatch(str(error)) from error


def foreign_from_wire(target: str, wire: Any) -> Any:
    """A foreign value of its plain form."""
    from_wire = converter(target)[1]
    try:
        return from_wire(wire)
    except CONVERTERS_FAIL_WITH as error:
        raise Mismatch(str(error)) from error


def _builtin_converter(target: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]] | None:
    if target == "datetime.datetime":
        register_converter(target, _datetime_to_wire, _datetime_from_wire)
    elif target == "datetime.date":
        register_converter(target, _date_to_wire, _date_from_wire)
    elif target == "uuid.UUID":
        register_converter(target, write_uuid, read_uuid)
    elif target == "decimal.Decimal":
        register_converter(target, write_decimal, read_decimal)
    return _converters.get(target)


_SECONDS = "%Y-%m-%dT%H:%M:%S"


def _datetime_to_wire(value: Any) -> str:
    return f"{value.year:04}-{value.strftime('%m-%dT%H:%M:%S')}"  # a year before 1000 has four digits too


def _datetime_from_wire(wire: Any) -> Any:
    from datetime import datetime

    return datetime.strptime(wire, _SECONDS)


def _date_to_wire(value: Any) -> str:
    text: str = value.isoformat()
    return text


def _date_from_wire(wire: Any) -> Any:
    from datetime import date

    return date.fromisoformat(wire)
