"""One contract, other languages: generated Erlang, Clojure and TypeScript, compiled and run against a mounted class."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from generated import EXTENDED, OTHER, SHOP, Dialect, generate
from mounted import IMPLEMENTATIONS, SHAPES, serving_http
from running_service import Service

from bascule.bridge.cli.main import main

ROOT = Path(__file__).resolve().parent.parent.parent
JARS = Path("/usr/share/java")
NEEDED = ("clojure", "spec.alpha", "core.specs.alpha", "nrepl", "cheshire", "tigris")
NEEDED_BY_CHESHIRE = ("jackson-core", "jackson-dataformat-cbor", "jackson-dataformat-smile")

PATIENCE = 200  # seconds that a foreign program has, however slow the machine
pytestmark = pytest.mark.timeout(300)

# A client that the mounted class can't live with, and one with a member that it never sends.
CHANGED = SHOP.replace("price   :: Double", "price   :: String")
WIDER = SHOP.replace("Paperback |", "Paperback | Loose |")

ERLANG = """
    {ok, _} = application:ensure_all_started(py),
    #{id := 7, title := <<"Zo", _/binary>>, price := 9.5, binding := hard_cover, note := undefined, sold := true,
      lines := [#{article := <<"ink">>, count := 3}], printed := <<"2024-02-29T00:00:00">>} = shop_client:find_book(7),
    undefined = shop_client:find_book(-1),
    [#{id := 1}, #{id := 2}] = shop_client:all_books(undefined),
    wrong = try shop_client:find_book(<<"x">>) catch error:{py_error, #{kind := bad_arguments}} -> wrong end,
    [{circle, #{radius := 2.0}}, {circle, #{radius := 1.0}}, {circle, #{radius := 0.0}}] =
        plus_client:watch(3, fun(Each, Before) -> [Each | Before] end, []),
    [<<"find_book: result.price: it was Double and is String", _/binary>> | _] =
        try changed_shop_client:find_book(7) catch error:{contract_mismatch, Breaking} -> Breaking end,
    #{id := 7} = wider_shop_client:find_book(7),
    1 = plus_client:look(<<"here">>),
    {missing, #{what := <<"there">>}} = try plus_client:look(<<"there">>) catch error:Declared -> Declared end,
    {missing, #{what := <<"a count">>}} =
        try plus_client:watch(-1, fun(Each, _) -> Each end, none) catch error:InStream -> InStream end,
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
        for package, changed in (("changed", CHANGED), ("wider", WIDER)):
            (folder / package).mkdir(exist_ok=True)
            (folder / package / "Shop.pg").write_text(changed)
            words = ["-i", str(folder / package), "-o", str(folder / target), "-t", target, "-p", package]
            assert main(["contract", "generate", *words]) == 0
    return folder


@pytest.fixture
def web(folder: Path, nothing_left: None, runtime_folder: Path) -> Iterator[tuple[str, str]]:
    """Where a service with an HTTP door is, and the token for it."""
    yield from serving_http(folder, runtime_folder)


@pytest.fixture
def service(folder: Path, nothing_left: None, runtime_folder: Path) -> Iterator[Service]:
    config = folder / "service.toml"
    config.write_text(
        f'[pools.default]\nsize = 1\npaths = ["{folder}"]\n[mount]\nshop = "implementations:Shop"\n'
        'plus = "implementations:Plus"\n'
    )
    service = Service(runtime_folder, "--config", str(config))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def tsc(needs: Callable[..., None]) -> Path:
    """TypeScript's compiler, which `make` has installed beside our own environment."""
    found = ROOT / ".venv" / "node" / "node_modules" / ".bin" / "tsc"
    needs("node", str(found) if not found.exists() else "node")
    return found


def run_typescript(tsc: Path, sources: Path, program: str, *arguments: str) -> None:
    """Compile all modules of a folder, strictly, and have one of them say that all is well."""
    (sources / "package.json").write_text('{"type": "module"}')
    options = ["--strict", "--noUncheckedIndexedAccess", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
    options += ["--typeRoots", str(tsc.parent.parent / "@types"), "--types", "node", "--outDir", str(sources / "out")]
    files = [str(path) for path in sorted(sources.rglob("*.ts"))]
    compiled = subprocess.run([str(tsc), *options, *files], capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout
    shutil.copy(sources / "package.json", sources / "out" / "package.json")
    command = ["node", str(sources / "out" / f"{program}.js"), *arguments]
    told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert told.stdout == "OK\n", told.stdout + told.stderr


def test_a_typescript_client_calls_a_mounted_class(web: tuple[str, str], folder: Path, tsc: Path) -> None:
    sources = folder / "typescript"
    shutil.copy(Path(__file__).with_name("client.ts"), sources / "client.ts")
    run_typescript(tsc, sources, "client", *web)


IN_THE_WAY = """\
{-# EXTENDED #-}
module Error where
import Transport

data Record = Record { readonly :: Map String Unit, array :: List Promise }
data Readonly = Readonly { value :: Set Other, big :: Int64 }
data Promise = Promise { next :: Maybe AsyncGenerator }
data AsyncGenerator = AsyncGenerator { it :: Bool }
data ReadonlyArray = First | Second
data Error = Error { what :: Integer }
data Connection = Connection { options :: Options }
data Options = Options { whole :: Whole }
data Whole = Whole { number :: Duration }
data Transport = Transport { other :: Other }
data ErrorClient = One | Two
await :: Record -> IO (Stream Promise) raises Error, Problem
new :: Connection -> IO ReadonlyArray raises Transport_ProblemRaised
data Transport_ProblemRaised = Transport_ProblemRaised { why :: String }
"""
NAMED_TRANSPORT = """\
{-# EXTENDED #-}
module Transport where
data Other = Here | There
data Problem = Problem { key :: Int64 }
"""


def test_definitions_may_have_typescripts_own_names(tmp_path: Path, tsc: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "Error.pg").write_text(IN_THE_WAY)
    (tmp_path / "in" / "Transport.pg").write_text(NAMED_TRANSPORT)
    assert (
        main(["contract", "generate", "-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-t", "typescript"]) == 0
    )
    (tmp_path / "out" / "program.ts").write_text(
        'import { ErrorClient_, type Record } from "./error.js";\n'
        "const given: Record = { readonly: { a: {} }, array: [{ next: { it: true } }] };\n"
        'console.log(new ErrorClient_("http://127.0.0.1").connection && given ? "OK" : "");\n'
    )
    run_typescript(tsc, tmp_path / "out", "program")


PREDEFINED = """\
{-# EXTENDED #-}
module String where
import Other
data Map = Map { end :: Int32, receive :: List Atom, k :: Maybe Binary, color :: Color }
data Atom = End | Undefined | True | Nil
data Binary = Binary { just :: Maybe (Maybe Int32) }
data Integer = Case { of :: Int32 } | Receive
data OtherColor = Odd | Even
data GetError = GetError { term :: OtherColor }
end :: Map -> IO Atom
receive :: Binary -> IO (Stream Integer) raises Binary
get :: Map -> IO Map raises GetError
"""


def test_definitions_may_have_erlangs_own_names(tmp_path: Path, needs: Callable[..., None]) -> None:
    needs("erlc")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "String.pg").write_text(PREDEFINED)
    (tmp_path / "in" / "Other.pg").write_text(OTHER)
    assert main(["contract", "generate", "-i", str(tmp_path / "in"), "-o", str(tmp_path), "-t", "erlang"]) == 0
    command = ["erlc", "-Werror", "-o", str(tmp_path), *map(str, tmp_path.glob("*.erl"))]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr


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
    settings = [
        "-py",
        "path",
        f'["{folder}"]',
        "-py",
        "arguments",
        '["--mount","implementations:Shop","--mount","implementations:Plus"]',
    ]
    told = subprocess.run(
        ["erl", "-noshell", "-noinput", "-pa", str(ebin), *settings, "-eval", ERLANG],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert told.stdout.endswith("OK\n"), told.stdout + told.stderr


def test_a_clojure_client_calls_a_mounted_class(service: Service, folder: Path, needs: Callable[..., None]) -> None:
    needs("java", "clojure")
    jars = [JARS / f"{name}.jar" for name in NEEDED + NEEDED_BY_CHESHIRE]
    assert all(jar.exists() for jar in jars), "apt-get install clojure libnrepl-clojure libcheshire-clojure"
    client = [str(Path(__file__).with_name("contract_client.clj")), str(folder / "clojure")]
    pod = [sys.executable, "-m", "bascule", "pod", "--attach", str(service.socket), "shop", "plus"]
    told = subprocess.run(
        ["java", "-cp", ":".join(map(str, jars)), "clojure.main", *client, *pod],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (told.stdout, told.returncode) == ("OK\n", 0), told.stdout + told.stderr
