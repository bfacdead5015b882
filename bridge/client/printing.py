"""What the called code printed: handed to whoever wants to be told, or printed here."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bascule.protocols.envelope import Flag

if TYPE_CHECKING:
    from bascule.protocols.envelope import Payload

OnOutput = Callable[[str, str, int], Any]
"""Told of captured output: the text, "stdout" or "stderr", the id of the call on the wire (0: of no call)."""

_ERR = int(Flag.ERR)
_log = logging.getLogger("bascule.client")


def tell(listener: OnOutput, call_id: int, payload: Payload, flags: int) -> None:
    """Tell `listener` of an OUTPUT frame; what it raises is logged."""
    try:
        listener(payload.decode(errors="replace"), "stderr" if flags & _ERR else "stdout", call_id)
    except Exception:
        _log.exception("the function that is told of output failed")


def print_output(text: str, stream: str, _call_id: int) -> None:
    """Write it to the stream of the same name here."""
    out = sys.stderr if stream == "stderr" else sys.stdout
    if out is not None:
        out.write(text)
        out.flush()
