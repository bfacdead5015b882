"""A function of the client among a call's arguments, as Python sees it: something to call.

A client that can be called back writes `{"py/callback": "name"}` (JSON), `#py/callback "name"` (EDN, transit) in the
place of one of its functions. It lives as long as the call does; kept beyond, calling it fails.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TAG = "py/callback"


class ClientFunction:
    """Calls the client, waits, and gives what its function gave."""

    __slots__ = ("__name__",)

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise ValueError(f"a function's name is text, not {type(name).__name__}")
        self.__name__ = str(name)

    def __call__(self, *args: Any) -> Any:
        """Positional arguments only: a client's functions have no other.

        Raises:
            CallbackFailed: The function failed; the message says how.
        """
        from bascule.workers.caller import caller

        return caller().ask(self.__name__, args)

    def __repr__(self) -> str:
        return f"<function {self.__name__} of the client>"
