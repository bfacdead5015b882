"""Records a folder of libraries: which of them use what of some modules, as `deploy/record` has them.

    python -m bascule.bridge.recording.hosted --home deploy/record all --data data

A library is a folder with a Dockerfile, whose entry point runs its tests or anything else, and a file `version`. It is
run in Docker, or as `--runner local` in this interpreter: then the Dockerfile's variables and entry point are followed,
and its RUN lines are not. Beside `data/api/LIB.json` stands `LIB.recorded`, a digest of all that it was made of: while
that is the same, the library is not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bascule
from bascule.bridge.recording.apis import API, combine
from bascule.bridge.recording.compat.writing import write
from bascule.bridge.recording.counts import count
from bascule.bridge.recording.infer import infer
from bascule.bridge.recording.reading import Damage, InputError

BASE = "bascule-record-base"
_PREFIX = "PYTHON_RECORD_API_"


class HostedError(Exception):
    """A library can't be recorded."""


@dataclass(frozen=True)
class Hosted:
    """What is recorded, and how.

    Attributes:
        home: The folder with `base/`.
        libraries: The folder with one for each library.
        to: Use of which modules, as the variable has it.
        package: What pip installs as Bascule; a folder is the tree there.
    """

    home: Path
    libraries: Path
    to: str
    runner: str
    package: str

    def names(self, only: list[str]) -> list[str]:
        """The libraries that are meant.

        Raises:
            HostedError: One of them is none.
        """
        for name in only:
            self.folder(name)
        return only or sorted(each.parent.name for each in self.libraries.glob("*/Dockerfile"))

    def folder(self, name: str) -> Path:
        """A library's folder.

        Raises:
            HostedError: It has no Dockerfile or no version.
        """
        folder = self.libraries / name
        for file in ("Dockerfile", "version"):
            if "_" in name or not (folder / file).is_file():
                raise HostedError(f"{folder}: it is no library: a folder without `_` in its name, with {file} in it")
        return folder

    def digest(self, name: str) -> str:
        """Of all that decides what is recorded."""
        found = hashlib.sha256(self.to.encode())
        for folder in (self.home / "base", self.folder(name)):
            for file in sorted(each for each in folder.rglob("*") if each.is_file()):
                found.update(f"\0{file.relative_to(folder)}\0".encode() + file.read_bytes())
        return found.hexdigest()

    def record(self, name: str, trace: Path) -> None:
        """Run a library, traced.

        Raises:
            HostedError: It left no trace.
        """
        folder = self.folder(name)
        trace.parent.mkdir(parents=True, exist_ok=True)
        status = (self._in_docker if self.runner == "docker" else self._here)(name, folder, trace)
        if not trace.is_file() or trace.stat().st_size == 0:
            raise HostedError(f"{name}: it ended with status {status} and left no trace")
        if status:
            print(f"{name}: it ended with status {status}; what it recorded until then is used", file=sys.stderr)

    def _in_docker(self, name: str, folder: Path, trace: Path) -> int:
        image = f"bascule-record-{name}"
        base = [f"--build-arg=PYTHON_PACKAGE={self.package}", f"--file={self.home / 'base' / 'Dockerfile'}"]
        for command in (
            ["docker", "build", "--quiet", f"--tag={BASE}", *base, str(_tree(self.home))],
            ["docker", "build", "--quiet", f"--tag={image}", str(folder)],
        ):
            if _run(command):
                raise HostedError(f"{name}: its image can't be built: {shlex.join(command)}")
        variables = [f"--env={_PREFIX}OUTPUT_FILE=/traces/{trace.name}", f"--env={_PREFIX}TO_MODULES={self.to}"]
        return _run(["docker", "run", "--rm", *variables, f"--volume={trace.parent.resolve()}:/traces", image])

    def _here(self, name: str, folder: Path, trace: Path) -> int:
        told, entry = read_dockerfile(folder / "Dockerfile")
        if not entry:
            raise HostedError(f"{folder / 'Dockerfile'}: no ENTRYPOINT as a list")
        if entry[0] in ("python", "python3"):
            entry[0] = sys.executable
        is_folder = os.sep in self.package or self.package.startswith(".")  # as pip sees it
        package = Path(self.package) if is_folder else Path(bascule.__file__).resolve().parents[1]
        compat = next(
            (
                each
                for each in (package / "deploy" / "compat", package / "bascule" / "deploy" / "compat")
                if each.is_dir()
            ),
            None,
        )
        if compat is None:
            raise HostedError(f"{package}: there is no deploy/compat, so it is no tree of Bascule")
        environment = {**os.environ, **told}
        environment["PYTHONPATH"] = os.pathsep.join((str(compat.resolve()), str(package.resolve())))
        environment[f"{_PREFIX}OUTPUT_FILE"] = str(trace.resolve())
        environment[f"{_PREFIX}TO_MODULES"] = self.to
        with tempfile.TemporaryDirectory(prefix=f"record-{name}-") as working:
            return _run(entry, environment, working)


def read_dockerfile(path: Path) -> tuple[dict[str, str], list[str]]:
    """The variables and the entry point of a Dockerfile."""
    variables: dict[str, str] = {}
    entry: list[str] = []
    for line in path.read_text().replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.upper() == "ENV":
            for each in shlex.split(rest):
                name, _, value = each.partition("=")
                variables[name] = value
        elif word.upper() == "ENTRYPOINT":
            try:
                entry = [str(each) for each in json.loads(rest)]
            except ValueError:
                entry = []
    return variables, entry


def everything(hosted: Hosted, data: Path, only: list[str], traces: Path | None) -> list[str]:
    """Bring `data` up to date; which libraries were recorded for that.

    Raises:
        HostedError: A library can't be recorded; those before it were.
    """
    apis = data / "api"
    apis.mkdir(parents=True, exist_ok=True)
    done: list[str] = []
    try:
        for name in hosted.names(only):
            digest, made, said = hosted.digest(name), apis / f"{name}.json", apis / f"{name}.recorded"
            if made.is_file() and said.is_file() and said.read_text().strip() == digest:
                print(f"{name}: unchanged")
                continue
            said.unlink(missing_ok=True)
            _save(_api_of(hosted, name, traces), made)
            said.write_text(f"{digest}\n")
            done.append(name)
            print(f"{name}: recorded")
    finally:
        _join(hosted, data)
    return done


def _api_of(hosted: Hosted, name: str, traces: Path | None) -> API:
    with tempfile.TemporaryDirectory(prefix="record-") as scratch:
        trace, grouped, damage = Path(scratch) / f"{name}.jsonl", Path(scratch) / "grouped.jsonl", Damage()
        if traces is None:
            hosted.record(name, trace)
        else:
            trace = traces / trace.name
        count([trace], grouped, damage)
        api = infer([grouped], name, tuple(each for each in hosted.to.split(",") if each), damage)
    for line in damage.lines():
        print(f"{name}: {line}", file=sys.stderr)
    return api


def _join(hosted: Hosted, data: Path) -> None:
    """`api.json` and `typing/` of the libraries that there are; what one that was taken away has left goes."""
    names = hosted.names([])
    for left in (data / "api").iterdir():
        if left.suffix in (".json", ".recorded") and left.stem not in names:
            left.unlink()
    whole = combine(API.read(path) for path in sorted((data / "api").glob("*.json"))).to_json()
    text = _text(whole)
    target, typing = data / "api.json", data / "typing"
    if target.is_file() and target.read_text() == text and typing.is_dir():
        return
    written = write(whole, typing, strict=False)
    for left in set(typing.glob("*.py")) - set(written):
        left.unlink()
    target.write_text(text)


def _save(api: API, path: Path) -> None:
    path.write_text(_text(api.to_json()))


def _text(told: dict[str, object]) -> str:
    return json.dumps(told, indent=2) + "\n"


def _run(command: list[str], environment: dict[str, str] | None = None, folder: str | None = None) -> int:
    """Its exit status; what it prints goes to our stderr."""
    try:
        return subprocess.run(command, env=environment, cwd=folder, stdout=sys.stderr, check=False).returncode
    except OSError as error:
        raise HostedError(f"{command[0]} can't be run: {error.strerror}") from None


def _tree(home: Path) -> Path:
    """What the base image is built of."""
    return home.resolve().parents[1]


def main(arguments: list[str] | None = None) -> int:
    """What deploy/record/Makefile calls."""
    parser = argparse.ArgumentParser(prog="hosted", description="Record a folder of libraries.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--libraries", type=Path, required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--runner", choices=("docker", "local"), default="docker")
    parser.add_argument("--package", default="bascule")
    steps = parser.add_subparsers(dest="step", required=True)
    one = steps.add_parser("test", help="record one library and print its trace")
    one.add_argument("library")
    one = steps.add_parser("all", help="bring the data up to date")
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--traces", type=Path, help="take LIB.jsonl from here, and run nothing")
    one.add_argument("only", nargs="*")
    options = parser.parse_args(arguments)
    hosted = Hosted(options.home, options.libraries, options.to, options.runner, options.package)
    try:
        if options.step == "all":
            everything(hosted, options.data, options.only, options.traces)
            return 0
        with tempfile.TemporaryDirectory(prefix="record-") as scratch:
            trace = Path(scratch) / f"{options.library}.jsonl"
            hosted.record(options.library, trace)
            print(trace.read_text(errors="surrogatepass"), end="")
    except (HostedError, InputError) as error:
        print(f"record: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"record: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
