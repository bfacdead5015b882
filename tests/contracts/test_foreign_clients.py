"""One contract, other languages: generated Erlang, Clojure and TypeScript, compiled and run against a mounted class."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from generated import EXTENDED, OTHER, SHOP
from running_service import Service
from test_mount import IMPLEMENTATIONS, SHAPES, Dialect, generate

from bascule.bridge.cli.main import main

ROOT = Path(__file__).resolve().parent.parent.parent
JARS = Path("/usr/share/java")
NEEDED = ("clojure", "spec.alpha", "core.specs.alpha", "nrepl", "cheshire", "tigris")
NEEDED_BY_CHESHIRE = ("jackson-core", "jackson-dataformat-cbor", "jackson-dataformat-smile")

ERLANG = """
    {ok, _} = application:ensure_all_started(py),
    #{id := 7, title := <<"Zo", _/binary>>, price := 9.5, binding := hard_cover, note := undefined, sold := true,
      lines := [#{article := <<"ink">>, count := 3}], printed := <<"2024-02-29T00:00:00">>} = shop_client:find_book(7),
    undefined = shop_client:find_book(-1),
    [#{id := 1}, #{id := 2}] = shop_client:all_books(undefined),
    wrong = try shop_client:find_book(<<"x">>) catch error:{py_error, #{kind := bad_arguments}} -> wrong end,
    io:format("OK~n"), init:stop().
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The implementations, and every client."""
    folder = tmp_path_factory.mktemp("foreign")
    generate(folder, {"Shop": SHOP, "Plus": EXTENDED, "Other": OTHER}, package="made")
    generate(folder, {"Shapes": SHAPES}, package="classic", dialect=Dialect.CLASSIC)
    generate(folder, {"Shapes": SHAPES}, package="other_way")
    (folder / "implementations.py").write_text(IMPLEMENTATIONS)
    (folder / "definitions").mkdir()
    for name, text in (("Shop", SHOP), ("Plus", EXTENDED), ("Other", OTHER)):
        (folder / "definitions" / f"{name}.pg").write_text(text)
    for target in ("erlang", "clojure", "typescript"):
        words = ["-i", str(folder / "definitions"), "-o", str(folder / target), "-t", target]
        assert main(["contract", "generate", *words]) == 0
    return folder


@pytest.fixture
def service(folder: Path, nothing_left: None, runtime_folder: Path) -> Iterator[Service]:
    config = folder / "service.toml"
    config.write_text(f'[pools.default]\nsize = 1\npaths = ["{folder}"]\n[mount]\nshop = "implementations:Shop"\n')
    service = Service(runtime_folder, "--config", str(config))
    yield service
    service.stop()


@pytest.mark.usefixtures("runtime_folder", "nothing_left")
def test_an_erlang_client_calls_a_mounted_class(folder: Path, needs: Callable[..., None]) -> None:
    needs("erl", "erlc")
    ebin = folder / "ebin"
    ebin.mkdir(exist_ok=True)
    application = ROOT / "deploy" / "erlang" / "py"
    sources = [*sorted(application.glob("src/*.erl")), *sorted((folder / "erlang").glob("*.erl"))]
    compiled = subprocess.run(
        ["erlc", "-Werror", "-o", str(ebin), *map(str, sources)], capture_output=True, text=True, check=False
    )
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    shutil.copy(application / "src" / "py.app.src", ebin / "py.app")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder)}
    environment.pop("BASCULE", None)
    settings = ["-py", "path", f'["{folder}"]', "-py", "arguments", '["--mount","implementations:Shop"]']
    told = subprocess.run(
        ["erl", "-noshell", "-noinput", "-pa", str(ebin), *settings, "-eval", ERLANG],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert told.stdout.endswith("OK\n"), told.stdout + told.stderr


def test_a_clojure_client_calls_a_mounted_class(service: Service, folder: Path, needs: Callable[..., None]) -> None:
    needs("java", "clojure")
    jars = [JARS / f"{name}.jar" for name in NEEDED + NEEDED_BY_CHESHIRE]
    assert all(jar.exists() for jar in jars), "apt-get install clojure libnrepl-clojure libcheshire-clojure"
    client = [str(Path(__file__).with_name("contract_client.clj")), str(folder / "clojure" / "shop_client.clj")]
    pod = [sys.executable, "-m", "bascule", "pod", "--attach", str(service.socket), "shop"]
    told = subprocess.run(
        ["java", "-cp", ":".join(map(str, jars)), "clojure.main", *client, *pod],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (told.stdout, told.returncode) == ("OK\n", 0), told.stdout + told.stderr
