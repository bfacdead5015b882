"""What the command line of `bascule pod` said, for the door and for the assembly that spawns the workers.

No dataclass: importing dataclasses (and with it inspect) would cost a pod more than the rest of its own modules.
"""

from __future__ import annotations


class PodOptions:
    """What the command line said. Not changed once made."""

    __slots__ = (
        "core_namespace",
        "defer",
        "exports",
        "import_timeout",
        "imports",
        "paths",
        "python",
        "strict",
        "workers",
    )

    def __init__(
        self,
        exports: tuple[tuple[str, str], ...] = (),
        *,
        workers: int = 2,
        python: str | None = None,
        paths: tuple[str, ...] = (),
        core_namespace: str = "py",
        imports: bool = False,
        strict: bool = False,
        defer: bool = False,
        import_timeout: float = 60.0,
    ) -> None:
        """See `bascule pod --help`.

        Args:
            exports: (module, namespace) in the order in which they are described; the first names the pod.
            workers: How many.
            python: Their interpreter; None: this one.
            paths: Folders put on their sys.path.
            core_namespace: The name of the namespace of `pod_core`.
            imports: Export what a module imported from elsewhere too.
            strict: End when a module can't be imported.
            defer: Describe modules without importing them; the client loads a namespace when it is required.
            import_timeout: Seconds that an import may take.
        """
        self.exports = exports
        self.workers = workers
        self.python = python
        self.paths = paths
        self.core_namespace = core_namespace
        self.imports = imports
        self.strict = strict
        self.defer = defer
        self.import_timeout = import_timeout
