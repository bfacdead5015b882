"""Instances of dataclasses, pydantic models and attrs classes.

They are things to work on, so they travel as handles; who insists on a value gets a map of the fields, whose own values
are converted in their turn.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final


def _dataclass(obj: Any, codec: str, lossy: bool) -> Any:
    if not lossy:
        return NotImplemented
    return {field.name: getattr(obj, field.name) for field in sys.modules["dataclasses"].fields(obj)}


def _attrs(obj: Any, codec: str, lossy: bool) -> Any:
    return {field.name: getattr(obj, field.name) for field in obj.__attrs_attrs__} if lossy else NotImplemented


def _pydantic(obj: Any, codec: str, lossy: bool) -> Any:
    if not lossy:
        return NotImplemented
    return obj.model_dump() if hasattr(obj, "model_dump") else obj.dict()  # before pydantic 2


CONVERTERS: Final[dict[str, Callable[[Any, str, bool], Any]]] = {
    "dataclass": _dataclass,
    "attrs": _attrs,
    "BaseModel": _pydantic,
}
