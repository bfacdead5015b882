"""Bascule: the bridge between any runtime and Python.

A supervisor keeps pools of Python worker processes alive, balances calls over them, and serves them through several
doors. The three rooms: `bascule.protocols` (bytes), `bascule.workers` (inside a worker), `bascule.bridge` (the daemon).
Names offered here are loaded when first asked for: a worker imports this package too and pays for none of them. pytest
has no assertions to rewrite here (PYTEST_DONT_REWRITE), whose plugin `--bascule-record` is.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bascule.bridge.client import connect as connect
    from bascule.bridge.client import connect_asyncio as connect_asyncio
    from bascule.bridge.client import connect_trio as connect_trio
    from bascule.workers import erlang as erlang
    from bascule.workers.caller import CallbackFailed as CallbackFailed
    from bascule.workers.caller import caller as caller
    from bascule.workers.persist import cache as cache
    from bascule.workers.persist import init_app as init_app
    from bascule.workers.persist import memoize as memoize
    from bascule.workers.persist import persist as persist

_MODULES = {"erlang": "bascule.workers.erlang"}
_LAZY = {
    "CallbackFailed": "bascule.workers.caller",
    "caller": "bascule.workers.caller",
    "connect": "bascule.bridge.client",
    "connect_asyncio": "bascule.bridge.client",
    "connect_trio": "bascule.bridge.client",
    "cache": "bascule.workers.persist",
    "init_app": "bascule.workers.persist",
    "memoize": "bascule.workers.persist",
    "persist": "bascule.workers.persist",
}

__all__ = [
    "CallbackFailed",
    "__version__",
    "cache",
    "caller",
    "connect",
    "connect_asyncio",
    "connect_trio",
    "erlang",
    "init_app",
    "memoize",
    "persist",
]


def __getattr__(name: str) -> object:
    """The public names, imported on first use (PEP 562)."""
    home = _LAZY.get(name) or _MODULES.get(name)
    if home is None:
        raise AttributeError(f"module 'bascule' has no attribute {name!r}")
    import importlib

    found = importlib.import_module(home)
    value = found if name in _MODULES else getattr(found, name)
    globals()[name] = value
    return value
