"""Python modules as a babashka pod's namespaces, and the calls that come for them.

The README's form: `load_namespaces` takes (file, module name, namespace) triples, exports functions under their own
names and gives objects with `namespace` and `signatures`. The newer form: `load_as_namespaces` takes `NSExportSpec`s,
exports callables in kebab-case with their docstrings. `dispatch` understands both.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from bascule.bridge.doors.pod_vars import edn_text
from pylaagu import wire
from pylaagu.meta import extract_function_signatures
from pylaagu.signatures import load_module
from pylaagu.utils import is_public, to_kebab, to_snake

NameFilter = Callable[[str], bool]
Exported = dict[str, Any]
_log = logging.getLogger(__name__)


class Namespace:
    """A module under the name that a pod's client knows it by.

    `namespace` and `name` are that name; `signatures` and `vars` are what it exports; `module` is the module.
    """

    def __init__(self, name: str, vars: list[Exported], module: ModuleType) -> None:
        self.name = self.namespace = name
        self.vars = self.signatures = vars
        self.module = module

    def __repr__(self) -> str:
        return f"Namespace({self.name!r}, {[one['name'] for one in self.vars]}, {self.module!r})"

    def get(self, item: str) -> Exported | None:
        """What is exported under this name."""
        return next((one for one in self.vars if one["name"] == item), None)


class NSExportSpec:
    """Which module is exported, and how.

    Args of its constructor:
        module_name: The module.
        ns_name: Its namespace; its name in kebab-case when not said.
        export_meta: Whether docstrings are exported.
        export_module_imports: Whether functions that the module imported are exported too.
        fail_on_error: Whether a module that can't be imported is an error. It is left out else.
        file: Where the module is, when an import would not find it.
    """

    def __init__(
        self,
        module_name: str,
        ns_name: str | None = None,
        export_meta: bool = True,
        export_module_imports: bool = True,
        fail_on_error: bool = True,
        file: str | None = None,
    ) -> None:
        self.module_name = module_name
        self.ns_name = ns_name or to_kebab(module_name)
        self.export_meta = export_meta
        self.export_module_imports = export_module_imports
        self.fail_on_error = fail_on_error
        self.file = file


def load_namespaces(
    namespaces_and_files: Iterable[tuple[str, str, str] | NSExportSpec], function_name_filter: NameFilter = is_public
) -> dict[str, Namespace]:
    """Import modules, in this order: a package before what is in it.

    Args:
        namespaces_and_files: (file, module name, namespace) triples; or as in `load_as_namespaces`.
        function_name_filter: Which functions are exported, by name.

    Returns:
        The namespaces by name.
    """
    wire.watch()
    namespaces: dict[str, Namespace] = {}
    for one in namespaces_and_files:
        if isinstance(one, NSExportSpec):
            loaded = load_as_namespace(one, function_name_filter)
            if loaded is not None:
                namespaces[one.ns_name] = loaded
            continue
        file, module_name, name = one
        module, _ = load_module(module_name, file)
        assert module is not None  # it would have raised
        namespaces[name] = Namespace(name, list(extract_function_signatures(file, function_name_filter)), module)
    return namespaces


def load_as_namespace(nsexport_spec: NSExportSpec, function_name_filter: NameFilter = is_public) -> Namespace | None:
    """One module; None when it can't be imported and that is no error."""
    wire.watch()
    module, _ = load_module(nsexport_spec.module_name, nsexport_spec.file, fail_on_error=nsexport_spec.fail_on_error)
    if module is None:
        _log.error("module %s can't be imported: it is left out", nsexport_spec.module_name)
        return None

    def chosen(value: object) -> bool:
        own = nsexport_spec.export_module_imports or getattr(value, "__module__", None) == module.__name__
        named = getattr(value, "__name__", None)
        return (
            callable(value)
            and not isinstance(value, type)
            and own
            and isinstance(named, str)
            and function_name_filter(named)
        )

    exported = module_to_pod_format_functions(module, nsexport_spec.export_meta, chosen)
    return Namespace(nsexport_spec.ns_name, exported, module)


def load_as_namespaces(
    nsexport_specs: Iterable[NSExportSpec], function_name_filter: NameFilter = is_public
) -> dict[str, Namespace]:
    """Several modules, by their namespaces; those that can't be imported are left out, where that is no error."""
    found = {one.ns_name: load_as_namespace(one, function_name_filter) for one in nsexport_specs}
    return {name: namespace for name, namespace in found.items() if namespace is not None}


def module_to_pod_format_functions(
    module: ModuleType, export_meta: bool = False, function_filter: Callable[[Any], bool] = callable
) -> list[Exported]:
    """The vars of a module, in kebab-case."""
    exported = []
    for name, function in inspect.getmembers(module, function_filter):
        one: Exported = {"name": to_kebab(name)}
        if export_meta and function.__doc__:
            one["meta"] = f"{{:doc {edn_text(inspect.cleandoc(str(function.__doc__)))}}}"
        exported.append(one)
    return exported


def to_pod_export_format(ns: Namespace) -> dict[str, Any]:
    """A namespace as a pod describes it."""
    return {"name": ns.name, "vars": [_var(one) for one in ns.vars]}


def to_pod_namespaced_format(namespace: str | Namespace, signatures: Any = None) -> dict[str, Any]:
    """A namespace as a pod describes it.

    Args:
        namespace: Its name, or the namespace; or a file, when a name comes second.
        signatures: Its functions; or, after a file, the namespace's name.
    """
    if isinstance(namespace, Namespace):
        return to_pod_export_format(namespace)
    if isinstance(signatures, str):
        functions = extract_function_signatures(namespace, is_public)
        return {"name": signatures, "vars": [_var(one) for one in functions]}
    return {"name": namespace, "vars": [_var(one) for one in signatures]}


def _var(exported: Mapping[str, Any]) -> dict[str, str]:
    """Of a function's signature what a pod's client takes: a name, and a docstring that is valid EDN."""
    one = {"name": str(exported["name"])}
    if "meta" in exported:
        one["meta"] = exported["meta"]
    elif doc := getattr(exported, "docstring", None):
        one["meta"] = f"{{:doc {edn_text(doc)}}}"
    return one


def dispatch(namespaces: Mapping[str, Namespace], var: str, args: Any = None) -> Any:
    """Call the function that `var` names, such as `mlexplore.hf/model_info`.

    In a program that is a pod what it raises, and a result that JSON can't carry, are answered to the client as an
    error (see `wire`); anywhere else they are raised.

    Args:
        namespaces: As they were loaded.
        var: The namespace, a slash and the function, in either spelling.
        args: Its arguments; None is none.
    """
    return wire.answered(lambda: _call(namespaces, var, args))


def _call(namespaces: Mapping[str, Namespace], var: str, args: Any) -> Any:
    name, slash, function_name = var.partition("/")
    namespace = namespaces.get(name)
    if not slash or namespace is None:
        raise LookupError(f"there is no namespace {name!r} (in {var!r}); there are: {', '.join(namespaces)}")
    exported = next((one for one in (function_name, to_kebab(function_name)) if namespace.get(one)), None)
    if exported is None:
        raise LookupError(f"namespace {name} exports no {function_name!r}")
    function = getattr(namespace.module, function_name, None)
    if function is None:
        function = getattr(namespace.module, to_snake(function_name))
    return function(*(args or ()))


def _main() -> int:
    if len(sys.argv) < 2:
        print(f"usage: python {sys.argv[0]} MODULE [NAMESPACE]", file=sys.stderr)
        return 2
    name = sys.argv[2] if len(sys.argv) > 2 else None
    namespace = load_as_namespace(NSExportSpec(sys.argv[1], name))
    assert namespace is not None  # it would have raised
    print(to_pod_export_format(namespace))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
