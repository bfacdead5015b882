"""Every type of contracts through every door: a mounted class gives back what it is given.

Whoever asks, in whatever language and format, gets the value that he sent: the generated Python clients over the
socket and over HTTP, anybody through a pod in each of its formats, and the generated clients of Erlang, Clojure and
TypeScript.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from foreign_values import ABSENT, VALUES
from generated import generate, importing
from matrix import DEFINITIONS, ECHO, RATIO, ROWS, ratio_of, ratio_to
from mounted import serving_http, short_folder
from pod_client import PodClient
from test_foreign_clients import JARS, NEEDED, NEEDED_BY_CHESHIRE, PATIENCE, ROOT, run_typescript, tsc

import bascule
from bascule.bridge.cli.main import main
from bascule.bridge.contracts.live.over_http import open_http_client
from bascule.bridge.contracts.live.transports import open_client
from bascule.bridge.contracts.names import snake

__all__ = ["tsc"]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = generate(tmp_path_factory.mktemp("everywhere"), DEFINITIONS, package="echoed")
    shutil.copy(Path(__file__).with_name("matrix.py"), folder)
    (folder / "implementations.py").write_text(ECHO)
    (folder / "definitions").mkdir()
    for name, text in DEFINITIONS.items():
        (folder / "definitions" / f"{name}.pg").write_text(text)
    for target in ("erlang", "clojure", "typescript"):
        words = ["-i", str(folder / "definitions"), "-o", str(folder / target), "-t", target]
        assert main(["contract", "generate", *words]) == 0
    return folder


@pytest.fixture(scope="module")
def made(folder: Path) -> Iterator[SimpleNamespace]:
    for kinds, other, wire in importing(folder, "echoed.kinds", "echoed.other", "echoed.rt.wire"):
        wire.register_converter(RATIO, ratio_to, ratio_of)
        yield SimpleNamespace(kinds=kinds, other=other, wire=wire, just=wire.Just)


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[SimpleNamespace]:
    """One service for all of this: where its socket is, and its HTTP door."""
    with short_folder() as runtime_folder, pytest.MonkeyPatch.context() as patch:
        for base, token in serving_http(folder, runtime_folder, {"kinds": "implementations:Echo"}):
            socket = runtime_folder / "b.sock"
            patch.setenv("BASCULE_SOCKET", str(socket))
            yield SimpleNamespace(socket=socket, base=base, token=token)


def call_all(client: Any, made: SimpleNamespace) -> None:
    kinds = made.kinds
    for row in ROWS:
        echo, single = getattr(client, f"echo_{snake(row.name)}"), getattr(kinds, row.name)
        for value, _ in row.pairs(made):
            assert echo(single(value)) == single(value)
    assert client.nothing(None) is None
    assert list(client.units([None, None])) == [None, None]
    colors = made.other.Color
    assert client.names({-7: colors.RED}) == {colors.RED: {-7, 10**30}}
    for problem in (
        kinds.Problem("x", None, kinds.ShapeNowhere()),
        kinds.Problem("y", made.just(None), kinds.ShapeCircle(1.0, None, {"a"})),
        kinds.Problem("z", made.just(1 << 40), kinds.ShapeTagged("n", colors.RED)),
    ):
        with pytest.raises(made.wire.Raised) as caught:
            client.fail(problem)
        assert caught.value.raised == problem
    with pytest.raises(made.wire.Raised) as caught:
        client.fail(kinds.Problem("point", None, kinds.ShapeNowhere()))
    assert caught.value.raised == made.other.Point(1, 2)
    shapes = [kinds.ShapeNowhere(), kinds.ShapeCircle(1.0, made.other.Point(1, 2), set())]
    seen = []
    with pytest.raises(made.wire.Raised) as caught:
        seen.extend(client.stream(shapes))
    assert (seen, caught.value.raised.what) == (shapes, "the end")


def test_python_calls_over_the_socket(served: SimpleNamespace, made: SimpleNamespace) -> None:
    with bascule.connect(served.socket) as connection:
        call_all(open_client(made.kinds.KindsModule, connection), made)


def test_python_calls_over_http(served: SimpleNamespace, made: SimpleNamespace) -> None:
    headers = {"authorization": f"Bearer {served.token}"}
    call_all(open_http_client(made.kinds.KindsModule, served.base, headers), made)


def test_anybody_calls_through_a_pod_of_the_service(served: SimpleNamespace, made: SimpleNamespace) -> None:
    with PodClient("--attach", str(served.socket), "kinds") as pod:
        invoke_all(pod, made)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("payload", ["edn", "transit+json"])
def test_anybody_calls_in_other_formats(payload: str, folder: Path, made: SimpleNamespace) -> None:
    with PodClient("--path", str(folder), "--mount", "implementations:Echo", "kinds", payload=payload) as pod:
        invoke_all(pod, made)


def invoke_all(pod: PodClient, made: SimpleNamespace) -> None:
    for row in ROWS:
        for _, plain in row.pairs(made):
            assert pod.invoke(f"kinds/echo-{kebab(row.name)}", {"it": plain}) == {"it": plain}
    assert pod.invoke("kinds/nothing", {}) == {}


ERLANG = """\
-module(everywhere).
-export([all/0]).

all() ->
    {ok, _} = application:ensure_all_started(py),
    VALUES
    undefined = kinds_client:nothing(undefined),
    [undefined, undefined] = kinds_client:units([undefined, undefined], fun(Each, Acc) -> [Each | Acc] end, []),
    #{red := [-7, 1000000000000000000000000000000]} = kinds_client:names(#{-7 => red}),
    Problem = #{what => <<"x">>, at => {just, undefined}, shape => nowhere},
    {problem, Problem} = try kinds_client:fail(Problem) catch error:Known -> Known end,
    {other_point, #{x := 1, y := 2}} = try kinds_client:fail(Problem#{what := <<"point">>}) catch error:P -> P end,
    {problem, #{what := <<"the end">>}} =
        try kinds_client:stream([nowhere], fun(nowhere, Acc) -> Acc end, none) catch error:End -> End end,
    io:format("OK~n").

same(Name, Echo, Given, Wanted) ->
    case kinds_client:Echo(Given) of
        Wanted -> ok;
        Other -> io:format("~s: wanted ~p, got ~p~n", [Name, Wanted, Other]), halt(1)
    end.
"""


@pytest.mark.usefixtures("nothing_left", "runtime_folder")
def test_erlang_calls_with_every_type(folder: Path, needs: Callable[..., None]) -> None:
    needs("erl", "erlc")
    rows = [(name, value[0], value[0]) for name, value in VALUES.items()]
    calls = [f'same("{name}", echo_{snake(name)}, #{{it => {a}}}, #{{it => {b}}}),' for name, a, b in rows]
    calls += [f'same("{name}", echo_{snake(name)}, #{{}}, #{{it => {each[0]}}}),' for name, each in ABSENT.items()]
    ebin = folder / "ebin"
    ebin.mkdir()
    source = folder / "everywhere.erl"
    source.write_text(ERLANG.replace("VALUES", "\n    ".join(calls)))
    application = ROOT / "deploy" / "erlang" / "py"
    sources = [*sorted(application.glob("src/*.erl")), *sorted((folder / "erlang").glob("*.erl")), source]
    run = {"capture_output": True, "text": True, "check": False, "timeout": PATIENCE}
    compiled = subprocess.run(["erlc", "-Werror", "-o", str(ebin), *map(str, sources)], **run)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    shutil.copy(application / "src" / "py.app.src", ebin / "py.app")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder)}
    environment.pop("BASCULE", None)
    settings = ["-py", "path", f'["{folder}"]', "-py", "arguments", '["--mount","implementations:Echo"]']
    command = ["erl", "-noshell", "-noinput", "-pa", str(ebin), *settings, "-eval", "everywhere:all(), init:stop()."]
    told = subprocess.run(command, env=environment, **run)
    assert told.stdout.endswith("OK\n"), told.stdout + told.stderr


CLOJURE = """
(defn plain [value]
  (cond (bytes? value) (vec value)
        (map? value) (into {} (map (fn [[key each]] [key (plain each)])) value)
        :else value))

(defmacro same [name echo given wanted]
  `(let [got# (~echo ~given)]
     (when-not (= (plain ~wanted) (plain got#))
       (println ~name "wanted" (pr-str ~wanted) "got" (pr-str got#))
       (System/exit 1))))
VALUES
(same "nothing" kinds-client/nothing nil nil)
(same "names" kinds-client/names {-7 :red} {:red #{-7 1000000000000000000000000000000N}})
(defn declared-by [problem]
  (try (kinds-client/fail problem) (catch clojure.lang.ExceptionInfo told (ex-data told))))
(def problem {:what "x" :at {:just nil} :shape :nowhere})
(same "declared" declared-by problem {:type :kinds/problem :value problem})
(same "another" declared-by (assoc problem :what "point") {:type :other/point :value {:x 1 :y 2}})
(println "OK")
(System/exit 0)
"""


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("payload", ["json", "edn"])
def test_clojure_calls_with_every_type(payload: str, folder: Path, needs: Callable[..., None]) -> None:
    needs("java", "clojure")
    jars = [JARS / f"{name}.jar" for name in NEEDED + NEEDED_BY_CHESHIRE]
    calls = [
        f'(same "{name}" kinds-client/echo-{kebab(name)} {{:it {value[1]}}} {{:it {value[1]}}})'
        for name, value in VALUES.items()
    ]
    calls += [
        f'(same "{name}" kinds-client/echo-{kebab(name)} {{}} {{:it {value[1]}}})' for name, value in ABSENT.items()
    ]
    pod = Path(__file__).with_name("contract_client.clj").read_text().partition("(doseq [client [")[0]
    if payload == "edn":
        pod = pod.replace("(json/generate-string args)", "(pr-str (vec args))")
        pod = re.sub(r"\(json/parse-string-strict (.*) true\)", r"(clojure.edn/read-string \1)", pod)
    source = folder / f"everywhere_{payload}.clj"
    loaded = '(load-file (str clients "/kinds_client.clj"))\n'
    source.write_text(pod + loaded + CLOJURE.replace("VALUES", "\n".join(calls)))
    command = [sys.executable, "-m", "bascule", "pod", "--format", payload, "--path", str(folder)]
    command += ["--mount", "implementations:Echo", "kinds"]
    told = subprocess.run(
        ["java", "-cp", ":".join(map(str, jars)), "clojure.main", str(source), str(folder / "clojure"), *command],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (told.stdout, told.returncode) == ("OK\n", 0), told.stdout + told.stderr


def kebab(name: str) -> str:
    return snake(name).replace("_", "-")


TYPESCRIPT = """
import { KindsClient, ProblemRaised, type Problem } from "./kinds.js";
import { PointRaised } from "./other.js";
import { read, write } from "./transport.js";

const [base, token] = process.argv.slice(2) as [string, string];
const kinds = new KindsClient(base, { headers: { authorization: `Bearer ${token}` } });

function sorted(value: unknown): unknown {
  if (Array.isArray(value) || value === null || typeof value !== "object") {
    return Array.isArray(value) ? value.map(sorted) : value;
  }
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, each]) => [key, sorted(each)]);
}

function shown(value: unknown): string {
  return JSON.stringify(sorted(value), (_, each: unknown) => (typeof each === "bigint" ? `${each}n` : each));
}

function same(name: string, got: unknown, wanted: unknown): void {
  if (shown(got) !== shown(wanted)) {
    throw new Error(`${name}: wanted ${shown(wanted)}, got ${shown(got)}`);
  }
}

VALUES
same("nothing", await kinds.nothing({}), {});
const problem: Problem = { what: "x", at: { just: null }, shape: { TAGGED: {} } };
const failed = async (given: Problem): Promise<unknown> => kinds.fail(given).then(() => null, (each: unknown) => each);
const told = await failed(problem);
const full = { ...problem, shape: { TAGGED: { name: "none", color: "DARK_GREEN" } } };
same("declared", told instanceof ProblemRaised ? told.value : told, full);
const point = await failed({ ...problem, what: "point" });
same("another", point instanceof PointRaised ? point.value : point, { x: 1, y: 2 });
const texts = ["9007199254740993", "\\\\", '"', '\\\\" 9007199254740993', "bigint 1", "\\u2028data: 1"];
texts.push("x".repeat(9_000_000));
const numbers = [9007199254740993n, -(2n ** 64n), 2 ** 53 - 1, 0.12345678901234567, 1e25, -0.5];
const odd = { texts, "12345678901234567": numbers };
same("odd", read(write(odd)), odd);
same("what is written", write([9007199254740993n, "9007199254740993"]), '[9007199254740993,"9007199254740993"]');
(BigInt.prototype as unknown as { toJSON: () => string }).toJSON = () => "as a text";
same("with a toJSON", write([9007199254740993n]), "[9007199254740993]");
console.log("OK");
"""
SAFE = 1 << 53


def in_typescript(plain: Any) -> str:
    """A value as a program has it: what a number would round is a bigint."""
    if isinstance(plain, list):
        return f"[{', '.join(map(in_typescript, plain))}]"
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {in_typescript(each)}" for key, each in plain.items()) + "}"
    return f"{plain}n" if type(plain) is int and abs(plain) >= SAFE else json.dumps(plain)


def test_typescript_calls_with_every_type(
    served: SimpleNamespace, made: SimpleNamespace, folder: Path, tsc: Path
) -> None:
    sources = folder / "typescript"
    calls = []
    for row in ROWS:
        for _, plain in row.pairs(made):
            given = in_typescript({"it": plain})
            calls.append(f'same("{row.name}", await kinds.echo{row.name}({given}), {given});')
    (sources / "everywhere.ts").write_text(TYPESCRIPT.replace("VALUES", "\n".join(calls)))
    run_typescript(tsc, sources, "everywhere", served.base, served.token)
