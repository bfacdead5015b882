"""`bascule pod --install org/name VERSION MODULE...`: put a pod where clients look for registered ones.

    (babashka.pods/load-pod 'org/name "VERSION")            bb.edn: {:pods {org/name {:version "VERSION"}}}

A client keeps what it has fetched from the registry in a tree of folders, and looks there first:

    repository/org/name/VERSION/manifest.edn
    repository/org/name/VERSION/linux/x86_64/EXECUTABLE

below BABASHKA_PODS_DIR, else XDG_DATA_HOME/.babashka/pods, else ~/.babashka/pods. Laid out beforehand, nothing is
fetched. The executable is a script that starts this very Bascule, with the options that were given here; it `exec`s, so
that the pod's pid is the one that its client knows.

babashka keeps the description of a pod that stands in `bb.edn`, for as long as the version is the same: what it knows
of an earlier pod of this name and version is removed.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bascule.bridge.cli import relay
from bascule.bridge.cli.pod_settings import OF_THE_SERVICE, OPTIONS, Install, with_file
from bascule.bridge.doors.pod_vars import edn_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z][\w.-]*/[A-Za-z][\w.-]*", re.ASCII)
_PATHS = ("path", "cache")
_VERSION = re.compile(r"\w[\w.+-]*", re.ASCII)


def install_pod(install: Install, options: Any, attach: str | None = None) -> int:
    """Lay out the tree and say where; the exit status.

    Args:
        install: The name and the version.
        options: What the pod is like.
        attach: The socket of the service that it shall attach to, "" for the usual place; None: it is one of its own.

    Raises:
        ValueError: The name or the version can't be.
    """
    if not _NAME.fullmatch(install.name):
        raise ValueError(f"--install {install.name}: a pod's name is two, as in my.org/my-pod")
    if not _VERSION.fullmatch(install.version):
        raise ValueError(f"--install {install.name} {install.version}: a version has letters, digits, dots")
    system, machine = "linux", os.uname().machine
    executable = f"pod-{install.name.replace('/', '-')}"
    folder = repository(os.environ) / install.name / install.version
    script = folder / system / machine / executable
    try:
        script.parent.mkdir(parents=True, exist_ok=True)
        _replace(script, _script(options, attach), mode=0o755)
        _replace(folder / "manifest.edn", manifest(install, executable, machine), mode=0o644)
        kept = descriptions(os.environ) / install.name / install.version / system / machine / "metadata.cache"
        kept.unlink(missing_ok=True)
    except OSError as error:
        print(f"bascule pod: it can't be installed in {folder}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"installed {script}")
    print(f'(babashka.pods/load-pod \'{install.name} "{install.version}")')
    return 0


def repository(environment: Mapping[str, str]) -> Path:
    """Where a client's tree is."""
    return _tree(environment, "XDG_DATA_HOME")


def descriptions(environment: Mapping[str, str]) -> Path:
    """Where a client keeps what installed pods have described, in a tree of the same shape."""
    return _tree(environment, "XDG_CACHE_HOME")


def _tree(environment: Mapping[str, str], variable: str) -> Path:
    if named := environment.get("BABASHKA_PODS_DIR"):
        return Path(named, "repository")
    return Path(environment.get(variable) or Path.home(), ".babashka", "pods", "repository")


def manifest(install: Install, executable: str, machine: str) -> str:
    """What a client reads to find the executable. The address is where it would fetch from, if it had to."""
    return f"""{{:pod/name {install.name}
 :pod/description "Python modules, served by Bascule"
 :pod/version {edn_text(install.version)}
 :pod/license "MIT"
 :pod/language "python"
 :pod/artifacts
 [{{:os/name "Linux.*"
   :os/arch {edn_text(machine)}
   :artifact/url "file:///installed-by-bascule-pod-install.zip"
   :artifact/executable {edn_text(executable)}}}]}}
"""


def _script(options: Any, attach: str | None) -> str:
    """The command line again, with whole paths: a client may start it anywhere.

    A relay is started past everything that Python does at its start, so it is there as soon as the interpreter is.
    """
    settings = with_file(vars(options))
    command = [sys.executable, "-m", "bascule.bridge.cli.main", "pod"]
    if attach is not None:
        command = [sys.executable, "-I", "-S", os.path.realpath(relay.__file__)]
        command += [os.path.abspath(attach)] if attach else []  # noqa: PTH100
    left_out = OF_THE_SERVICE if attach is not None else {"config"}
    for option in OPTIONS:
        value = settings[option.name]
        if option.name in left_out or value == option.default or value == []:
            continue
        if option.metavar is None:
            command.append(option.flag)
            continue
        for each in value if option.many else [value]:
            command += [option.flag, os.path.abspath(each) if option.name in _PATHS else str(each)]  # noqa: PTH100
    if not settings["path"] and attach is None:
        command += ["--path", os.getcwd()]  # noqa: PTH109
    for module in settings["modules"]:
        name, equals, namespace = module.partition("=")
        whole = os.path.abspath(name) if name.endswith(".py") or os.sep in name else name  # noqa: PTH100
        command.append(whole + equals + namespace)
    return f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n'


def _replace(path: Path, text: str, *, mode: int) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(mode)
    new.replace(path)
