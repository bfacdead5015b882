"""The service: one bridge with its listeners, its logs, its operator's side, and a configuration that may change.

    config --> Service --> children of the supervision tree: office, listeners, audit, http ...
               Reload  --> what differs is applied, one thing after the other, without losing a call

| module | what |
|---|---|
| `service` | makes the sockets and files, runs what stands beside the pools, changes one thing at a time |
| `reload` | reads the file again, finds what differs, and has it changed once nothing of it can fail any more |
| `web` | the HTTP door of the service, where one is configured |
| `accounts` | who hears of each call's end: the audit, the spans |
"""

from bascule.bridge.serving.service import Service

__all__ = ["Service"]
