"""A pod driven from Clojure on the JVM, by code that shares nothing with ours: Debian's clojure, nrepl and cheshire."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_pod import folder

from bascule.protocols import edn
from tests.pages import snippets

__all__ = ["folder"]  # the fixture with the modules
pytestmark = pytest.mark.timeout(300)  # a JVM takes its time where others use the processors

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
@pytest.mark.parametrize("payload", ["json", "edn", "transit+json"])
def test_what_a_pod_has_its_client_evaluate_works_in_clojure(class_path: str, folder: Path, payload: str) -> None:
    checks = CLIENT.with_name("pod_code_checks.clj")
    command = (sys.executable, "-m", "bascule", "pod", "--format", payload, "my_mod")
    run(class_path, CLIENT.with_name("pod_code.clj"), folder, payload, *command, options=(f"-Dchecks=file={checks}",))


TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "babashka.md"


@pytest.mark.usefixtures("nothing_left")
def test_the_tutorial_for_babashka_says_what_happens(class_path: str, tmp_path: Path) -> None:
    """babashka is nowhere to be had: what its user types is typed into Clojure, which answers what the page says."""
    checks = []
    for snippet in snippets(TUTORIAL.read_text()):
        if snippet.language == "python":
            (tmp_path / "harbour.py").write_text(snippet.text)
        if snippet.language == "clojure":
            for typed, expected in re.findall(r"((?:(?!;; =>).*\n)+)(?:;; => (.*)(?:\n|$))?", snippet.text + "\n"):
                known = expected and "..." not in expected
                checks.append(f"(check '{expected} (do {typed}))" if known else typed)
    assert len(checks) >= 20
    (tmp_path / "checks.clj").write_text("\n".join(checks))
    command = (sys.executable, "-m", "bascule", "pod", "harbour", "pandas=pd")
    options = ("--names", "python", "--format", "edn", "--eager")
    program = CLIENT.with_name("pod_code.clj")
    run(class_path, program, tmp_path, "edn", *command, *options, options=(f"-Dchecks=file={tmp_path}/checks.clj",))


SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "babashka"


@pytest.mark.usefixtures("nothing_left")
def test_the_shipped_tour_runs(class_path: str, tmp_path: Path) -> None:
    lines = (SHIPPED / "tour.clj").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("(pods/load-pod"))
    arguments = re.findall(r'"([^"]*)"', lines[start])[1:]
    body = "\n".join(lines[start + 1 :])
    (tmp_path / "checks.clj").write_text(f"(binding [*out* *err*] {body})")  # what it prints is for people
    command = ("edn", sys.executable, "-m", "bascule", *arguments)
    program = CLIENT.with_name("pod_code.clj")
    run(class_path, program, tmp_path, *command, options=(f"-Dchecks=file={tmp_path}/checks.clj",))


@pytest.mark.usefixtures("nothing_left")
def test_the_shipped_program_with_sci_in_it_runs(needs: Callable[..., None], tmp_path: Path) -> None:
    """As it is shipped, in the SCI that nbb has: what a pod has its client evaluate is read by SCI itself."""
    nbb = Path(sys.prefix) / "node" / "node_modules" / ".bin" / "nbb"
    needs("node", str(nbb))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [str(nbb), "--classpath", str(CLIENT.with_name("sci")), str(SHIPPED / "sci_program.clj")]
    told = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (told.stdout, told.returncode) == ("[5 b [[a 5]] [3 2 1] ValueError]\n", 0), told.stdout + told.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_data_is_edn_with_the_keys_that_clients_read() -> None:
    manifest = edn.loads((SHIPPED / "manifest.edn").read_bytes())
    assert {"pod/name", "pod/version", "pod/artifacts"} <= set(manifest)
    for artifact in manifest["pod/artifacts"]:
        assert {"os/name", "os/arch", "artifact/url", "artifact/executable"} <= set(artifact)
    assert edn.loads((SHIPPED / "bb.edn").read_bytes())["pods"]["my.org/frames"] == {"version": "0.1.0"}
    assert "deps" in edn.loads((SHIPPED / "deps.edn").read_bytes())
