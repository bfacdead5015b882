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


@pytest.mark.usefixtures("nothing_left")
def test_a_clojure_program_uses_a_module_from_many_threads(needs: Callable[..., None], folder: Path) -> None:
    needs("java", "clojure")
    jars = [Path(JARS, name) for name in NEEDED + NEEDED_BY_CHESHIRE]
    missing = [str(jar) for jar in jars if not jar.exists()]
    assert not missing, "apt-get install clojure libnrepl-clojure libcheshire-clojure"
    class_path = ":".join([str(jar) for jar in jars])
    told = subprocess.run(
        ["java", "-cp", class_path, "clojure.main", str(CLIENT), sys.executable, "-m", "bascule", "pod", "my_mod"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        check=False,
    )
    assert (told.stdout, told.returncode) == ("OK\n", 0), told.stdout + told.stderr
