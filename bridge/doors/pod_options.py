"""What the command line of `bascule pod` said, for the door and for the assembly that spawns the workers.

No dataclass: importing dataclasses (and with it inspect) would cost a pod more than the rest of its own modules.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class PodOptions:
    """What the command line said. Not changed once made."""

    __slots__ = (
        "cache",
        "core_namespace",
        "defer",
        "exclude",
        "exports",
        "files",
        "import_timeout",
        "imports",
        "include",
        "mounts",
        "paths",
        "payload_format",
        "private",
        "python",
        "python_names",
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
        private: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        python_names: bool = False,
        strict: bool = False,
        defer: bool | None = None,
        import_timeout: float = 60.0,
        payload_format: str = "json",
        files: dict[str, str] | None = None,
        cache: str | None = None,
        mounts: tuple[str, ...] = (),
    ) -> None:
        """See `bascule pod --help`.

        Args:
            exports: (module, namespace) in the order in which they are described; the first names the pod.
            workers: How many.
            python: Their interpreter; None: this one.
            paths: Folders put on their sys.path.
            core_namespace: The name of the namespace of `pod_core`.
            imports: Export what a module imported from elsewhere too.
            private: Export names with a leading underscore too.
            include: Patterns of the names to export; none: all.
            exclude: Patterns of names not to export.
            python_names: Leave names as Python has them, instead of kebab-case.
            strict: End when a module can't be imported.
            defer: Describe modules without importing them; the client loads a namespace when it is required. None: only
                those that are installed packages.
            import_timeout: Seconds that an import may take.
            payload_format: json, edn or transit+json.
            files: module -> the file that it was named by, and must come from.
            cache: The file whose [cache] tables say which functions' answers are kept; None: none are.
            mounts: Implementations of contracts that the workers offer.
        """
        self.exports = exports
        self.workers = workers
        self.python = python
        self.paths = paths
        self.core_namespace = core_namespace
        self.imports = imports
        self.private = private
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.python_names = python_names
        self.strict = strict
        self.defer = defer
        self.import_timeout = import_timeout
        self.payload_format = payload_format
        self.files = files or {}
        self.cache = cache
        self.mounts = mounts

    def offers(self, module: str, name: str) -> bool:
        """Whether a member of a module is exported, as far as the patterns go.

        A pattern (`*`, `?`, `[...]`) is for the name, or, with a dot in it, for `module.name`, in either spelling.
        """
        if not self.include and not self.exclude:
            return True
        from fnmatch import fnmatchcase

        def fits(pattern: str) -> bool:
            spelled = f"{module}.{name}" if "." in pattern else name
            return fnmatchcase(spelled, pattern) or fnmatchcase(spelled.replace("_", "-"), pattern)

        return (not self.include or any(map(fits, self.include))) and not any(map(fits, self.exclude))
