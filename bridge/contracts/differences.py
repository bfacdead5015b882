"""What `bascule contract diff` tells: two folders of definitions, compared module by module."""

from __future__ import annotations

from bascule.bridge.contracts.generators.description import describe_definition, describe_module, ref_name
from bascule.bridge.contracts.schema import Schema
from bascule.workers.contracts.comparing import Breaks, Difference, compare, compare_unused, whole


def differences(old: Schema, new: Schema) -> list[Difference]:
    """All differences, each named by its module and its way from a function."""
    found: list[Difference] = []
    known_old, known_new = _known(old), _known(new)
    used: set[str] = set()
    for name, module in old.modules.items():
        if name not in new.modules:
            breaks = Breaks.OLD_CLIENTS if module.functions else Breaks.NOBODY
            found.append(Difference(name, "the module is gone", breaks))
            continue
        before = whole(describe_module(old, module), known_old)
        after = whole(describe_module(new, new.modules[name]), known_new)
        used |= set(before["types"]) | set(after["types"])
        if before["namespace"] != after["namespace"]:
            found.append(Difference(name, "its namespace is another one", Breaks.BOTH))
        found += [Difference(f"{name}.{each.place}", each.what, each.breaks) for each in compare(before, after)]
    found += [
        Difference(name, "the module is new", Breaks.NEW_CLIENTS if module.functions else Breaks.NOBODY)
        for name, module in new.modules.items()
        if name not in old.modules
    ]
    return found + compare_unused(known_old, known_new, used)


def _known(schema: Schema) -> dict[str, object]:
    return {
        ref_name(each.ref): describe_definition(schema, each)
        for module in schema.modules.values()
        for each in module.definitions
    }
