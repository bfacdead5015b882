"""What single keys of the configuration allow: the types that `config` gives them, each with its check.

A check's message, or the words beside a type, say what would have been right: `config_words` tells them in errors and
in the reference page.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ByteSize, Field

from bascule.bridge.caching.policy import SHORT_NAMES
from bascule.bridge.policy import Policy, PolicyError
from bascule.bridge.scheduling import SCHEDULERS
from bascule.workers.persist.lifetimes import seconds
from bascule.workers.persist.places import KNOWN

LONGEST = 4_000_000  # seconds, some 46 days: milliseconds of it fit the 32 bits that a frame has for a deadline


def _function_path(name: str) -> str:
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise ValueError("module:function")
    return name


def _scheduler(name: str) -> str:
    return name if name in SCHEDULERS else _function_path(name)


def _cached(name: str) -> str:
    module, colon, function = name.partition(":")
    if not (module and colon and function) or ("*" in name and function != "*"):
        raise ValueError("module:function, or module:* for all of a module")
    return name


def _span(value: float | str | None) -> float | str | None:
    seconds(value, "ttl")
    return value


def _store_url(text: str) -> str:
    if text not in SHORT_NAMES and text.partition("://")[0] not in KNOWN:
        raise ValueError(f"sqlite, memory, or a URL that begins with {'://, '.join(KNOWN)}://")
    return text


def _mode(text: str) -> str:
    if not (text.isdigit() and len(text) in (3, 4) and all(digit in "01234567" for digit in text)):
        raise ValueError("a mode")
    return text


def _patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    try:
        Policy(patterns)
    except PolicyError as error:
        raise ValueError(str(error)) from None
    return patterns


def words(text: str) -> Any:
    """What a key allows, where its type does not say it."""
    return Field(json_schema_extra={"allowed": text})


Seconds = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Bytes = Annotated[ByteSize, Field(ge=0), words('a number of bytes, or text such as "512MiB"')]
FunctionPath = Annotated[str, AfterValidator(_function_path), words("a function, as module:function")]
Scheduler = Annotated[
    str, AfterValidator(_scheduler), words(f"one of {', '.join(SCHEDULERS)}, or a function, as module:function")
]
Mode = Annotated[str, AfterValidator(_mode), words('permissions as octal text, such as "0660"')]
Patterns = Annotated[
    tuple[str, ...], AfterValidator(_patterns), words('a list of patterns, such as ["math:*", "pkg.**:run"]')
]
Address = Annotated[
    str, Field(pattern=r"^(\[[0-9a-fA-F:.]+\]|[^:\[\]\s/]+):[0-9]{1,5}$"), words('host:port, such as "127.0.0.1:7440"')
]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+"), words('a URL, such as "http://localhost:4318"')]
_CLASS = r"[\w.]+:[\w.]+(@[\w.]+)?$"
MountTarget = Annotated[str, Field(pattern=rf"^{_CLASS}"), words("a class, as package:Class")]
MountEntry = Annotated[
    str, Field(pattern=rf"^([\w.]+=)?{_CLASS}"), words("a class, as package:Class or name=package:Class")
]
Cached = Annotated[str, AfterValidator(_cached)]
LifetimeText = Annotated[float | str | None, AfterValidator(_span)]
StoreUrl = Annotated[str, AfterValidator(_store_url)]
