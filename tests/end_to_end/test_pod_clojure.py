"""A pod driven from Clojure on the JVM, by code that shares nothing with ours: Debian's clojure, nrepl and cheshire."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_pod import folder

__all__ = ["folder"]  # the fixture with the modules

CLIENT = Path(__file__).with_name("pod_client.clj")
JARS = "/usr/share/java"
NEEDED = ("clojure.jar", "spec.alpha.jar", "core.specs.alpha.jar", "nrepl.jar", "cheshire.jar", "tigris.jar")
NEEDED_BY_CHESHIRE = ("jackson-core.jar", "jackson-dataformat-cbor.jar", "jackson-dataformat-smile.jar")


@pytest.fixture
def class_path(needs: Callable[..., None]) -> str:
    needs("java", "clojure")
    jars = [Path(JARS, name) for name in NEEDED + NEEDED_BY_CHESHIRE]
    missing = [str(jar) for jar in jars if not jar.exists()]
    assert not missing, "apt-get install clojure libnrepl-clojure libcheshire-clojure"
    return ":".join([str(jar) for jar in jars])


def run(class_path: str, program: Path, folder: Path, *arguments: str, options: tuple[str, ...] = ()) -> None:
    told = subprocess.run(
        ["java", "-cp", class_path, *options, "clojure.main", str(program), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        check=False,
    )
    assert (told.stdout, told.returncode) == ("OK\n", 0), told.stdout + told.stderr


@pytest.mark.usefixtures("nothing_left")
def test_a_clojure_program_uses_a_module_from_many_threads(class_path: str, folder: Path) -> None:
    run(class_path, CLIENT, folder, sys.executable, "-m", "bascule", "pod", "my_mod")


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("payload", ["json", "edn"])
def test_what_a_pod_has_its_client_evaluate_works_in_clojure(class_path: str, folder: Path, payload: str) -> None:
    checks = CLIENT.with_name("pod_code_checks.clj")
    command = (sys.executable, "-m", "bascule", "pod", "--format", payload, "my_mod")
    run(class_path, CLIENT.with_name("pod_code.clj"), folder, payload, *command, options=(f"-Dchecks=file={checks}",))
