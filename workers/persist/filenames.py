"""Any text as the name of a file, and back: readable names stay as they are.

Only what a file system or a shell's listing can't bear is written as %XX: the slash, control characters, a dot in
front, and a % that would be taken for such a code. What is too long is cut, with a digest of the whole in its place.
"""

from __future__ import annotations

import hashlib
import re

_LONGEST = 200  # bytes; with an extension it must stay below 255
_UNSAFE = re.compile(r"^\.|[/\x00-\x1f\x7f\ud800-\udfff]|%(?=[0-9A-Fa-f]{2}|~)")
_CODE = re.compile(rb"%([0-9A-Fa-f]{2})")
_CUT = "%~"


def to_file_name(text: str) -> str:
    """The name of the file for `text`."""
    if text in ("", "%"):
        return "%25" if text else "%"
    name = _UNSAFE.sub(_encode, text)
    if len(name.encode()) <= _LONGEST:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{name[:40]}{_CUT}{digest}"


def from_file_name(name: str) -> str | None:
    """The text that `to_file_name` made the name of; None if it was cut."""
    if _CUT in name:
        return None
    if name == "%":
        return ""
    if "%" not in name:
        return name
    data = _CODE.sub(lambda found: bytes.fromhex(found[1].decode()), name.encode())
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # it was not made here
        return name


def _encode(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))
