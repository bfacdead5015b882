"""What a pod's client says, as values: see `bascule.protocols.pod`, which makes them of bytes.

They are made for what comes rarely; nothing here needs dataclasses, since a pod should answer soon after its start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Id = bytes
    """What a client calls a request, as it stands in bencode."""

    Event = Union["Describe", "Invoke", "LoadNamespace", "Shutdown", "Refused"]


class _Event:
    """A value with named fields: compared and shown by them."""

    __slots__: tuple[str, ...] = ()

    def _fields(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.__slots__])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Event) and other._fields() == self._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._fields()!r}"


class Describe(_Event):
    """The client wants to know what there is. Answered by `send_description`."""

    __slots__ = ("id",)

    def __init__(self, id: Id | None) -> None:
        self.id = id


class Invoke(_Event):
    """A call. `args` is text in the payload format, or empty; it was not looked at."""

    __slots__ = ("id", "var", "args")  # noqa: RUF023 (the order in which they are shown)

    def __init__(self, id: Id, var: str, args: bytes) -> None:
        self.id = id
        self.var = var
        self.args = args


class LoadNamespace(_Event):
    """The client needs a namespace that was described as deferred. Answered by `send_namespace`."""

    __slots__ = ("id", "name")

    def __init__(self, id: Id, name: str) -> None:
        self.id = id
        self.name = name


class Shutdown(_Event):
    """The client waits for this process to end. What it said after this is not read."""

    __slots__ = ("id",)

    def __init__(self, id: Id | None) -> None:
        self.id = id


class Refused(_Event):
    """A message that is no request: answer its id with an error; without an id nobody can be told."""

    __slots__ = ("id", "reason")

    def __init__(self, id: Id | None, reason: str) -> None:
        self.id = id
        self.reason = reason
