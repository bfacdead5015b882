"""`make record-all` and its kin: two libraries recorded without Docker, and again only when they changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HOSTED = ROOT / "deploy" / "record"


def make(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = ["make", "-s", *map(str, arguments), f"RECORD_PYTHON={sys.executable}", "RUNNER=local"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, done.stderr + done.stdout
    return done


POLYNOMIAL = """\
FROM bascule-record-base
RUN pip install --no-cache-dir numpy hypothesis
ENV PYTHON_RECORD_API_FROM_MODULES=numpy.polynomial
ENTRYPOINT ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "numpy.polynomial.tests.test_symbol"]
"""


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """The sample, and a part of numpy that uses the rest of it."""
    folder = tmp_path / "libraries"
    shutil.copytree(HOSTED / "libraries" / "sample-usage", folder / "sample-usage")
    (folder / "polynomial").mkdir()
    (folder / "polynomial" / "Dockerfile").write_text(POLYNOMIAL)
    (folder / "polynomial" / "version").write_text("0\n")
    return folder


def test_two_libraries_are_recorded_and_again_only_when_they_changed(libraries: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    told = (f"LIBRARIES={libraries}", f"DATA={data}", f"PYTHON_PACKAGE={ROOT}")
    assert make("record-all", *told).stdout.splitlines() == ["polynomial: recorded", "sample-usage: recorded"]
    for name in ("polynomial", "sample-usage"):
        api = json.loads((data / "api" / f"{name}.json").read_text())
        assert "numpy" in api["modules"]
        assert f'"usage.{name}"' in json.dumps(api)
    stub = (data / "typing" / "numpy.py").read_text()
    compile(stub, "numpy.py", "exec")
    assert "usage.polynomial: " in stub
    assert "usage.sample-usage: " in stub

    before = (data / "api.json").stat().st_mtime_ns
    assert make("record-all", *told).stdout.splitlines() == ["polynomial: unchanged", "sample-usage: unchanged"]
    assert (data / "api.json").stat().st_mtime_ns == before

    (libraries / "sample-usage" / "version").write_text("1\n")
    assert make("record-all", *told).stdout.splitlines() == ["polynomial: unchanged", "sample-usage: recorded"]

    shutil.rmtree(libraries / "polynomial")
    assert make("record-all", *told).stdout.splitlines() == ["sample-usage: unchanged"]
    assert not (data / "api" / "polynomial.json").exists()
    assert "usage.polynomial" not in (data / "api.json").read_text()


def test_a_library_is_tried_alone_and_shows_its_trace(libraries: Path) -> None:
    told = make("test-local-sample-usage", f"LIBRARIES={libraries}", "PYTHON_PACKAGE=.")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert (
        any(line["function"] == {"t": "type", "v": {"module": "numpy", "name": "ndarray"}} for line in lines) or lines
    )


def test_what_can_not_be_recorded_is_told_and_the_rest_is_kept(libraries: Path, tmp_path: Path) -> None:
    (libraries / "zzz").mkdir()
    (libraries / "zzz" / "version").write_text("0\n")
    (libraries / "zzz" / "Dockerfile").write_text(
        'FROM bascule-record-base\nENTRYPOINT ["python", "-c", "raise SystemExit(3)"]\n'
    )
    shutil.rmtree(libraries / "polynomial")
    done = make("record-all", f"LIBRARIES={libraries}", f"DATA={tmp_path / 'data'}", check=False)
    assert done.returncode != 0
    assert "record: zzz: it ended with status 3 and left no trace" in done.stderr
    assert "numpy" in json.loads((tmp_path / "data" / "api.json").read_text())["modules"]
    assert "it is no library" in make("test-local-no_such", check=False).stderr


def test_every_library_has_a_version_and_an_entry_point_and_its_job_and_the_workflow_are_yaml() -> None:
    folders = sorted((HOSTED / "libraries").iterdir())
    assert len(folders) >= 4
    for folder in folders:
        assert int((folder / "version").read_text()) >= 0
        text = (folder / "Dockerfile").read_text()
        assert "FROM bascule-record-base\n" in text
        assert isinstance(json.loads(text[text.index("ENTRYPOINT ") + len("ENTRYPOINT ") :]), list)
        job = yaml.safe_load(make(f"job-{folder.name}", "REGISTRY=images.example").stdout)
        assert job["kind"] == "Job"
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"images.example/bascule-record-{folder.name}:0"
        assert {each["name"]: each["value"] for each in container["env"]} == {
            "PYTHON_RECORD_API_OUTPUT_FILE": f"/traces/{folder.name}.jsonl",
            "PYTHON_RECORD_API_TO_MODULES": "numpy,pandas",
        }
    claim = yaml.safe_load((HOSTED / "kubernetes" / "storage.yaml").read_text())
    assert claim["metadata"]["name"] == "bascule-record-traces"
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "record.yml").read_text())["jobs"]["record"]["steps"]
    assert any("make record-all" in step.get("run", "") for step in steps)


INSTRUCTIONS = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "ENTRYPOINT"}


def test_every_dockerfile_is_made_of_instructions_and_builds_on_what_is_there() -> None:
    files = sorted(HOSTED.rglob("Dockerfile"))
    assert HOSTED / "base" / "Dockerfile" in files
    assert len(files) >= 5
    for file in files:
        told = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
        words = [line.partition(" ") for line in told]
        assert {name for name, _, _ in words} <= INSTRUCTIONS, file
        assert words[0][0] == "FROM", file
        assert [name for name, _, _ in words].count("FROM") == 1, file
        for name, _, rest in words:
            assert rest, (file, name)
            if name == "ENV":
                assert all("=" in each for each in rest.split()), (file, rest)
            if name == "COPY":
                assert all((ROOT / source).exists() for source in rest.split()[:-1]), (file, rest)
        base = words[0][2]
        assert base == ("python:3.12-slim" if file.parent.name == "base" else "bascule-record-base"), file
