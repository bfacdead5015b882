"""The runtimes whose programs call Python: which of them are here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from bascule.bridge.doctor.findings import Finding, good, note

_RUNTIMES = (
    ("Erlang", ("erl", "erlc"), "apt-get install erlang-base (the application py is compiled with erlc)"),
    ("Elixir", ("elixir",), "apt-get install elixir"),
    ("LFE", ("lfe",), "see lfe.io"),
    ("babashka", ("bb",), "see babashka.org"),
    ("Clojure", ("clojure",), "apt-get install clojure"),
)


def check() -> Iterator[Finding]:
    """Each of them."""
    for name, commands, remedy in _RUNTIMES:
        places = [shutil.which(command) for command in commands]
        missing = [command for command, place in zip(commands, places, strict=True) if place is None]
        if missing:
            yield note(f"runtime {name}", f"not found: {', '.join(missing)}", f"only if you want it: {remedy}")
        else:
            yield good(f"runtime {name}", ", ".join(place for place in places if place))
