"""Names that modern Python code can have: keywords, and what the code itself needs, get an underscore behind them."""

from __future__ import annotations

import builtins
import keyword

from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.schema import Foreign, Module, Ref, Schema, Sum

_BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
_METHODS = frozenset(
    ("to_wire", "from_wire", "to_json", "from_json", "WIRE_KIND", "WIRE_TAG", "_write", "_read", "_build", "__slots__")
) | {"classmethod", "staticmethod"}
_OF_ENUMS = frozenset(("name", "value", "mro", "real", "imag", "numerator", "denominator", "conjugate", "bit_length"))
_OF_MODULES = frozenset(("to_transport", "from_transport", "NAMESPACE", "CONTRACT"))


class PythonNames:
    """What definitions are called in modern code."""

    def __init__(self, schema: Schema, options: PythonOptions) -> None:
        self._schema = schema
        self._options = options
        self._rules = options.rules

    def type(self, name: str) -> str:
        """The class of a definition."""
        return _free(self._rules.type_code(name), _BUILTINS | _OF_MODULES)

    def codec_class(self, ref: Ref) -> str:
        """The class that has a definition's codecs."""
        suffix = "Codec" if isinstance(self._schema.definition(ref), (Foreign, Sum)) else ""
        return self.type(ref.name) + suffix

    def classes(self, module: Module) -> set[str]:
        """All that a module's definitions become."""
        found = {self.type(each.ref.name) for each in module.definitions}
        found.update(self.codec_class(each.ref) for each in module.definitions)
        for each in module.definitions:
            if isinstance(each, Sum):
                found.update(f"{self.type(each.ref.name)}{case.name}" for case in each.cases)
        return found

    def coder(self, way: str, name: str) -> str:
        """The method that encodes or decodes."""
        return self._rules.type_func(f"{way}{name}")

    def field(self, record: str, name: str) -> str:
        """A record's field; `record` is the name of the definition."""
        # A dataclass without slots would take the method `mro` of all classes for the field's default.
        taken = _METHODS | {"mro", self.coder("encode", record), self.coder("decode", record)}
        return _free(self._rules.field_code(name), taken)

    def member(self, enum: str, name: str) -> str:
        """An enum's member."""
        # In the class, its own name must go on being the class: annotations mention it.
        taken = _METHODS | _OF_ENUMS | {self.type(enum), self.coder("encode", enum), self.coder("decode", enum)}
        return _free(self._rules.enum_code(name), taken)

    def function(self, name: str) -> str:
        """A function."""
        return _free(self._rules.func_code(name), _OF_MODULES)

    def service(self, module: str) -> str:
        """The class of a module's functions."""
        return _free(self._rules.module_type(f"{module}Module"), _BUILTINS)


def _free(name: str, taken: frozenset[str] | set[str]) -> str:
    return f"{name}_" if keyword.iskeyword(name) or name in taken else name
