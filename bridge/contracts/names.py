"""Names: the four transformers, and which of them is applied to what.

A *code* name is what a definition is called in generated code, a *value* name what it is called on the wire. All of
Gugugu's targets have the same value names by default, and that is what makes them understand each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Final

Transformer = Callable[[str], str]

# A run of letters that are no capitals ends a word. In a run of capitals that something follows, the last one begins
# the next word; a run of capitals at the end is one word.
_HUMP: Final = re.compile(r"[A-Z]+(?=[A-Z][^A-Z])|[A-Z]+$|[A-Z]?[^A-Z]+|[A-Z]+")


def humps(name: str) -> list[str]:
    """The words of a name in camel case."""
    return _HUMP.findall(name)


def keep(name: str) -> str:
    """`fooBar` stays."""
    return name


def lower(name: str) -> str:
    """`FooBar` -> `foobar`; underscores stay."""
    return name.lower()


@lru_cache(maxsize=1 << 16)
def snake(name: str) -> str:
    """`HTTPServer2Config` -> `http_server2_config`."""
    return "_".join(humps(name)).lower()


@lru_cache(maxsize=1 << 16)
def upper_snake(name: str) -> str:
    """`fooBar` -> `FOO_BAR`."""
    return "_".join(humps(name)).upper()


TRANSFORMERS: Final[dict[str, tuple[Transformer, str]]] = {
    "id": (keep, "do no transformation"),
    "snake": (snake, "convert to snake_case"),
    "upper-snake": (upper_snake, "convert to UPPER_SNAKE_CASE"),
    "lower": (lower, "convert to alllowercase"),
}
"""The name as the command line has it -> the function, and what it is said to do."""


@dataclass(frozen=True)
class NameRules:
    """One transformer for each kind of name; the fields are the options `--trans-...`."""

    module_code: Transformer = lower
    module_value: Transformer = snake
    module_type: Transformer = keep
    func_code: Transformer = snake
    func_value: Transformer = snake
    type_code: Transformer = keep
    type_func: Transformer = snake
    field_code: Transformer = snake
    field_value: Transformer = snake
    enum_code: Transformer = upper_snake
    enum_value: Transformer = upper_snake

    @classmethod
    def named(cls, **choices: str) -> NameRules:
        """Rules from the transformers' names: `NameRules.named(field_code="id")`."""
        return cls(**{rule: TRANSFORMERS[choice][0] for rule, choice in choices.items()})


RULES: Final = tuple(field.name for field in fields(NameRules))
"""The rules' names, in the order of the command line."""


def rule_default(rule: str) -> str:
    """The name of a rule's default transformer."""
    default = getattr(NameRules(), rule)
    return next(name for name, (function, _) in TRANSFORMERS.items() if function is default)
