"""What a pod's client sees of a module: Clojure names, docstrings, argument lists.

Names become kebab-case by exchanging `_` and `-` (a leading `_` stays), and nothing else, so each goes back to the one
Python name that it came from: `my_mod.do_it` is `my-mod/do-it`, `DataFrame` is itself. Metadata travels as EDN text; it
is written in ASCII, escaped, since a stray quote in a docstring would keep the whole namespace from loading, and since
some clients read Latin-1.
"""

from __future__ import annotations

try:  # JSON's escapes are EDN's; the json package around this one function would cost a pod 5 ms at its start
    from _json import encode_basestring_ascii as _quote
except ImportError:  # not CPython
    from json.encoder import py_encode_basestring_ascii as _quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bascule.protocols.bencode import Value

MOST_ARITIES = 4  # optional parameters that are shown as arities of their own; more are shown as `& [...]`
KEYWORDS = "py/kwargs"
"""The one key of a last argument that holds keywords, where the payload format is JSON."""


def edn_text(text: str) -> str:
    """A text as EDN, in ASCII."""
    quoted: str = _quote(text)
    return quoted


def kebab(name: str) -> str:
    """A Python name in Clojure's spelling."""
    rest = name.lstrip("_")
    return name[: len(name) - len(rest)] + rest.replace("_", "-")


def snake(name: str) -> str:
    """A name in Clojure's spelling as Python has it."""
    return name.replace("-", "_")


def var(name: str, doc: str | None, arglists: Iterable[str] | None, more: str = "") -> dict[str, Value]:
    """One var as the description has it.

    Args:
        name: In Clojure's spelling.
        doc: Its docstring.
        arglists: Each a vector as EDN; None: not known.
        more: Other metadata, as EDN.
    """
    meta = []
    if doc:
        meta.append(f":doc {edn_text(doc)}")
    if arglists is not None:
        meta.append(f":arglists ({' '.join(arglists)})")
    if more:
        meta.append(more)
    return {"name": name, "meta": f"{{{' '.join(meta)}}}"} if meta else {"name": name}


def member_var(
    member: dict[str, Any], *, python_names: bool = False, natural_keywords: bool = False
) -> dict[str, Value]:
    """A var for a member of a module's landscape (see `bascule.workers.landscape`).

    Args:
        member: Of the landscape.
        python_names: Leave names as Python has them.
        natural_keywords: The client gives keyword arguments as pairs at the end.
    """
    doc, kind = member.get("doc"), member.get("kind")
    name = member["name"] if python_names else kebab(member["name"])
    if kind == "constant":
        of = member.get("type") or "?"
        if of == "?":
            return var(name, doc or f"The constant {member['name']}.", ["[]"])
        return var(name, doc or f"The constant {member['name']}, of type {of}.", ["[]"], f":py/type {edn_text(of)}")
    more = [":py/class true"] if kind == "class" else []
    if member.get("returns"):
        more.append(f":py/returns {edn_text(member['returns'])}")
    if member.get("coroutine"):
        more.append(":py/async true")
    if member.get("generator"):
        more.append(":py/generator true")
    lists = arglists(member.get("parameters"), python_names=python_names, natural_keywords=natural_keywords)
    described = var(name, doc, lists, " ".join(more))
    if member.get("coroutine"):
        described["async"] = "true"
    return described


def arglists(
    parameters: list[dict[str, Any]] | None, *, python_names: bool = False, natural_keywords: bool = False
) -> list[str] | None:
    """A parameter list as Clojure shows it: one vector for each number of positional arguments.

    A parameter's type stands behind it as Clojure's schema libraries write it: `[x :- int]`. Keyword-only parameters
    stand in a last map, as they are to be given.
    """
    if parameters is None:
        return None
    required: list[str] = []
    optional: list[str] = []
    keywords: list[str] = []
    rest = ""
    for one in parameters:
        kind, name = one["kind"], _typed(one, python_names=python_names)
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
        named = f"{{:keys [{' '.join(keywords)}]}}"
        natural = named if rest else f"& {named}"
        keywords = [natural if natural_keywords else f"{{:{KEYWORDS} {named}}}"]
    if rest or len(optional) > MOST_ARITIES:
        vectors = [required + ([f"& [{' '.join(optional)}]"] if optional and not rest else [*optional, rest])]
    else:
        vectors = [required + optional[:count] for count in range(len(optional) + 1)]
    lists = [f"[{' '.join(vector)}]" for vector in vectors]
    if keywords:
        lists.append(f"[{' '.join(vectors[-1] + keywords)}]")
    return lists


def _typed(parameter: dict[str, Any], *, python_names: bool) -> str:
    name = parameter["name"] if python_names else kebab(parameter["name"])
    symbol = _symbol(name)
    annotation = parameter.get("annotation")
    if not annotation:
        return symbol
    plain = annotation.isascii() and annotation.replace(".", "_").isidentifier()
    return f"{symbol} :- {annotation if plain else edn_text(annotation)}"


def _symbol(name: str) -> str:
    """An EDN symbol in ASCII (what is not can't be escaped in a symbol)."""
    return name if name.isascii() else "".join([char if char.isascii() else "?" for char in name])
