"""Which generator writes what: the one place that knows all targets.

A target is imported when it is asked for: build scripts run `gugugu-python` often, and wait for it.
"""

from __future__ import annotations

import enum

from bascule.bridge.contracts.generators import File, classic
from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.schema import Schema
from bascule.bridge.contracts.sources import ContractError


class Dialect(enum.Enum):
    """The two kinds of Python."""

    CLASSIC = "classic"
    MODERN = "modern"


def generate(schema: Schema, target: str, package: str) -> list[File]:
    """The files of a target other than Python.

    Args:
        schema: What is described.
        target: Its name on the command line.
        package: What the names of files and modules begin with.
    """
    from bascule.bridge.contracts.generators import clojure, erlang, jsonschema, typescript

    languages = {"erlang": erlang.generate, "clojure": clojure.generate, "typescript": typescript.generate}
    if target in languages:
        return languages[target](schema, package)
    if target == "json-schema":
        return jsonschema.generate_json_schema(schema)
    return jsonschema.generate_openapi(schema, package or "Contracts")


def generate_python(schema: Schema, options: PythonOptions, dialect: Dialect) -> list[File]:
    """The Python files of a schema.

    Raises:
        ContractError: The schema has something that this target can't have.
    """
    missing = classic.missing_targets(schema, options)
    if missing:
        raise ContractError(missing)
    if dialect is Dialect.CLASSIC and schema.extended:
        raise ContractError(
            module.source.error(0, "classic code has no form for what extended files have: generate modern code")
            for module in schema.modules.values()
            if module.extended and module.source is not None
        )
    if dialect is Dialect.MODERN:
        from bascule.bridge.contracts.generators import modern

        return modern.generate(schema, options)
    return classic.generate(schema, options)
