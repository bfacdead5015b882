"""The blocks of hexadecimal in docs/reference/wire.md, by name."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "wire.md").read_text()
VECTORS = {
    name: bytes.fromhex(re.sub(r"[|\s]", "", digits))
    for name, digits in re.findall(r"```text\nvector ([a-z-]+)\n([0-9a-f|\s]+)```", PAGE)
}
