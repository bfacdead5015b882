"""What a module offers, as plain data: the landscape from which pods, nodes and tools learn its functions.

    {module, doc, file, members: [member...], error}
    member: {name, kind, doc, ...}
      kind "function"  parameters, returns, coroutine, generator
      kind "class"     parameters (the constructor's); with `classes` also bases and members (see `landscape_classes`)
      kind "constant"  type
      kind "lazy"      made by the module's own `__getattr__` when somebody asks, or not known from sources

Public is what `__all__` names; without one, what has no leading underscore and was defined in the module, or below it
when it is a package (`requests.get` is defined in `requests.api`), and plain data. Submodules are no members.

Importing the module runs its code; nothing after that does: see `signatures`. Who wants to import nothing gets what the
sources tell, see `landscape_source`. So is a module described that fails to import, with the error beside it: whoever
calls one of its functions gets the error then.
"""

from __future__ import annotations

import sys
from types import ModuleType

from bascule.protocols.errors import ErrorKind
from bascule.workers import names
from bascule.workers.errors import CallFailed, clean_text, error_map
from bascule.workers.signatures import (
    class_attribute,
    code_flags,
    is_class,
    module_of,
    own_dict,
    parameters_of,
    qualified_name,
    returns_of,
    static_attribute,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    Member = dict[str, Any]

_MAX_DOC: Final = 1 << 16  # characters of one docstring
_MOST_MEMBERS: Final = 10_000
_OPTIONS: Final = frozenset(["classes", "file", "from_source", "imports", "private", "unless_installed"])
_INSTALLED: Final = ("/site-packages/", "/dist-packages/")
_DATA: Final = frozenset([bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset, range])


def describe_module(name: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The landscape of one module, which is imported.

    Args:
        name: Its dotted name.
        options: `imports`: names that come from other modules too; `private`: names with a leading underscore too;
            `classes`: what is in the classes too;
            `unless_installed`: if the module belongs to an installed package, and was not imported yet, say so
            (`{module, installed: true, members: []}`) instead of importing it; `from_source`: describe it from its
            sources, if it has some and was not imported yet; `file`: where it must come from.

    Raises:
        CallFailed: BAD_ARGUMENTS, for options that there are not.
    """
    options = options or {}
    if type(options) is not dict or not _OPTIONS.issuperset(options):
        raise CallFailed(ErrorKind.BAD_ARGUMENTS, f"a landscape's options are {sorted(_OPTIONS)}, not {options!r}")
    if options.get("unless_installed") and _is_installed(name):
        return {"module": name, "doc": None, "file": None, "members": [], "error": None, "installed": True}
    if options.get("from_source") and name not in sys.modules:
        described = _from_source(name, options)
        if described["members"]:
            return described
    try:
        module = names.resolve(name + ":").value
        if options.get("file"):
            _expect_file(name, module, options["file"])
    except (Exception, SystemExit) as error:
        return {**_from_source(name, options, error), "error": error_map(error)}
    attributes = own_dict(module)
    return {
        "module": name,
        "doc": _doc(attributes.get("__doc__")),
        "file": _text_or_none(attributes.get("__file__")),
        "members": _members(module, attributes, name, options),
        "error": None,
    }


def _is_installed(name: str) -> bool:
    """Whether it is below one of the folders that packages are installed in. Nothing is imported to find out."""
    top = name.partition(".")[0]
    if name in sys.modules or top in sys.builtin_module_names:
        return False
    from importlib.machinery import PathFinder

    try:
        spec = PathFinder.find_spec(top)
    except Exception:  # a finder of the user's
        return False
    origin = spec.origin if spec is not None else None
    return origin is not None and any(folder in origin for folder in _INSTALLED)


def _expect_file(name: str, module: object, file: str) -> None:
    import os

    found = own_dict(module).get("__file__")
    if type(found) is not str or os.path.realpath(found) != os.path.realpath(file):
        where = found if type(found) is str else "built in"
        raise ImportError(f"{file} can't be imported: another module is called {name!r} ({where}); rename the file")


def _members(module: object, attributes: Mapping[str, Any], name: str, options: Mapping[str, Any]) -> list[Member]:
    declared = attributes.get("__all__")
    listed: list[str] | None = None
    if type(declared) is list or type(declared) is tuple:
        listed = list(dict.fromkeys([one for one in declared if type(one) is str]))
    lazy = "__getattr__" in attributes or class_attribute(type(module), "__getattr__") is not None
    imports, private = options.get("imports"), options.get("private")
    members: list[Member] = []
    for member_name in listed if listed is not None and not private else list(attributes):
        if len(members) >= _MOST_MEMBERS:
            break
        if type(member_name) is not str or not member_name.isidentifier():
            continue
        if member_name not in attributes:
            if lazy:
                members.append({"name": member_name, "kind": "lazy", "doc": None})
            continue
        value = attributes[member_name]
        if listed is None or member_name not in listed:
            if member_name.startswith("__") or (member_name.startswith("_") and not private):
                continue
            if not imports and not _is_own(value, name):
                continue
        try:
            member = describe_member(member_name, value)
        except Exception:  # an object that defies even being looked at: it is named, no more
            member = {"name": member_name, "kind": "lazy", "doc": None}
        if member is not None:
            if options.get("classes") and member["kind"] == "class":
                member.update(_details(value))
            members.append(member)
    return members


def _details(cls: object) -> dict[str, Any]:
    from bascule.workers.landscape_classes import class_details

    return class_details(cls, _doc)


def describe_member(name: str, value: object) -> Member | None:
    """One value under one name; None for a module."""
    if ModuleType in type.mro(type(value)):
        return None
    if is_class(value):
        return {
            "name": name,
            "kind": "class",
            "doc": _doc(own_dict(value).get("__doc__")),
            "parameters": parameters_of(value),
        }
    if callable(value):
        coroutine, generator = code_flags(value)
        return {
            "name": name,
            "kind": "function",
            "doc": _doc(static_attribute(value, "__doc__")),
            "parameters": parameters_of(value),
            "returns": returns_of(value),
            "coroutine": coroutine,
            "generator": generator,
        }
    return {"name": name, "kind": "constant", "doc": None, "type": qualified_name(type(value))}


def _is_own(value: object, name: str) -> bool:
    """Whether the module (or, in a package, one below it) made this."""
    if is_class(value) or callable(value):
        home = module_of(value)
    elif type(value) in _DATA:
        return True
    else:
        home = module_of(type(value))
    return home is not None and (home == name or home.startswith(name + "."))


def _from_source(name: str, options: Mapping[str, Any], error: BaseException | None = None) -> dict[str, Any]:
    """What the sources say that a module offers; nothing, where there are none, or where they are not to blame."""
    told = None
    if not isinstance(error, CallFailed) and name not in sys.modules:
        from bascule.workers.landscape_source import source_members

        told = source_members(name, _doc, imports=bool(options.get("imports")), private=bool(options.get("private")))
    doc, file, members = told or (None, None, [])
    if isinstance(error, SyntaxError) and error.filename == file:
        members = []
    return {"module": name, "doc": doc, "file": file, "members": members[:_MOST_MEMBERS], "error": None}


def _text_or_none(value: object) -> str | None:
    return clean_text(value) if type(value) is str else None


def _doc(doc: object) -> str | None:
    """A docstring without the indentation of its source, as inspect.cleandoc has it."""
    if type(doc) is not str:
        return None
    first, *rest = doc[:_MAX_DOC].expandtabs().split("\n")
    margins = [len(line) - len(line.lstrip()) for line in rest if line.strip()]
    margin = min(margins) if margins else 0
    text = "\n".join([first.lstrip(), *[line[margin:] for line in rest]]).strip()
    return clean_text(text, _MAX_DOC) or None
