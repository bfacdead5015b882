"""What the functions of a file are: `python -m pylaagu.meta FILE [-o json|yaml]` prints it."""

import argparse
import sys
import typing

from pylaagu.signatures import (
    ClassSignature as ClassSignature,
)
from pylaagu.signatures import (
    FunctionSignature as FunctionSignature,
)
from pylaagu.signatures import (
    class_signatures as class_signatures,
)
from pylaagu.signatures import (
    everything,
)
from pylaagu.signatures import (
    function_signatures as function_signatures,
)
from pylaagu.signatures import (
    load_module as load_module,
)
from pylaagu.utils import is_public


def extract_function_signatures(filepath: str, name_filter: typing.Callable = everything):  # type: ignore[no-untyped-def, type-arg]
    """The functions of a file whose names pass the filter, in the README's shape."""
    return function_signatures(filepath, name_filter)


def _main(arguments: list[str] | None = None) -> int:
    from bascule.bridge.sketch.writing import as_json, as_yaml

    parser = argparse.ArgumentParser(prog="python -m pylaagu.meta", description="Print the functions of a file.")
    parser.add_argument("filepath")
    parser.add_argument("-o", "--output-format", "--format", choices=("json", "yaml"), default="json")
    options = parser.parse_args(arguments)
    try:
        found = [dict(one) for one in extract_function_signatures(options.filepath, is_public)]
    except (OSError, SyntaxError) as error:
        print(f"pylaagu.meta: {error}", file=sys.stderr)
        return 1
    print(as_yaml(found) if options.output_format == "yaml" else as_json(found))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
