"""One contract, other languages: generated Erlang, Clojure and TypeScript, compiled and run against a mounted class."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from generated import EXTENDED, OTHER, SHOP, importing
from running_service import READY_WITHIN, Service
from test_mount import IMPLEMENTATIONS, SHAPES, Dialect, generate

from bascule.bridge.cli.main import main
from bascule.bridge.contracts.live.over_http import HttpCallFailed, HttpTransport
from bascule.workers.contracts.codecs import ValueDecoder, ValueEncoder

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
    for name, text in (("Shop", SHOP), ("Plus", EXTENDED), ("Other", OTHER), ("Shapes", SHAPES)):
        (folder / "definitions" / f"{name}.pg").write_text(text)
    for target in ("erlang", "clojure", "typescript"):
        words = ["-i", str(folder / "definitions"), "-o", str(folder / target), "-t", target]
        assert main(["contract", "generate", *words]) == 0
    return folder


@pytest.fixture
def web(folder: Path, nothing_left: None, runtime_folder: Path) -> Iterator[tuple[str, str]]:
    """Where a service with an HTTP door is, and the token for it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_urlsafe(32)
    tokens = folder / "tokens"
    tokens.write_text(f"{token}\n")
    tokens.chmod(0o600)
    config = folder / "web.toml"
    config.write_text(
        f'[pools.default]\nsize = 1\npaths = ["{folder}"]\n[mount]\nshop = "implementations:Shop"\n'
        f'meta = "implementations:Meta"\n[http]\nlisten = "127.0.0.1:{port}"\ntoken_file = "{tokens}"\n'
        'allow = ["shop:*", "meta:*", "nowhere:*", "math:*"]\n'
    )
    service = Service(runtime_folder, "--config", str(config))
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:  # the HTTP door opens after the socket
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}", token
    service.stop()


@pytest.fixture
def service(folder: Path, nothing_left: None, runtime_folder: Path) -> Iterator[Service]:
    config = folder / "service.toml"
    config.write_text(f'[pools.default]\nsize = 1\npaths = ["{folder}"]\n[mount]\nshop = "implementations:Shop"\n')
    service = Service(runtime_folder, "--config", str(config))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def tsc(needs: Callable[..., None]) -> Path:
    """TypeScript's compiler, which `make` has installed beside our own environment."""
    found = ROOT / ".venv" / "node" / "node_modules" / ".bin" / "tsc"
    needs("node", str(found) if not found.exists() else "node")
    return found


def test_a_typescript_client_calls_a_mounted_class(web: tuple[str, str], folder: Path, tsc: Path) -> None:
    sources = folder / "typescript"
    shutil.copy(Path(__file__).with_name("client.ts"), sources / "client.ts")
    (sources / "package.json").write_text('{"type": "module"}')
    options = ["--strict", "--noUncheckedIndexedAccess", "--module", "nodenext", "--target", "es2022"]
    options += ["--typeRoots", str(tsc.parent.parent / "@types"), "--types", "node", "--outDir", str(sources / "out")]
    files = [str(path) for path in sorted(sources.glob("*.ts"))]
    compiled = subprocess.run([str(tsc), *options, *files], capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout
    shutil.copy(sources / "package.json", sources / "out" / "package.json")
    told = subprocess.run(
        ["node", str(sources / "out" / "client.js"), *web], capture_output=True, text=True, timeout=60, check=False
    )
    assert told.stdout == "OK\n", told.stdout + told.stderr


def test_python_clients_call_a_mounted_class_over_http(web: tuple[str, str], folder: Path) -> None:
    base, token = web
    headers = {"authorization": f"Bearer {token}"}
    for shop, shapes in importing(folder, "made.shop", "classic.shapes"):
        targets = shop_targets()
        transport = HttpTransport(base, headers)
        client = shop.ShopModule.from_transport(transport, ValueEncoder(targets), ValueDecoder(targets))
        assert client.find_book(7).binding == shop.Binding.HARD_COVER
        with pytest.raises(HttpCallFailed, match="expected Int32") as wrong:
            transport.send(SimpleNamespace(namespace=["shop"], name="find_book"), str, str, "x")
        assert wrong.value.status == 400
        both = HttpTransport(base, headers, meta=True)
        named = shapes.ShapesModule.from_transport(_Renamed(both, ["meta"]), ValueEncoder(), ValueDecoder())
        meta, result = named.add_up(({"trace": "abc"}, shapes.Pair(2, 3)))
        assert (meta["said"], result) == ("abc", 8)
        for namespace in ("nowhere", "math"):  # not there, and there but not mounted
            unknown = shapes.ShapesModule.from_transport(
                _Renamed(transport, [namespace]), ValueEncoder(), ValueDecoder()
            )
            with pytest.raises(HttpCallFailed) as missing:
                unknown.add_up(shapes.Pair(2, 3))
            assert missing.value.status == 404


def shop_targets() -> dict[str, str]:
    return {f"{way}code_shop_time": "datetime.datetime" for way in ("en", "de")}


class _Renamed:
    """A transport that calls what is mounted under another name."""

    def __init__(self, transport: Any, namespace: list[str]) -> None:
        self._transport = transport
        self._namespace = namespace

    def send(self, name: Any, encoder: Any, decoder: Any, fa: Any) -> Any:
        return self._transport.send(type(name)(self._namespace, name.name), encoder, decoder, fa)


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
