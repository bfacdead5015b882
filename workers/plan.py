"""What the loop keeps for one call head: the function to call, and what tells that it is still the right one.

A kept plan must not outlive what it stands for. `watch` is the namespace that the function was found in: the loop
looks there, each time, whether the name still means this function (a reload, a monkey patch), and whether the module
is still the one in sys.modules. What is reached through further attributes is looked up at each call.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, Final

    from bascule.protocols.envelope import Payload

    Function = Callable[..., Any]

PLAIN: Final = frozenset([type(None), bool, int, float, str, bytes, list, dict, tuple])
"""Results of these types are encoded at once: they are not awaited, and not iterated."""


class Plan:
    """What to do for one call head.

    Attributes:
        function: Takes the call's arguments, the object first.
        awaits: An awaitable result is awaited.
        iterates: Any iterable result may be streamed, not only an iterator.
        plain: Results of these types need no second look.
        watch: The namespace to look into, or None: `watched` is to be found there as `name`.
        module: The module of that namespace, to be found in sys.modules as `module_name`.
        patience: Above 0, replies that wait are sent before the call is run, since it may be a slow one.
        decode: Set by whoever runs the plan: bytes to arguments.
        encode: Set by whoever runs the plan: result to bytes.
        codec, style: How the client writes, and wants its results.
    """

    __slots__ = (
        "awaits",
        "codec",
        "decode",
        "encode",
        "function",
        "iterates",
        "module",
        "module_name",
        "name",
        "patience",
        "plain",
        "style",
        "watch",
        "watched",
    )

    def __init__(self, function: Function, *, awaits: bool = False, iterates: bool = False) -> None:
        self.function = function
        self.awaits = awaits
        self.iterates = iterates
        self.plain = PLAIN
        self.watch: dict[str, Any] | None = None
        self.watched: object = None
        self.name = ""
        self.module: ModuleType | None = None
        self.module_name = ""
        self.patience = 1
        self.decode: Callable[[Payload], Any]
        self.encode: Callable[[Any], bytes]
        self.codec = 0
        self.style = 0
