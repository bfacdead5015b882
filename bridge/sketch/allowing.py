"""A sketch as a policy: the lines that let a listener's clients call what a module offers, and nothing else.

A class can be called too, but what comes of it is an object, through which nearly everything can be reached: whether
clients may have objects is a decision, and not read from a sketch. So classes are named in a comment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from bascule.bridge.sketch.model import Alias, Class, Constant, Function, Member, Module

Shown = Iterable[tuple[Module, Iterable[Member]]]


def as_policy(shown: Shown) -> str:
    """The lines for a table `[listeners.NAME]`."""
    allow: list[str] = []
    classes: list[str] = []
    for module, members in shown:
        for one in members:
            meant = one.meant if isinstance(one, Alias) else one
            if isinstance(meant, Class):
                classes.append(f"{module.name}:{one.name}")
            elif isinstance(meant, (Function, Constant)):
                allow.append(f"{module.name}:{one.name}")
    listed = "".join([f"    {json.dumps(target)},\n" for target in dict.fromkeys(allow)])
    text = f"allow = [\n{listed}]\n" if allow else "allow = []\n"
    if classes:
        text += "# Classes make objects, which clients may only have with objects = true:\n"
        text += "".join([f"#   {json.dumps(target)},\n" for target in dict.fromkeys(classes)])
    return text + "objects = false"
