"""What of one type's values another type reads: two definitions of the same place, compared down to their last field.

A *writer* makes values, a *reader* gets them. Everything is said of the plain form, since that is what travels: an
Int32 is an Int64, a Uuid is a String, a Set is a List, an enum is a sum of cases without fields. A writer on the server
writes all fields of a record, as mounted classes do; a client may leave out what may be absent.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any


class Breaks(enum.Enum):
    """Whom a difference hurts."""

    NOBODY = "compatible"
    OLD_CLIENTS = "breaks old clients"
    NEW_CLIENTS = "breaks new clients"
    BOTH = "breaks old and new clients"


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same, named by its way from a function: `find_book: result.price`."""

    place: str
    what: str
    breaks: Breaks

    def __str__(self) -> str:
        return f"{self.place}: {self.what} ({self.breaks.value})"


_TEXTS = ("Bytes", "Timestamp", "Uuid", "Decimal", "datetime.datetime", "datetime.date")
_WIDER = {
    "Int32": ("Int64", "Integer", "Double", "Duration"),
    "Int64": ("Integer", "Double", "Duration"),
    "Duration": ("Integer", "Double"),
    **dict.fromkeys(_TEXTS, ("String",)),
}
"""What reads all values of a type. A Double does not read each Integer: some are too big."""
_NUMBERS = ("Int32", "Int64", "Integer")
_KNOWN_FOREIGN = {
    "uuid.UUID": "Uuid",
    "decimal.Decimal": "Decimal",
    "datetime.datetime": "datetime.datetime",
    "datetime.date": "datetime.date",
}
"""The foreign types whose form is known."""


class Comparison:
    """One walk through the types of an argument or a result.

    Of arguments the client is the writer, of results the server. A difference hurts old clients when they and a new
    server don't understand each other, new clients when they and an old server do not.
    """

    def __init__(self, old: dict[str, Any], new: dict[str, Any], *, to_server: bool) -> None:
        self.found: list[Difference] = []
        self._old = old
        self._new = new
        self._to_server = to_server
        self._seen: set[tuple[str, str]] = set()

    def _note(self, place: str, what: str, *, old_writer: bool = False, new_writer: bool = False) -> None:
        """Say what differs, and whether it hurts an old writer with a new reader, or the other way round."""
        old_clients = old_writer if self._to_server else new_writer
        new_clients = new_writer if self._to_server else old_writer
        both = Breaks.BOTH if new_clients else Breaks.OLD_CLIENTS
        breaks = both if old_clients else Breaks.NEW_CLIENTS if new_clients else Breaks.NOBODY
        self.found.append(Difference(place, what, breaks))

    def types(self, place: str, before: Any, after: Any, *, key: bool = False) -> None:
        """Two types that stand in the same place; a Map's key is a text whatever its type."""
        before, after = _form(self._old, before), _form(self._new, after)
        heads = (_head(before), _head(after))
        if heads == ("Maybe", "Maybe") or "Maybe" not in heads or "Wrapped" in heads:
            self._same_maybe(place, before, after, heads, key=key)
        elif heads[1] == "Maybe":
            self._note(place, "it may be nothing now", new_writer=before != "Unit")  # which nothing is, too
            self.types(place, before, after[1])
        else:
            self._note(place, "it may not be nothing any more", old_writer=after != "Unit")
            self.types(place, before[1], after)

    def _same_maybe(self, place: str, before: Any, after: Any, heads: tuple[str, str], *, key: bool) -> None:
        if isinstance(before, str) and isinstance(after, str):
            if before in self._old and after in self._new:
                self._definitions(place, before, after)
            elif before != after:
                self._note(
                    place,
                    f"it was {_short(before)} and is {_short(after)}",
                    old_writer=not self._reads(self._old, before, after, key=key),
                    new_writer=not self._reads(self._new, after, before, key=key),
                )
        elif heads[0] == heads[1] and len(before) == len(after):
            for number, (left, right) in enumerate(zip(before[1:], after[1:])):
                is_key = heads[0] == "Map" and number == 0
                suffix = {"List": "[]", "Set": "[]", "Map": "{key}" if is_key else "{}"}.get(heads[0], "")
                self.types(place + suffix, left, right, key=is_key)
        elif sorted(heads) == ["List", "Set"]:
            grew = heads[0] == "Set"
            what = "something may be there twice now" if grew else "nothing may be there twice any more"
            what = f"it was a {heads[0]} and is a {heads[1]}: {what}"
            self._note(place, what, old_writer=not grew, new_writer=grew)
            self.types(f"{place}[]", before[1], after[1])
        else:
            self._note(place, f"it was {_text(before)} and is {_text(after)}", old_writer=True, new_writer=True)

    @staticmethod
    def _reads(types: dict[str, Any], written: str, read: str, *, key: bool) -> bool:
        """Whether values of the type `written`, of `types`, are of the builtin type `read` too."""
        if read == "String" and ((key and written in _NUMBERS) or "enum" in types.get(written, ())):
            return True
        return read in _WIDER.get(written, ())

    def _definitions(self, place: str, before: str, after: str) -> None:
        if (before, after) in self._seen:
            return
        self._seen.add((before, after))
        old, new = self._old[before], self._new[after]
        if "record" in old and "record" in new:
            self._fields(place, old["record"], new["record"])
        elif ("enum" in old or "sum" in old) and ("enum" in new or "sum" in new):
            self._cases(place, old, new)
        elif "foreign" in old and "foreign" in new:
            if old["foreign"] != new["foreign"]:
                what = f"it was the foreign type {old['foreign']} and is {new['foreign']}: their converters must agree"
                self._note(place, what)
        else:
            what = f"it was {_kind(old)} {_short(before)} and is {_kind(new)} {_short(after)}"
            self._note(place, what, old_writer=True, new_writer=True)

    def _fields(self, place: str, before: list[Any], after: list[Any]) -> None:
        old, new = {each[0]: each for each in before}, {each[0]: each for each in after}
        for name, field in old.items():
            if name in new:
                self._field(f"{place}.{name}", field, new[name])
            else:
                # Who knows a field no more refuses it; who still wants it misses it, unless it may be absent.
                self._note(f"{place}.{name}", "the field is gone", old_writer=True, new_writer=len(field) < 3)
        for name, field in new.items():
            if name not in old:
                self._note(f"{place}.{name}", "the field is new", old_writer=len(field) < 3, new_writer=True)
        if [name for name in old if name in new] != [name for name in new if name in old]:
            self._note(place, "the order of fields changed")

    def _field(self, place: str, before: list[Any], after: list[Any]) -> None:
        self.types(place, before[1], after[1])
        if len(before) > len(after):
            self._note(place, "it may not be absent any more", old_writer=self._to_server)
        elif len(before) < len(after):
            self._note(place, "it may be absent now", new_writer=self._to_server)
        elif before[2:] != after[2:]:
            self._note(place, f"its default was {before[2]['default']!r} and is {after[2]['default']!r}")

    def _cases(self, place: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Two enums, or sums; an enum's members are cases without fields."""
        what = "member" if "enum" in old and "enum" in new else "case"
        before, after = _cases_of(old), _cases_of(new)
        for name, fields in before.items():
            if name not in after:
                self._note(place, f"the {what} {name} is gone", old_writer=True)
            elif bool(fields) != bool(after[name]):
                now = "has fields now" if after[name] else "has no fields any more"
                self._note(f"{place}.{name}", f"the case {now}", old_writer=True, new_writer=True)
            else:
                self._fields(f"{place}.{name}", fields, after[name])
        for name in after:
            if name not in before:
                self._note(place, f"the {what} {name} is new", new_writer=True)
        if [name for name in before if name in after] != [name for name in after if name in before]:
            self._note(place, f"the order of {what}s changed")


def _form(types: dict[str, Any], kind: Any) -> Any:
    """A type, or the one that has the same form."""
    foreign = types.get(kind, {}).get("foreign") if isinstance(kind, str) else None
    return _KNOWN_FOREIGN.get(foreign, kind) if foreign is not None else kind


def _head(kind: Any) -> str:
    return kind if isinstance(kind, str) else str(kind[0])


def _cases_of(definition: dict[str, Any]) -> dict[str, list[Any]]:
    return dict(definition["sum"]) if "sum" in definition else {name: [] for name in definition["enum"]}


def _kind(definition: dict[str, Any]) -> str:
    return next(iter(definition))


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _text(kind: Any) -> str:
    if isinstance(kind, str):
        return _short(kind)
    parts = [_text(each) if isinstance(each, str) else f"({_text(each)})" for each in kind[1:]]
    return " ".join(["Maybe" if kind[0] == "Wrapped" else kind[0], *parts])
