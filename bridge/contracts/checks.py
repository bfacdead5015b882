"""What Gugugu does not look for: names that stand twice, or would once they are renamed, or that Python can't have.

They are errors, except for `gugugu-python`, which took such definitions before and must go on: there they are warnings.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable

from bascule.bridge.contracts import syntax
from bascule.bridge.contracts.names import NameRules, Transformer
from bascule.bridge.contracts.sources import Diagnostic, Source

Named = tuple[str, int]  # a name and its offset


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
        types = [(each.name, each.offset) for each in file.declarations if not isinstance(each, syntax.Function)]
        functions = [(each.name, each.offset) for each in file.declarations if isinstance(each, syntax.Function)]
        self._unique("type", types, (rules.type_code, rules.type_func))
        self._unique("function", functions, (rules.func_code, rules.func_value))
        for each in file.declarations:
            if isinstance(each, syntax.Data):
                self._constructors(each)
        return self._problems

    def _constructors(self, data: syntax.Data) -> None:
        rules = self._rules
        if len(data.constructors) > 1 or (data.constructors and data.constructors[0].fields is None):
            names = [(each.name, each.offset) for each in data.constructors]
            self._unique(f"member of {data.name}", names, (rules.enum_code, rules.enum_value))
        for each in data.constructors:
            if each.fields is not None:
                fields = [(field.name, field.offset) for field in each.fields]
                self._unique(f"field of {each.name}", fields, (rules.field_code, rules.field_value))

    def _unique(self, what: str, names: list[Named], transformers: Iterable[Transformer]) -> None:
        if len({name for name, _ in names}) != len(names):
            self._twice(names, str, lambda name, _: f"{name} is the name of another {what}")
            return
        for transformer in transformers:
            if len({transformer(name) for name, _ in names}) != len(names):
                self._twice(
                    names,
                    transformer,
                    lambda name, other: f"{name} and {other}, each a {what}, get the same name when they are renamed",
                )
                return
        if self._lenient:
            self._keywords(what, names)

    def _twice(self, names: list[Named], key: Transformer, say: Callable[[str, str], str]) -> None:
        seen: dict[str, str] = {}
        for name, offset in names:
            if key(name) in seen:
                self._problem(offset, say(name, seen[key(name)]), len(name))
            seen.setdefault(key(name), name)

    def _keywords(self, what: str, names: list[Named]) -> None:
        """Only for classic code, which has them as they are; modern code has an underscore behind them."""
        rules = self._rules
        code = {"type": rules.type_code, "func": rules.func_code, "memb": rules.enum_code, "fiel": rules.field_code}
        for name, offset in names:
            if keyword.iskeyword(code[what[:4]](name)):
                self._problem(offset, f"{name} is a Python keyword: classic code with it can't be imported", len(name))

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
