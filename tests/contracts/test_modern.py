"""Modern code: as clean as its checkers want it, and the same on the wire as classic code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from generated import EXTENDED, ODD, OTHER, SHOP, generate, importing
from matrix import DEFINITIONS
from test_gugugu import COMMAND, run

from bascule.bridge.cli.gugugu import main

CASES = Path(__file__).with_name("gugugu") / "cases"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modern output of every case that has one, each in a package of its own."""
    folder = tmp_path_factory.mktemp("modern")
    for case in sorted(CASES.iterdir()):
        if case.name.startswith(("c", "q")):
            name = case.name.partition("_")[0]
            words = [f"--input={case / 'in'}", f"--output={folder}", f"--package-prefix={name}"]
            assert main([*words, "--modern", f"--runtime-package={name}.rt", "--with-server", "--with-client"]) == 0
    styles = ("id", "snake", "upper-snake", "lower")
    for style in styles:
        name = f"every_{style.replace('-', '_')}"
        rules = ("module-code", "module-value", "module-type", "func-code", "func-value", "type-code")
        rules = (*rules, "field-code", "field-value", "enum-code", "enum-value")
        words = [f"--input={CASES / 'c08_transformers' / 'in'}", f"--output={folder}", f"--package-prefix={name}"]
        words += [f"--trans-{rule}={style}" for rule in rules]
        assert main([*words, "--modern", f"--runtime-package={name}.rt", "--with-server", "--with-client"]) == 0
    generate(folder, {"Shop": SHOP, "Plus": EXTENDED, "Other": OTHER}, package="more")
    generate(folder, {"Def": ODD}, package="odd")
    generate(folder, DEFINITIONS, package="most")
    # Every package has a run time of its own, and most of it is the same text: once is enough for pyright.
    texts: dict[bytes, Path] = {}
    again = [path for path in sorted(folder.rglob("*.py")) if texts.setdefault(path.read_bytes(), path) != path]
    (folder / "pyrightconfig.json").write_text(
        json.dumps({"exclude": [str(path.relative_to(folder)) for path in again]})
    )
    return folder


@pytest.mark.parametrize(
    "checker",
    [
        [BIN / "mypy", "--strict", "--cache-dir=/dev/null", "--explicit-package-bases", "."],
        [BIN / "pyright", f"--pythonpath={sys.executable}", "--project=pyrightconfig.json"],
        [BIN / "ruff", "check", "--isolated", "--no-cache", "."],
    ],
    ids=lambda command: command[0].name,
)
@pytest.mark.timeout(300)
def test_modern_code_is_clean(checker: list[str], everything: Path) -> None:
    told = subprocess.run(checker, cwd=everything, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-2000:]


def test_what_comments_say_becomes_docstrings_and_keywords_get_an_underscore(everything: Path) -> None:
    for (module,) in importing(everything, "odd.def_"):
        assert module.__doc__.startswith('A module "as odd as it can be"\n')
        assert module.Self.__doc__ == r"Ends in \\"
        assert list(module.Class.__members__) == ["NONE", "TRUE", "MRO"]
        assert list(module.Self.__dataclass_fields__) == ["self", "def_", "to_wire_", "cls"]
        assert module.DefModule.lambda_.__doc__ == r"\""


@pytest.mark.timeout(300)
def test_modern_code_makes_the_same_calls_on_codecs_as_classic_code() -> None:
    assert "0 failed" in run("behave.py", f"{COMMAND} --modern")
