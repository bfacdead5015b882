"""What a pod is told: its options, and the same in `bascule.toml`.

    [pod]
    modules = ["my_mod", "other=my.other", "./tool.py=my.tool"]
    format = "edn"
    exclude = ["test_*"]

The file is the one that `--config` names, or `bascule.toml` in the current folder. What the command line says comes
first; modules on the command line replace those of the file. Paths in the file are relative to it. Its `[cache]`
tables say which functions' answers a pod with workers of its own keeps.
"""

from __future__ import annotations

import os

from bascule.bridge.cli.stdio import RECORD_OPTION, WORKER_OPTIONS, folders
from bascule.bridge.cli.table import Option
from bascule.bridge.doors.pod_options import PodOptions
from bascule.bridge.doors.pod_vars import kebab

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

LONGEST_NAME = 500
FILE = "bascule.toml"


class Install:
    """The name and version under which a pod is installed."""

    __slots__ = ("name", "version")

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:
        raise ValueError(f"{text} is not between 0 and 86400 seconds")
    return seconds


FORMATS = ("json", "edn", "transit+json")
NAMES = ("clojure", "python")

OPTIONS = (
    *WORKER_OPTIONS,
    Option("--format", "FORMAT", "of payloads: json (the default), edn, transit+json", default="json", choices=FORMATS),
    Option("--names", "STYLE", "clojure: do-it (the default); python: do_it", default="clojure", choices=NAMES),
    Option("--include", "PATTERN", "export only names that fit, get_* or my_mod.get_*, may be repeated", many=True),
    Option("--exclude", "PATTERN", "don't export names that fit, may be repeated", many=True),
    Option("--imports", None, "export what the modules imported from elsewhere too"),
    Option("--private", None, "export names with a leading underscore too"),
    Option("--eager", None, "import installed packages at once too, not when their namespace is required"),
    Option("--defer", None, "import a module only when the client requires its namespace"),
    Option("--strict", None, "end when a module can't be imported, don't just warn"),
    Option("--import-timeout", "SECONDS", "for one import (default: 60)", default=60.0, read=_seconds),
    Option(
        "--py-namespace",
        "NAME",
        "another name for the namespace `py`, where a client loads two such pods",
        default="py",
    ),
    Option(
        "--mount",
        "[NAME=]PACKAGE:Class",
        "an implementation of a contract, which the workers offer as the module NAME, or as its own namespace; "
        "export it as any module; may be repeated",
        many=True,
    ),
    Option("--config", "FILE", f"a TOML file with a section [pod] (default: {FILE}, where it is)"),
    Option("--cache", "FILE", "keep answers as the [cache] tables of this file say (default: those of --config)"),
    Option("--no-cache", None, "keep no answers, whatever the file says"),
    RECORD_OPTION,
)
"""All options that say what the pod is like; `--attach` and `--install` say what is done with it."""
_NO_SETTINGS = {"config", "cache", "no_cache", "record"}
OF_THE_SERVICE = {option.name for option in WORKER_OPTIONS} | {"mount"} | _NO_SETTINGS
"""What a pod that attaches to a service can't choose."""


def pod_options(options: Any, *, read_file: bool = True) -> PodOptions:
    """The command line and the file, checked.

    Args:
        options: By name.
        read_file: Look for a file too.

    Raises:
        ValueError: Something in it can't be; the message says what.
    """
    settings = with_file(vars(options)) if read_file else vars(options)
    python_names = settings["names"] == "python"
    exports, files, found_in = read_exports(settings["modules"], python_names=python_names)
    core = settings["py_namespace"]
    if any(namespace == core for _, namespace in exports):
        raise ValueError(f"the namespace {core!r} is taken: give --py-namespace another name")
    if settings["eager"] and settings["defer"]:
        raise ValueError("--eager and --defer are opposites: give one of them")
    return PodOptions(
        exports,
        workers=settings["workers"],
        python=settings["python"],
        paths=(*found_in, *folders(settings["path"])),
        core_namespace=_namespace(core),
        imports=settings["imports"],
        private=settings["private"],
        include=settings["include"],
        exclude=settings["exclude"],
        python_names=python_names,
        strict=settings["strict"],
        defer=True if settings["defer"] else False if settings["eager"] else None,
        import_timeout=settings["import_timeout"],
        payload_format=settings["format"],
        files=files,
        cache=None if settings["no_cache"] else settings["cache"],
        mounts=tuple(settings["mount"]),
    )


def with_file(given: dict[str, Any]) -> dict[str, Any]:
    """What was given, over what the file says, if there is one.

    Raises:
        ValueError: The file can't be read, or says something that is not allowed.
    """
    file = given.get("config") or (FILE if os.access(FILE, os.R_OK) else None)
    if file is None:
        return given
    settings = dict(given)
    section, has_cache = _read_file(file)
    if has_cache and not given["cache"] and not given["no_cache"]:
        settings["cache"] = file
    for name, value in section.items():
        option = _BY_NAME.get(name)
        if given[name] == ([] if option is None or option.many else option.default):  # the command line is silent
            settings[name] = value
    return settings


_BY_NAME = {option.name: option for option in OPTIONS if option.name not in _NO_SETTINGS}


def _read_file(file: str) -> tuple[dict[str, Any], bool]:
    """The section [pod], and whether there are [cache] tables."""
    import tomllib

    try:
        with open(file, "rb") as source:
            whole = tomllib.load(source)
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: it is no TOML: {error}") from None
    section = whole.get("pod", {})
    if not isinstance(section, dict):
        raise ValueError(f"{file}: pod: it is a section, [pod]")
    return {name: setting(file, name, value) for name, value in section.items()}, bool(whole.get("cache"))


def setting(file: str, name: str, value: Any) -> Any:
    """One setting of a file, as the command line would have given it.

    Raises:
        ValueError: There is none of that name, or it can't have that value.
    """
    where = f"{file}: pod.{name}"
    folder = os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120
    if name == "modules":
        return [_beside(folder, each) for each in _texts(where, value)]
    option = _BY_NAME.get(name)
    if option is None:
        raise ValueError(f"{where}: there is no such setting; there are: modules, {', '.join(_BY_NAME)}")
    if option.metavar is None:
        if not isinstance(value, bool):
            raise ValueError(f"{where}: true or false, not {value!r}")
        return value
    if option.many:
        texts = _texts(where, value)
        return [os.path.join(folder, each) for each in texts] if name == "path" else texts  # noqa: PTH118
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{where}: {option.metavar.lower()} is awaited, not {value!r}")
    if option.choices and value not in option.choices:
        raise ValueError(f"{where}: one of {', '.join(option.choices)}, not {value!r}")
    try:
        return option.read(str(value))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _texts(where: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{where}: a list of texts, not {value!r}")
    return value


def _beside(folder: str, module: str) -> str:
    name, equals, namespace = module.partition("=")
    return os.path.join(folder, name) + equals + namespace if _is_file(name) else module  # noqa: PTH118


def _is_file(name: str) -> bool:
    return name.endswith(".py") or os.sep in name


def read_exports(
    modules: Sequence[str], *, python_names: bool = False
) -> tuple[tuple[tuple[str, str], ...], dict[str, str], tuple[str, ...]]:
    """`my_mod`, `my_mod=my.ns`, `./my_mod.py=my.ns`: modules with namespaces, files by module, folders to import from.

    Raises:
        ValueError: No module's name, no such file, or two modules for one namespace.
    """
    exports: dict[str, str] = {}
    files: dict[str, str] = {}
    found_in: dict[str, None] = {}
    for each in modules:
        module, equals, alias = each.partition("=")
        if _is_file(module):
            folder, module, file = _module_of(module)
            files[module] = file
            found_in[folder] = None
        if len(module) > LONGEST_NAME or not all(part.isidentifier() for part in module.split(".")):
            raise ValueError(f"{module!r} is no module's name; for a file write its path: ./{module}.py")
        namespace = _namespace(alias if equals else module if python_names else kebab_path(module))
        if namespace in exports:
            raise ValueError(
                f"{exports[namespace]} and {module} would both be the namespace {namespace!r}: give one of them "
                f"another name, as in {module}=NAMESPACE"
            )
        exports[namespace] = module
    return tuple([(module, namespace) for namespace, module in exports.items()]), files, tuple(found_in)


def _module_of(path: str) -> tuple[str, str, str]:
    """The folder to import from, the module's name, in a package with the package's, and the whole path of a file."""
    file = os.path.abspath(path)  # noqa: PTH100
    if not os.access(file, os.R_OK) or os.path.isdir(file):  # noqa: PTH112
        raise ValueError(f"{path}: there is no such file")
    folder, name = os.path.split(file)
    parts = [name.removesuffix(".py")]
    while os.access(os.path.join(folder, "__init__.py"), os.R_OK):  # noqa: PTH118
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    if len(parts) > 1 and parts[-1] == "__init__":
        parts.pop()
    return folder, ".".join(parts), file


def kebab_path(module: str) -> str:
    """`my_pkg.sub_mod` as a namespace: `my-pkg.sub-mod`."""
    return ".".join([kebab(part) for part in module.split(".")])


def _namespace(name: str) -> str:
    if not name or any(char in name for char in ' \t\n"()[]{}/\\;@^`~,') or name[0] in "0123456789:#'":
        raise ValueError(f"{name!r} is no name of a Clojure namespace")
    return name
