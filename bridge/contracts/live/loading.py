"""Definitions as modules of this process, without a file being written.

    contract = load("definitions")

    class Shop(contract.shop.ShopModule):
        ...

The modules are the modern ones that `bascule contract generate` writes, under a package name of their own, and can be
imported, mounted and called like those.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from bascule.bridge.contracts.generating import Dialect, generate_python
from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.loading import load_folder

_numbers = itertools.count(1)


def load(folder: str | Path, package: str | None = None) -> ModuleType:
    """The package of a folder's definitions; its modules are there as attributes.

    Args:
        folder: Where the `.pg` files are.
        package: What it is called; a name that nobody else has, when not said.

    Raises:
        ContractError: The definitions are wrong.
    """
    name = package or f"bascule_contract_{next(_numbers)}"
    options = PythonOptions(name, f"{name}.runtime", with_server=True, with_client=True)
    schema = load_folder(Path(folder)).require()
    files = generate_python(schema, options, Dialect.MODERN)
    sys.meta_path.insert(0, _Finder({_module_of(file.path): file.text for file in files}))
    found = importlib.import_module(name)
    for module in schema.modules:
        importlib.import_module(options.module(module))
    return found


def _module_of(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds modules among texts."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module of that name, if it is one of ours."""
        if fullname not in self._texts:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=self.is_package(fullname))

    def is_package(self, fullname: str) -> bool:
        """Whether there are modules below it."""
        return any(name.startswith(f"{fullname}.") for name in self._texts)

    def get_source(self, fullname: str) -> str:
        """The module's text."""
        return self._texts[fullname]
