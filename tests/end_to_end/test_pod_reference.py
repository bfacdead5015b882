"""The reference page of the pod protocol lists every op and field that there is, each with a test that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pod_client import PodClient
from test_pod import folder

__all__ = ["folder"]
pytestmark = pytest.mark.usefixtures("nothing_left")
TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "reference" / "pods.md").read_text()


def test_each_test_that_the_page_names_stands_where_it_says() -> None:
    file, named = "", 0
    for name, test in re.findall(r"`((?:\w+/)+\w+\.py)`|`(test_\w+)`", PAGE):
        if name:
            file = (TESTS / name).read_text()
            continue
        assert re.search(rf"^def {test}\(", file, re.MULTILINE), f"{test} is not in the file named before it"
        named += 1
    assert named > 40


def rows(heading: str) -> Iterator[list[str]]:
    """The rows of the table below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_every_row_names_a_test() -> None:
    for heading in ("What a client says", "What it hears", "What kills or hangs a client", "Transport"):
        found = list(rows(heading))
        assert found
        for row in found:
            assert re.search(r"`test_\w+`|`end_to_end/pod_client\.py`|`protocols/test_bencode\.py`", row[-1]), row


def test_every_op_is_listed(folder: Path) -> None:
    listed = {name for row in rows("What a client says") for name in re.findall(r"^`([\w-]+)`$", row[0])}
    answered = set()
    for op in [*sorted(listed), "eval", "classpath", "interrupt"]:
        with PodClient("my_mod", cwd=folder) as pod:
            (message, *_rest) = raw(pod, op, ns="my-mod", var="my-mod/add", args="[1]")
            if "op" not in message.get("ex-message", ""):
                answered.add(op)
    assert answered == listed


def raw(pod: PodClient, op: str, **fields: Any) -> list[dict[str, Any]]:
    """All messages that a request is answered by."""
    id = pod.send(op, **fields)
    messages = []
    while not messages or not ({"done", "error"} & {*messages[-1].get("status", ["done"] if op == "describe" else [])}):
        message = pod.receive()
        assert message["id"] == id
        messages.append(message)
    return messages


def test_every_field_is_listed(folder: Path) -> None:
    listed = {name for row in rows("What it hears") for name in re.findall(r"`([\w-]+)`", row[0])}
    heard: set[str] = set()
    for payload in ("json", "edn", "transit+json"):
        with PodClient("my_mod", "numpy", cwd=folder, payload=payload) as pod:
            (description,) = raw(pod, "describe")
            (namespace,) = raw(pod, "load-ns", ns="numpy")
            messages = [description, namespace, *raw(pod, "invoke", var="my-mod/chain", args=pod.encode((), {}))]
            args = pod.encode(("builtins:exec", "import sys; print(1); print(2, file=sys.stderr)"), {})
            messages += raw(pod, "invoke", var="py/call", args=args)
            heard |= {name for message in messages for name in message}
            for each in [*description["namespaces"], namespace]:
                heard |= {name for described in each["vars"] for name in described} | {*each}
    assert heard == listed
