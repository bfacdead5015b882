"""What Gugugu's command line can ask of the Python generators, and the places that follow from it."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field

from bascule.bridge.contracts.names import NameRules

DEFAULT_RUNTIME = "gugugu.lang.python.runtime"


@dataclass(frozen=True)
class PythonOptions:
    """The options; a server or a client needs codecs."""

    package: str
    runtime: str = DEFAULT_RUNTIME
    with_codec: bool = False
    with_server: bool = False
    with_client: bool = False
    rules: NameRules = field(default_factory=NameRules)

    @property
    def codec(self) -> bool:
        """Whether codecs are written."""
        return self.with_codec or self.with_server or self.with_client

    @property
    def service(self) -> bool:
        """Whether functions are written."""
        return self.with_server or self.with_client

    def unimportable(self) -> str | None:
        """What is wrong with the packages: no statement of Python can import one with a keyword in its name."""
        for package in (self.package, self.runtime):
            for part in package.split("."):
                if keyword.iskeyword(part):
                    return f"the package {package} can't be imported: {part} is a Python keyword; choose another name"
        return None

    def module(self, name: str) -> str:
        """The dotted name of a definition file's module."""
        return dotted(self.package, self.rules.module_code(name))

    def in_runtime(self, name: str) -> str:
        """The dotted name of a module of the run time."""
        return dotted(self.runtime, name)


def dotted(package: str, name: str) -> str:
    """A module in a package; an empty package is the root."""
    return f"{package}.{name}" if package else name


def path_of(module: str) -> str:
    """The file of a module."""
    return module.replace(".", "/") + ".py"


def init_of(package: str) -> str:
    """The `__init__` of a package."""
    return path_of(dotted(package, "__init__"))
