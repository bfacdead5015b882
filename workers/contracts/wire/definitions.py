"""What is known of definitions: each generated module tells it of its own.

A description is data, and part of the contract between two programs (see `comparing`):

    {"Shop.Book": {"record": [["id", "Int32"], ["tags", ["List", "String"]]]}, "Shop.Color": {"enum": ["RED"]}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Kind = str | list[Any]
    Description = dict[str, dict[str, Any]]

known: Description = {}
classes: dict[str, type] = {}
"""Those of records and enums, by their kinds."""


def describe(description: Description) -> None:
    """Let the errors of these definitions be located; each generated module says so of its own."""
    known.update(description)


def is_enum(kind: str, cls: Any) -> None:
    """Tell the class of an enum, in which a name alone would be a member."""
    cls.WIRE_KIND = kind
    classes[kind] = cls
