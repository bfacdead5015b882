"""What a pod's client sees of a module: Clojure names, docstrings, argument lists.

Names become kebab-case by exchanging `_` and `-` (a leading `_` stays), and nothing else, so each goes back to the one
Python name that it came from: `my_mod.do_it` is `my-mod/do-it`, `DataFrame` is itself. Metadata travels as EDN text; it
is written in ASCII, escaped, since a stray quote in a docstring would keep the whole namespace from loading, and since
some clients read Latin-1.
"""

from __future__ import annotations

try:  # JSON's escapes are EDN's; the json package around this one function would cost a pod 5 ms at its start
    from _json import encode_basestring_ascii as edn_text
except ImportError:  # not CPython
    from json.encoder import py_encode_basestring_ascii as edn_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bascule.protocols.bencode import Value

MOST_ARITIES = 4  # optional parameters that are shown as arities of their own; more are shown as `& [...]`
KEYWORDS = "py/kwargs"
"""The one key of a last argument that holds keywords, where the payload format is JSON."""


def kebab(name: str) -> str:
    """A Python name in Clojure's spelling."""
    rest = name.lstrip("_")
    return name[: len(name) - len(rest)] + rest.replace("_", "-")


def snake(name: str) -> str:
    """A name in Clojure's spelling as Python has it."""
    return name.replace("-", "_")


def var(name: str, doc: str | None, arglists: Iterable[str] | None) -> dict[str, Value]:
    """One var as the description has it.

    Args:
        name: In Clojure's spelling.
        doc: Its docstring.
        arglists: Each a vector as EDN; None: not known.
    """
    meta = []
    if doc:
        meta.append(f":doc {edn_text(doc)}")
    if arglists is not None:
        meta.append(f":arglists ({' '.join(arglists)})")
    return {"name": name, "meta": f"{{{' '.join(meta)}}}"} if meta else {"name": name}


def member_var(member: dict[str, Any]) -> dict[str, Value]:
    """A var for a member of a module's landscape (see `bascule.workers.landscape`)."""
    doc, kind = member.get("doc"), member.get("kind")
    if kind == "constant":
        doc = doc or f"The constant {member['name']}, of type {member.get('type', '?')}."
        return var(kebab(member["name"]), doc, ["[]"])
    return var(kebab(member["name"]), doc, arglists(member.get("parameters")))


def arglists(parameters: list[dict[str, Any]] | None) -> list[str] | None:
    """A parameter list as Clojure shows it: one vector for each number of positional arguments.

    Keyword-only parameters stand in a last map, as they are to be given.
    """
    if parameters is None:
        return None
    required: list[str] = []
    optional: list[str] = []
    keywords: list[str] = []
    rest = ""
    for one in parameters:
        kind, name = one["kind"], _symbol(one["name"])
        if kind == "var_positional":
            rest = f"& {name}"
        elif kind == "keyword_only":
            keywords.append(name)
        elif kind == "var_keyword":
            keywords.append("...")
        elif "default" in one:
            optional.append(name)
        else:
            required.append(name)
    if keywords:
        keywords = [f"{{:{KEYWORDS} {{:keys [{' '.join(keywords)}]}}}}"]
    if rest or len(optional) > MOST_ARITIES:
        vectors = [required + ([f"& [{' '.join(optional)}]"] if optional and not rest else [*optional, rest])]
    else:
        vectors = [required + optional[:count] for count in range(len(optional) + 1)]
    lists = [f"[{' '.join(vector)}]" for vector in vectors]
    if keywords:
        lists.append(f"[{' '.join(vectors[-1] + keywords)}]")
    return lists


def _symbol(name: str) -> str:
    """A parameter's name as an EDN symbol in ASCII (what is not can't be escaped in a symbol)."""
    return kebab(name) if name.isascii() else "".join([char if char.isascii() else "?" for char in kebab(name)])
