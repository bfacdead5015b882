"""Programs written for Py.Laagu run with `deploy/compat` on PYTHONPATH: its README's, unchanged, before a client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bcoding import bdecode, bencode
from pylaagu_readme import README_JSON, README_YAML

from bascule.protocols import edn

COMPAT = Path(__file__).resolve().parents[2] / "deploy" / "compat"

# The program of Py.Laagu's README as it stands there: the sample under test, and no code of ours.
SAMPLE_PROGRAM = """\
#!/usr/bin/env python
import sys
import json
from pylaagu.babumoshai import to_pod_namespaced_format, load_namespaces, dispatch, Namespace
from bcoding import bencode, bdecode


def debug(*args):
    print(*args, file=sys.stderr)


def read():
    return dict(bdecode(sys.stdin.buffer))


def write(obj):
    sys.stdout.buffer.write(bencode(obj))
    sys.stdout.buffer.flush()


namespaces_and_files = [
    ("mlexplore/__init__.py", "mlexplore", "mlexplore"),
    ("mlexplore/hf.py", "mlexplore.hf", "mlexplore.hf"),
]


def main():
    namespaces = load_namespaces(namespaces_and_files)
    exports = [to_pod_namespaced_format(namepace.namespace, namepace.signatures)
               for namepace in namespaces.values()]
    print(namespaces)
    while True:
        try:
            msg = read()
            op = msg.get("op")
            if op == "describe":
                write({
                    "format": "json",
                    "namespaces": exports
                })
            elif op == "invoke":
                var = msg.get("var")
                id = msg.get("id")
                args = json.loads(msg.get("args"))
                value = dispatch(namespaces, var, args)
                write({"status": ["done"], "id": id, "value": json.dumps(value)})
        except EOFError:
            print("EOF")
            break


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        filename = sys.argv[1]
        namespace = sys.argv[2]
        print(to_pod_namespaced_format(filename, namespace))
        sys.exit(0)
"""

HF = '''
    import os
    import sys
    from os.path import join
    from mlexplore import BASE

    def model_info(name):
        """The files of a "model"."""
        return [".gitattributes", "README.md", name]

    def url_of(name, path):
        print("asked for", name)
        return f"{BASE}/{name}/resolve/main/{path}"

    def fails(reason):
        raise ValueError(reason)

    def leaves():
        sys.exit(3)

    def cannot_travel():
        return {1, 2}

    def no_number():
        return float("nan")

    def shouts():
        os.system("echo from a child process")
        return "shouted"

    def _private():
        return "never"
'''

NEWER_PROGRAM = """
    import json
    import sys
    from pylaagu.babumoshai import NSExportSpec, dispatch, load_as_namespaces, to_pod_export_format
    from bcoding import bdecode, bencode

    specs = [NSExportSpec("mlexplore.hf", "hf"), NSExportSpec("not_there", fail_on_error=False)]
    namespaces = load_as_namespaces(specs)
    while True:
        try:
            message = bdecode(sys.stdin.buffer)
        except EOFError:
            break
        if message["op"] == "describe":
            answer = {"format": "json", "namespaces": [to_pod_export_format(one) for one in namespaces.values()]}
        else:
            value = dispatch(namespaces, message["var"], json.loads(message["args"]))
            answer = {"id": message["id"], "status": ["done"], "value": json.dumps(value)}
        sys.stdout.buffer.write(bencode(answer))
        sys.stdout.buffer.flush()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mlexplore").mkdir()
    (tmp_path / "mlexplore" / "__init__.py").write_text('BASE = "https://huggingface.co"\n')
    (tmp_path / "mlexplore" / "hf.py").write_text(textwrap.dedent(HF))
    (tmp_path / "mlexplore" / "pod.py").write_text(SAMPLE_PROGRAM)
    (tmp_path / "newer.py").write_text(textwrap.dedent(NEWER_PROGRAM))
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "BABASHKA_POD"}
    return kept | {"PYTHONPATH": str(COMPAT)} | more


class Pod:
    """The program, and a client's side of its conversation."""

    def __init__(self, program: Path, cwd: Path, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(program)],
            cwd=cwd,
            env=environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ask(self, **message: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(bencode(message))
        self.process.stdin.flush()
        return dict(bdecode(self.process.stdout))

    def invoke(self, var: str, *args: Any) -> dict[str, Any]:
        answer = self.ask(op="invoke", id="7", var=var, args=json.dumps(list(args)))
        assert answer["id"] == "7"
        return answer

    def end(self) -> tuple[int, bytes, str]:
        """Its exit status, what it still wrote to the client, and what it said."""
        rest, said = self.process.communicate(timeout=100)
        return self.process.returncode, rest, said.decode()


@pytest.fixture(params=["true", None], ids=["said to be a pod", "between pipes"])
def pod(request: pytest.FixtureRequest, project: Path) -> Iterator[Pod]:
    variables = {"BABASHKA_POD": request.param} if request.param else {}
    made = Pod(project / "mlexplore" / "pod.py", project, **variables)
    yield made
    made.process.kill()
    made.process.communicate()


def test_the_readmes_program_describes_itself_and_answers_as_the_readme_shows(pod: Pod) -> None:
    described = pod.ask(op="describe", id="1")
    assert described["format"] == "json"
    assert [one["name"] for one in described["namespaces"]] == ["mlexplore", "mlexplore.hf"]
    names = [one["name"] for one in described["namespaces"][1]["vars"]]
    assert names == ["model_info", "url_of", "fails", "leaves", "cannot_travel", "no_number", "shouts"]
    answer = pod.invoke("mlexplore.hf/url_of", "foo", "bar")
    assert answer["status"] == ["done"]
    assert json.loads(answer["value"]) == "https://huggingface.co/foo/resolve/main/bar"
    files = json.loads(pod.invoke("mlexplore.hf/model_info", "facebook/bart-large")["value"])
    assert files == [".gitattributes", "README.md", "facebook/bart-large"]


def test_docstrings_with_quotes_are_edn(pod: Pod) -> None:
    described = pod.ask(op="describe", id="1")
    meta = described["namespaces"][1]["vars"][0]["meta"]
    assert edn.loads(meta.encode()) == {"doc": 'The files of a "model".'}


def test_prints_go_to_standard_error_and_the_end_of_input_ends_it(pod: Pod) -> None:
    pod.ask(op="describe", id="1")
    pod.invoke("mlexplore.hf/url_of", "foo", "bar")
    assert json.loads(pod.invoke("mlexplore.hf/shouts")["value"]) == "shouted"
    status, rest, said = pod.end()
    assert (status, rest) == (0, b"")
    assert "mlexplore.hf" in said  # print(namespaces)
    assert "asked for foo" in said
    assert "from a child process" in said
    assert said.endswith("EOF\n")


@pytest.mark.parametrize(
    ("var", "args", "message"),
    [
        ("mlexplore.hf/fails", ["no luck"], "ValueError: no luck"),
        ("mlexplore.hf/fails", [], "TypeError: fails() missing 1 required positional argument"),
        ("mlexplore.hf/leaves", [], "SystemExit: 3"),
        ("mlexplore.hf/cannot_travel", [], "of type set, can't be written as JSON"),
        ("mlexplore.hf/no_number", [], "of type float, can't be written as JSON"),
        ("mlexplore.hf/_private", [], "exports no '_private'"),
        ("mlexplore.hf/join", ["a", "b"], "exports no 'join'"),
        ("nowhere/f", [], "there is no namespace 'nowhere'"),
    ],
)
def test_what_goes_wrong_in_a_call_is_an_error_of_that_call_alone(
    pod: Pod, var: str, args: list[str], message: str
) -> None:
    answer = pod.invoke(var, *args)
    assert sorted(answer["status"]) == ["done", "error"]
    assert message in answer["ex-message"]
    assert "value" not in answer
    data = json.loads(answer["ex-data"])
    assert set(data) == {"class", "module", "message", "traceback"}
    assert json.loads(pod.invoke("mlexplore.hf/url_of", "a", "b")["value"]).endswith("/a/resolve/main/b")


def test_the_readmes_program_prints_a_files_namespace_when_given_one(project: Path) -> None:
    command = [sys.executable, "mlexplore/pod.py", "mlexplore/hf.py", "mlexplore.hf"]
    told = subprocess.run(
        command, cwd=project, env=environment(), stdin=subprocess.PIPE, capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("{'name': 'mlexplore.hf', 'vars': [{'name': 'model_info'")


def test_the_newer_names_export_callables_in_kebab_case(project: Path) -> None:
    pod = Pod(project / "newer.py", project, PYTHONPATH=f"{COMPAT}:{project}")
    (namespace,) = pod.ask(op="describe", id="1")["namespaces"]
    assert namespace["name"] == "hf"
    found = {one["name"]: one for one in namespace["vars"]}
    assert {"model-info", "url-of", "join"} <= set(found)
    assert edn.loads(found["model-info"]["meta"].encode())["doc"] == 'The files of a "model".'
    assert json.loads(pod.invoke("hf/model-info", "x")["value"])[2] == "x"
    assert json.loads(pod.invoke("hf/model_info", "y")["value"])[2] == "y"
    status, _, said = pod.end()
    assert status == 0
    assert "not_there can't be imported: it is left out" in said


def test_a_program_between_pipes_that_is_no_pod_prints_to_standard_output(project: Path) -> None:
    code = (
        "from pylaagu.babumoshai import *\n"
        "files = [('mlexplore/__init__.py', 'mlexplore', 'm'), ('mlexplore/hf.py', 'mlexplore.hf', 'n')]\n"
        "found = load_namespaces(files)\n"
        "print(dispatch(found, 'n/url_of', ['a', 'b']))\n"
        "try:\n    dispatch(found, 'n/fails', ['raised'])\nexcept ValueError as error:\n    print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=environment(),
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "asked for a\nhttps://huggingface.co/a/resolve/main/b\nraised\n"


@pytest.mark.parametrize("folder", [COMPAT, COMPAT / "pylaagu"], ids=["the folder", "the package's own folder"])
def test_the_readmes_commands_print_what_the_readme_shows(folder: Path) -> None:
    def told(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        where = environment(PYTHONPATH=str(folder))
        return subprocess.run(command, cwd=COMPAT, env=where, capture_output=True, text=True, check=True).stdout

    assert told("-m", "pylaagu.meta", "pylaagu/meta.py") == README_JSON
    assert told("-m", "pylaagu.meta", "pylaagu/meta.py", "-o", "yaml") == README_YAML
    assert told("pylaagu/meta.py", "pylaagu/meta.py") == README_JSON


def test_signatures_have_what_programs_read_of_them(project: Path) -> None:
    (project / "sample.py").write_text(
        "class Thing:\n    '''A thing.'''\n    def use(self, how=lambda: 1): ...\n    def _hide(self): ...\n"
        "async def soon(a: 'int', /, *args, b=2, **kwargs) -> str:\n    '''Soon.'''\ndef _f(): ...\n"
    )
    code = (
        "import json\nfrom pylaagu.meta import *\nfrom pylaagu.meta import function_signatures, class_signatures\n"
        "from pylaagu.utils import is_public\n"
        "(f,) = function_signatures('sample.py', is_public)\n(c,) = class_signatures('sample.py', is_public)\n"
        "print(json.dumps([f, f.name, f.args, f.vararg, f.kwarg, f.returns, f.docstring, c, c.name, c.docstring]))\n"
        "assert len(function_signatures('sample.py')) == 2 and len(extract_function_signatures('sample.py')) == 2\n"
    )
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, check=True)
    args = [{"name": "a", "type": "'int'"}, {"name": "b"}]
    assert json.loads(told.stdout) == [
        {"name": "soon", "type": "function", "args": args, "returns": "str"},
        "soon",
        args,
        {"name": "args"},
        {"name": "kwargs"},
        "str",
        "Soon.",
        {
            "name": "Thing",
            "type": "class",
            "functions": [
                {"name": "use", "type": "function", "args": [{"name": "self"}, {"name": "how"}], "returns": None}
            ],
        },
        "Thing",
        "A thing.",
    ]


def test_results_are_remembered_by_function_and_all_arguments(tmp_path: Path) -> None:
    code = (
        "from pylaagu.cache import appname, cache, init_app, memoize\n"
        "ran = []\n"
        "@cache\ndef f(a, b=1):\n    'Doc.'\n    ran.append(('f', a, b))\n    return None if a == 0 else [a, b]\n"
        "@cache\ndef g(a, b=1):\n    ran.append(('g', a, b))\n    return 'g'\n"
        "@memoize\ndef h(a, b=1):\n    ran.append(('h', a, b))\n    return a\n"
        "try:\n    f(1)\nexcept RuntimeError as error:\n    assert 'init_app' in str(error)\n"
        "init_app('demo')\nassert appname() == 'demo' and f.__name__ == 'f' and f.__doc__ == 'Doc.'\n"
        "print([f(1), f(1), f(1, b=2), f(0), f(0), g(1), h(1), h(1), h(1, b=3)], ran)\n"
    )

    def told() -> str:
        where = environment(XDG_DATA_HOME=str(tmp_path))
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=where, capture_output=True, text=True, check=True).stdout

    results = "[[1, 1], [1, 1], [1, 2], None, None, 'g', 1, 1, 1]"
    h = "('h', 1, 1), ('h', 1, 3)"
    assert told() == f"{results} [('f', 1, 1), ('f', 1, 2), ('f', 0, 1), ('g', 1, 1), {h}]\n"
    assert told() == f"{results} [{h}]\n"
    assert [one.name for one in tmp_path.iterdir()] == ["demo"]
