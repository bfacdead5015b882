"""What Gugugu does not look for: names that stand twice, or would once they are renamed, or that Python can't have.

They are errors, except for `gugugu-python`, which took such definitions before and must go on: there they are warnings.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Sequence

from bascule.bridge.contracts import syntax
from bascule.bridge.contracts.names import NameRules, Transformer
from bascule.bridge.contracts.sources import Diagnostic, Source
from bascule.workers.contracts.comparing import CONTRACT_NAME

_OPERATIONS = frozenset(
    f"encode_{of}"
    for of in (
        *("with_state", "unit", "bool", "int32", "double", "string", "maybe", "list", "record", "record_field", "enum"),
        *("int64", "integer", "bytes", "timestamp", "duration", "uuid", "decimal", "map", "set", "wrapped", "sum"),
    )
)

Named = syntax.Data | syntax.Alias | syntax.Function | syntax.Constructor | syntax.Field


def check(files: Iterable[syntax.File], rules: NameRules, *, lenient: bool) -> list[Diagnostic]:
    """The problems of all files, each by itself."""
    files = list(files)
    problems: list[Diagnostic] = []
    for file in files:
        problems += _FileCheck(file.source, rules, lenient).run(file)
    problems += _clashing_modules(files, rules, lenient)
    return problems


class _FileCheck:
    def __init__(self, source: Source, rules: NameRules, lenient: bool) -> None:
        self._source = source
        self._rules = rules
        self._lenient = lenient
        self._problems: list[Diagnostic] = []

    def run(self, file: syntax.File) -> list[Diagnostic]:
        rules = self._rules
        types = [each for each in file.declarations if not isinstance(each, syntax.Function)]
        functions = [each for each in file.declarations if isinstance(each, syntax.Function)]
        self._unique("type", types, rules.type_code, rules.type_func)
        self._unique("function", functions, rules.func_code, rules.func_value)
        self._functions(functions)
        for each in types:
            self._parameters(each)
            if isinstance(each, syntax.Data):
                self._constructors(each)
        self._classes(file)
        self._operations(file)
        return self._problems

    def _classes(self, file: syntax.File) -> None:
        """What else becomes a class must not be called as a type is, nor as another of these."""
        data = [each for each in file.declarations if isinstance(each, syntax.Data)]
        code = self._rules.type_code
        seen = {code(each.name): f"the type {each.name}" for each in data}
        made = []
        for each in data:
            if each.parameters:
                continue  # what it becomes has names of its own
            if any(one.fields is not None for one in each.constructors) and len(each.constructors) > 1:
                made += [
                    (f"{code(each.name)}{one.name}", one.offset, f"the case {one.name} of {each.name}")
                    for one in each.constructors
                ]
                made.append((f"{code(each.name)}Codec", each.offset, f"what reads and writes {each.name}"))
            elif not each.constructors:
                made.append((f"{code(each.name)}Codec", each.offset, f"what reads and writes {each.name}"))
        if any(isinstance(each, syntax.Function) for each in file.declarations):
            made.append((self._rules.module_type(f"{file.name}Module"), file.name_offset, "what has the functions"))
        for name, offset, what in made:
            if name in seen:
                self._problem(offset, f"{what} gets the name {name} in Python, and so does {seen[name]}", 1)
            seen.setdefault(name, what)

    def _operations(self, file: syntax.File) -> None:
        """A foreign type is an operation of codec implementations, which must be none that they have for others."""
        prefix = "" if file.name == "Foreign" else file.name
        for each in file.declarations:
            if isinstance(each, syntax.Data) and not each.constructors:
                name = self._rules.type_func(f"encode{prefix}{each.name}")
                if name in _OPERATIONS:
                    message = f"{each.name} would be written by {name}, which codecs have for something else"
                    self._problem(each.offset, message, len("data"))

    def _parameters(self, each: syntax.Data | syntax.Alias) -> None:
        if len(set(each.parameters)) != len(each.parameters):
            self._problem(each.offset, f"two parameters of {each.name} have one name", len("data"))
        if not each.parameters:
            return
        waiting = [each.type] if isinstance(each, syntax.Alias) else []
        if isinstance(each, syntax.Data):
            waiting += [field.type for one in each.constructors for field in one.fields or ()]
        while waiting:
            name, arguments, offset = waiting.pop()
            waiting += arguments
            if not name[0].isupper() and name not in each.parameters:
                self._problem(offset, f"{name} is no parameter of {each.name}", len(name))

    def _functions(self, functions: Sequence[syntax.Function]) -> None:
        for each in functions:
            if self._rules.func_value(each.name) == CONTRACT_NAME:
                message = f"what a mounted module tells its contract by is called {CONTRACT_NAME}"
                self._problem(each.offset, message, len(each.name))
            seen: set[str] = set()
            for raised in each.raises:
                if raised.name in seen:
                    self._problem(raised.offset, f"{each.name} raises {raised.name} twice", len(raised.name))
                seen.add(raised.name)

    def _constructors(self, data: syntax.Data) -> None:
        rules, constructors = self._rules, data.constructors
        if len(constructors) > 1 or (constructors and constructors[0].fields is None):
            self._unique(f"member of {data.name}", constructors, rules.enum_code, rules.enum_value)
        for each in constructors:
            if each.fields is not None:
                self._unique(f"field of {each.name}", each.fields, rules.field_code, rules.field_value)

    def _unique(self, what: str, named: Sequence[Named], code: Transformer, value: Transformer) -> None:
        names = [each.name for each in named]
        if len(set(names)) != len(names):
            self._twice(named, str, lambda name, _: f"{name} is the name of another {what}")
            return
        for transformer in (code,) if code is value else (code, value):
            if len(set(map(transformer, names))) != len(names):
                self._twice(
                    named,
                    transformer,
                    lambda name, other: f"{name} and {other}, each a {what}, get the same name when they are renamed",
                )
                return
        if self._lenient:
            self._keywords(named, code)

    def _twice(self, named: Sequence[Named], key: Transformer, say: Callable[[str, str], str]) -> None:
        seen: dict[str, str] = {}
        for each in named:
            new = key(each.name)
            if new in seen:
                self._problem(each.offset, say(each.name, seen[new]), len(each.name))
            seen.setdefault(new, each.name)

    def _keywords(self, named: Sequence[Named], code: Transformer) -> None:
        """Only for classic code, which has them as they are; modern code has an underscore behind them."""
        for each in named:
            if keyword.iskeyword(code(each.name)):
                message = f"{each.name} is a Python keyword: classic code with it can't be imported"
                self._problem(each.offset, message, len(each.name))

    def _problem(self, offset: int, message: str, length: int) -> None:
        make = self._source.warning if self._lenient else self._source.error
        self._problems.append(make(offset, message, length))


def _clashing_modules(files: list[syntax.File], rules: NameRules, lenient: bool) -> list[Diagnostic]:
    problems = []
    seen: dict[str, str] = {}
    for file in sorted(files, key=lambda each: each.name):
        for transformer in (rules.module_code, rules.module_value):
            other = seen.setdefault(f"{transformer.__name__} {transformer(file.name)}", file.name)
            if other != file.name:
                message = f"the modules {other} and {file.name} get the same name when they are renamed"
                make = file.source.warning if lenient else file.source.error
                problems.append(make(file.name_offset, message, len(file.name)))
                break
    return problems
