"""Which differences of two contracts break whom. Pure: contracts are the plain data that generated modules carry.

Every difference is seen from both ends. A value that a *new* program writes may be read by an old one, and the other
way round: what a client sends (arguments) is read by the server, what comes back (results) is read by the client. So
the same change, a field more say, may break servers, clients, both, or nobody. `fitting` knows of types which reads
which; here are functions, and the contracts that they make.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from bascule.workers.contracts.fitting import Breaks, Comparison, Difference

if TYPE_CHECKING:
    Contract = dict[str, Any]

__all__ = [
    "CONTRACT_NAME",
    "Breaks",
    "Difference",
    "breaking",
    "compare",
    "compare_unused",
    "digest",
    "read_contract",
    "unfit",
    "whole",
]


CONTRACT_NAME = "contract__"
"""The function of a mounted module that tells its contract: definitions with a function of this name are refused."""


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
        argument = Comparison(old["types"], new["types"], to_server=True)
        result = Comparison(old["types"], new["types"], to_server=False)
        argument.types(f"{name}: argument", before["argument"], after["argument"])
        result.types(f"{name}: result", before["result"], after["result"])
        raised, raises = set(before.get("raises", ())), set(after.get("raises", ()))
        for each in sorted(raised & raises):
            result.types(f"{name}: raises {each}", each, each)
        found += [*argument.found, *result.found]
        found += [Difference(name, f"it may raise {each}", Breaks.NOBODY) for each in sorted(raises - raised)]
        found += [
            Difference(name, f"it does not raise {each} any more", Breaks.NOBODY) for each in sorted(raised - raises)
        ]
    for name in new["functions"]:
        if name not in old["functions"]:
            found.append(Difference(name, "the function is new", Breaks.NEW_CLIENTS))
    return found


def compare_unused(old: dict[str, Any], new: dict[str, Any], used: set[str]) -> list[Difference]:
    """The differences of types that no function is about, such as those of files: who writes a value is the client."""
    comparison = Comparison(old, new, to_server=True)
    for name in old:
        if name in new and name not in used:
            comparison.types(name, name, name)
    return comparison.found


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
