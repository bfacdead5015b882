"""Which differences of two contracts break whom. Pure: contracts are the plain data that generated modules carry.

Every difference is seen from both ends. A value that a *new* program writes may be read by an old one, and the other
way round: what a client sends (arguments) is read by the server, what comes back (results) is read by the client. So
the same change, a field more say, may break servers, clients, both, or nobody.
"""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Contract = dict[str, Any]


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


def digest(contract: Contract) -> str:
    """A short text that two equal contracts share."""
    text = json.dumps(contract, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def whole(contract: Contract, known: dict[str, Any]) -> Contract:
    """A module's contract with all the types that its functions reach, those of other modules too."""
    types: dict[str, Any] = {}
    waiting = [kind for each in contract["functions"].values() for kind in (each["argument"], each["result"])]
    waiting += [name for each in contract["functions"].values() for name in each.get("raises", ())]
    while waiting:
        kind = waiting.pop()
        if not isinstance(kind, str):
            waiting.extend(kind[1:])
        elif kind not in types and kind in known:
            types[kind] = known[kind]
            waiting.extend(field[1] for field in _all_fields(known[kind]))
    return {
        "module": contract["module"],
        "namespace": contract["namespace"],
        "functions": contract["functions"],
        "types": dict(sorted(types.items())),
    }


def _all_fields(definition: dict[str, Any]) -> list[Any]:
    if "record" in definition:
        return list(definition["record"])
    return [field for case in definition.get("sum", ()) for field in case[1]]


def compare(old: Contract, new: Contract) -> list[Difference]:
    """All differences of two whole contracts of one module, in the order of their places."""
    found: list[Difference] = []
    for name, before in old["functions"].items():
        after = new["functions"].get(name)
        if after is None:
            found.append(Difference(name, "the function is gone", Breaks.OLD_CLIENTS))
            continue
        if bool(before.get("stream")) != bool(after.get("stream")):
            found.append(Difference(name, "one gives a value, the other a stream", Breaks.BOTH))
        argument = _Comparison(old["types"], new["types"], to_server=True)
        result = _Comparison(old["types"], new["types"], to_server=False)
        argument.types(f"{name}: argument", before["argument"], after["argument"])
        result.types(f"{name}: result", before["result"], after["result"])
        found += [*argument.found, *result.found]
        for raised in sorted(set(after.get("raises", ())) - set(before.get("raises", ()))):
            found.append(Difference(name, f"it may raise {raised}", Breaks.NOBODY))
    for name in new["functions"]:
        if name not in old["functions"]:
            found.append(Difference(name, "the function is new", Breaks.NEW_CLIENTS))
    return found


def breaking(differences: list[Difference], *, client_is_new: bool) -> list[Difference]:
    """Those that a client meets: an old one with a new server, or a new one with an old server."""
    hurts = {Breaks.BOTH, Breaks.NEW_CLIENTS if client_is_new else Breaks.OLD_CLIENTS}
    return [each for each in differences if each.breaks in hurts]


def unfit(server: Contract, client: Contract) -> list[Difference]:
    """What a client can't live with. Who is older can't be known: what hurts this client, whichever way, is told."""
    return [] if digest(server) == digest(client) else breaking(compare(server, client), client_is_new=True)


def read_contract(told: Any) -> Contract:
    """A contract that a client sent, as data or as the JSON of it.

    Raises:
        ValueError: It is none.
    """
    try:
        contract = json.loads(told) if isinstance(told, (str, bytes)) else told
        compare(contract, contract)  # looks at all of it
        digest(contract)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no contract: {type(error).__name__}: {error}") from None
    return dict(contract)


class _Comparison:
    """One walk through the types of an argument or a result.

    A *reader* gets what a *writer* made. Of arguments the client is the writer, of results the server. A difference
    hurts old clients when they and a new server don't understand each other, new clients when they and an old server
    do not.
    """

    def __init__(self, old: dict[str, Any], new: dict[str, Any], *, to_server: bool) -> None:
        self.found: list[Difference] = []
        self._old = old
        self._new = new
        self._to_server = to_server
        self._seen: set[tuple[str, str]] = set()

    def _note(self, place: str, what: str, *, old_writer: bool, new_writer: bool) -> None:
        """Say what differs, and whether it hurts an old writer with a new reader, or the other way round."""
        old_clients = old_writer if self._to_server else new_writer
        new_clients = new_writer if self._to_server else old_writer
        both = Breaks.BOTH if new_clients else Breaks.OLD_CLIENTS
        breaks = both if old_clients else Breaks.NEW_CLIENTS if new_clients else Breaks.NOBODY
        self.found.append(Difference(place, what, breaks))

    def types(self, place: str, before: Any, after: Any) -> None:
        """Two types that stand in the same place."""
        if isinstance(before, str) and isinstance(after, str):
            if before in self._old and after in self._new:
                self._definitions(place, before, after)
            elif before != after:
                # A whole number of fewer digits is one of more, and a Double too.
                wider = _WIDER.get(before, ())
                narrower = after in wider
                wide = before in _WIDER.get(after, ())
                what = f"it was {_short(before)} and is {_short(after)}"
                self._note(place, what, old_writer=not narrower, new_writer=not wide)
            return
        heads = [each if isinstance(each, str) else each[0] for each in (before, after)]
        if heads == ["Maybe", "Maybe"] or (heads[0] == heads[1] and len(before) == len(after)):
            for number, (left, right) in enumerate(zip(before[1:], after[1:])):
                suffix = {"List": "[]", "Set": "[]", "Map": "{key}" if number == 0 else "{}"}.get(heads[0], "")
                self.types(place + suffix, left, right)
        elif heads[1] == "Maybe" and after[1] == before:
            self._note(place, "it may be nothing now", old_writer=False, new_writer=True)
        elif heads[0] == "Maybe" and before[1] == after:
            self._note(place, "it may not be nothing any more", old_writer=True, new_writer=False)
        else:
            what = f"it was {_text(before)} and is {_text(after)}"
            self._note(place, what, old_writer=True, new_writer=True)

    def _definitions(self, place: str, before: str, after: str) -> None:
        if (before, after) in self._seen:
            return
        self._seen.add((before, after))
        old, new = self._old[before], self._new[after]
        if set(old) != set(new):
            what = f"it was {_kind(old)} {_short(before)} and is {_kind(new)} {_short(after)}"
            self._note(place, what, old_writer=True, new_writer=True)
        elif "record" in old:
            self._fields(place, old["record"], new["record"])
        elif "enum" in old:
            self._names(place, "member", old["enum"], new["enum"])
        elif "sum" in old:
            cases = dict(new["sum"])
            self._names(place, "case", [name for name, _ in old["sum"]], list(cases))
            for name, fields in old["sum"]:
                if name in cases:
                    self._fields(f"{place}.{name}", fields, cases[name])
        elif old["foreign"] != new["foreign"]:
            what = f"it was the foreign type {old['foreign']} and is {new['foreign']}"
            self._note(place, what, old_writer=False, new_writer=False)

    def _fields(self, place: str, before: list[Any], after: list[Any]) -> None:
        old, new = {each[0]: each for each in before}, {each[0]: each for each in after}
        for name, field in old.items():
            if name not in new:
                # Who knows a field no more refuses it; who still wants it misses it, unless it may be absent.
                self._note(f"{place}.{name}", "the field is gone", old_writer=True, new_writer=len(field) < 3)
            else:
                self.types(f"{place}.{name}", field[1], new[name][1])
                if len(field) > len(new[name]):
                    self._note(f"{place}.{name}", "it may not be absent any more", old_writer=False, new_writer=False)
        for name, field in new.items():
            if name not in old:
                self._note(f"{place}.{name}", "the field is new", old_writer=len(field) < 3, new_writer=True)
        if [name for name in old if name in new] != [name for name in new if name in old]:
            self._note(place, "the order of fields changed", old_writer=False, new_writer=False)

    def _names(self, place: str, what: str, before: list[str], after: list[str]) -> None:
        for name in before:
            if name not in after:
                self._note(place, f"the {what} {name} is gone", old_writer=True, new_writer=False)
        for name in after:
            if name not in before:
                self._note(place, f"the {what} {name} is new", old_writer=False, new_writer=True)


_WIDER = {
    "Int32": ("Int64", "Integer", "Double"),
    "Int64": ("Integer", "Double"),
    "Integer": ("Double",),
}


def _kind(definition: dict[str, Any]) -> str:
    return next(iter(definition))


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _text(kind: Any) -> str:
    if isinstance(kind, str):
        return _short(kind)
    parts = [_text(each) if isinstance(each, str) else f"({_text(each)})" for each in kind[1:]]
    return " ".join([kind[0], *parts])
