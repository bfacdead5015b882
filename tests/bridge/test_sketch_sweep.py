"""Real code: every function of the standard library, numpy, pandas and requests that `inspect.signature` can see has
the same parameters in its sketch.

`KNOWN` names all exceptions, by module and function. They come about while a module runs, which a source does not tell.
"""

from __future__ import annotations

import concurrent.futures
import importlib.util
import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from bascule.bridge.sketch import finding, sketch_all

ROOT = Path(__file__).resolve().parents[2]
ORACLE = Path(__file__).with_name("sketch_oracle.py")

KNOWN = {
    # What EnumType puts into a class that it makes, and what the enum module makes with its own decorators.
    r".*\._(_)?new_member_(_)?",
    r"enum:\w+\.(__new__|_generate_next_value_|__repr__|__\w*(or|and|xor|invert)__)",
    r".*\._generate_next_value_",
    # Protocol replaces the constructor.
    r"typing:Supports\w+\.__init__",
    # The default is inspect's own mark for 'no default'.
    r"inspect:Signature\.(_parameter_cls\.)?__init__",
    # A test on a variable decides which of two definitions runs.
    r"subprocess:Popen\.(_internal_poll|_execute_child)",
    r"numpy\.distutils\.misc_util:colour_text",
    # What a variable of the module held before the compiled module's function took its place.
    r"ctypes\.macholib\.dyld:_dyld_shared_cache_contains_path",
    r"tkinter:_cnfmerge",
    r"asyncio\.(futures|tasks):_Py\w+\.__?\w+__\w*",
    # Set by a function that runs at import, or by __init_subclass__.
    r"random:SystemRandom\._randbelow",
    r"ssl:Purpose\._member_type_\..*",
    r"urllib\.parse:\w+\._decoded_counterpart\.geturl",
    # A fallback runs where an optional module is missing.
    r"requests\.adapters:SOCKSProxyManager",
    # Results of calls: numpy.ma wraps numpy's functions and methods in objects of its own.
    r"numpy\._core\.arrayprint:_array2string_impl",
    r"numpy\.ma\.core:\w+",
    # Set while the module runs, by what it finds on the machine, or for a list of names.
    r"pandas\.core\.arrays\.categorical:CategoricalAccessor\.\w+",
    r"pandas\.core\.computation\.expressions:_(where|evaluate)",
    r"pandas\.io\.clipboard:(clipboard_[sg]et|paste|copy)",
}
NOT_IMPORTED = re.compile(
    r"(antigravity|this|turtle|turtledemo|idlelib|lib2to3|test|distutils|site|sitecustomize|_pyrepl)(\.|$)"
    r"|(^|\.)(tests?|testing|conftest|setup|__main__|__phello__|_examples|_pyinstaller|config-\S+)(\.|$)"
)


def modules_of(library: str) -> list[str]:
    """The modules of a library that can be imported without harm."""
    if library == "stdlib":
        folder = Path(sysconfig.get_path("stdlib"))
    else:
        spec = importlib.util.find_spec(library)
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin).parent
    names = [place.name for place in finding.places_below(folder) if place.file and place.file.suffix == ".py"]
    return [name for name in names if not NOT_IMPORTED.search(name) and all(map(str.isidentifier, name.split(".")))]


def compare(names: list[str]) -> tuple[int, list[dict[str, object]]]:
    command = [sys.executable, str(ORACLE), *names]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr[-2000:]
    *wrong, counts = [json.loads(line) for line in told.stdout.splitlines()]
    return counts["compared"], wrong


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_every_file_of_the_standard_library_is_read_and_only_those_that_are_no_python_are_errors() -> None:
    for module in sketch_all(Path(sysconfig.get_path("stdlib"))):
        if module.error is not None:
            assert re.search(r"\.(test|tests|testing|lib2to3)\b|^test\b", f".{module.name}"), module.error


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("library", "at_least"), [("requests", 150), ("stdlib", 10_000), ("numpy", 1_500), ("pandas", 3_000)]
)
def test_the_sketch_has_the_parameters_that_inspect_sees(library: str, at_least: int) -> None:
    names = modules_of(library)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        parts = list(threads.map(compare, [names[::2], names[1::2]]))
    differing = [one for _, wrong in parts for one in wrong]
    unknown = [one for one in differing if not any(re.fullmatch(known, str(one["name"])) for known in KNOWN)]
    assert not unknown, "\n".join([json.dumps(one) for one in unknown[:20]])
    assert sum(count for count, _ in parts) >= at_least
