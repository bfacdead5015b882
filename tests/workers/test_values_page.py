"""docs/reference/values.md says what each Python type becomes in every format, and back: each row is tried here."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest

from bascule.protocols import etf, extensions, jsonic, packed
from bascule.protocols.calls import Want
from bascule.protocols.envelope import Codec
from bascule.protocols.tokens import Handle
from bascule.workers.values import NotEncodable, codec_for

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "values.md"
TEXT = PAGE.read_text()
TOKEN = "bsc0000000000000" + "0001" + "000001" + "00000001" + "v" * 26
MODULES: dict[str, Any] = {"msgpack": packed, "JSON": jsonic, "Erlang": etf}
CODECS = {"msgpack": Codec.MSGPACK, "JSON": Codec.JSON, "Erlang": Codec.ETF}


def world() -> dict[str, Any]:
    """What the page's own Python block defines, and the names that its rows use."""
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(blocks[0], names)
    return names


WORLD = world()


def rows(heading: str) -> list[dict[str, str]]:
    """The rows of the table below a heading, as maps of its columns."""
    section = TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    assert len(lines) > 2, f"no table below {heading!r}"
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def code(cell: str) -> str:
    found = re.fullmatch(r"`(.*)`", cell)
    assert found, f"a cell is a piece of code: {cell}"
    return found[1]


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if type(one).__name__ == "ndarray":
        return bool(one.dtype == other.dtype and one.shape == other.shape and one.tolist() == other.tolist())
    if type(one) is dict:
        return len(one) == len(other) and all(
            same(key, twin) and same(one[key], other[twin]) for key, twin in zip(one, other, strict=True)
        )
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or repr(one) == repr(other)


def shown(value: Any) -> str:
    """An expression for a value, short where the page's names allow."""
    if isinstance(value, Handle):
        return "handle"
    text = repr(value).replace("datetime.", "")
    return re.sub(r"\barray\(", "numpy.array(", text)


def wire(form: str, data: bytes) -> str:
    if form == "JSON":
        return re.sub(r'\{"py/handle":.*\}', "handle", data.decode())
    return Term(data).text()


class Term:
    """A term as Erlang's shell prints it, read here anew: the page does not lean on our own reader."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 1

    def take(self, form: str) -> Any:
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0]

    def raw(self, length: int) -> bytes:
        self.at += length
        return self.data[self.at - length : self.at]

    def text(self) -> str:
        tag = self.take("B")
        if tag == 97:
            return str(self.take("B"))
        if tag == 98:
            return str(self.take("i"))
        if tag == 110:
            length, sign = self.take("B"), self.take("B")
            return str(int.from_bytes(self.raw(length), "little") * (-1 if sign else 1))
        if tag == 70:
            return repr(self.take("d"))
        if tag == 119:
            return self.raw(self.take("B")).decode()
        if tag == 106:
            return "[]"
        if tag == 107:
            return self.listed([str(byte) for byte in self.raw(self.take("H"))])
        if tag == 108:
            elements = [self.text() for _ in range(self.take("I"))]
            assert self.text() == "[]"
            return self.listed(elements)
        if tag == 104:
            elements = [self.text() for _ in range(self.take("B"))]
            return "handle" if elements[:1] == ["py_handle"] else f"{{{','.join(elements)}}}"
        if tag == 109:
            raw = self.raw(self.take("I"))
            printable = raw and all(32 <= byte < 127 for byte in raw)
            return f'<<"{raw.decode()}">>' if printable else f"<<{','.join(map(str, raw))}>>"
        raise AssertionError(f"tag {tag} has no place on the page")

    @staticmethod
    def listed(elements: list[str]) -> str:
        if all(element.isdigit() and 32 <= int(element) < 127 for element in elements):
            return '"' + "".join(chr(int(element)) for element in elements) + '"'
        return f"[{','.join(elements)}]"


def encoded(form: str, value: object, want: Want) -> bytes:
    return codec_for(CODECS[form]).encoder(want, 0, lambda obj: Handle(TOKEN, type(obj).__qualname__))(value)


def cell(form: str, value: object) -> str:
    """What the page shows for a value that was insisted on."""
    try:
        data = encoded(form, value, Want.VALUE)
    except NotEncodable:
        return "refused"
    back = MODULES[form].loads(data)
    read = "" if same(back, value) else f"`{shown(back)}`"
    if form == "msgpack":
        return read or "same"
    return f"`{wire(form, data)}`" + (f" → {read}" if read else "")


def auto(value: object) -> str:
    """What the page says about what travels when neither a value nor a handle is asked for."""
    outcomes = []
    for form in MODULES:
        try:
            data = encoded(form, value, Want.AUTO)
        except NotEncodable:
            outcomes.append("error")
            continue
        as_handle = isinstance(MODULES[form].loads(data), Handle)
        if not as_handle:
            assert data == encoded(form, value, Want.VALUE), "a value is the same value, asked for or not"
        outcomes.append("handle" if as_handle else "value")
    if len(set(outcomes)) == 1:
        return outcomes[0]
    return ", ".join(f"{form} {outcome}" for form, outcome in zip(MODULES, outcomes, strict=True))


TABLES = ["Plain values", "Values of the standard library", "Subclasses and objects", "numpy and pandas"]
EVERY_ROW = [pytest.param(row, id=row["Python"]) for table in TABLES for row in rows(table)]


@pytest.mark.parametrize("row", EVERY_ROW)
def test_a_value_travels_as_the_page_says(row: dict[str, str]) -> None:
    value = eval(code(row["Python"]), WORLD)
    actual = {"Python": row["Python"], "auto": auto(value)} | {form: cell(form, value) for form in MODULES}
    for form in MODULES:
        read = row[form].rsplit(" → ", 1)[-1]
        if read not in ("same", "refused") and (form == "msgpack" or " → " in row[form]) and "`handle`" not in read:
            eval(code(read), WORLD)  # what a reader gets is Python that means something
    assert actual == row


@pytest.mark.parametrize("row", [pytest.param(row, id=row["Code"]) for row in rows("Extension types of msgpack")])
def test_an_extension_is_written_as_the_page_says(row: dict[str, str]) -> None:
    value = eval(code(row["Example"]), WORLD)
    data = packed.dumps(value)
    assert data.hex(" ") == code(row["Bytes"])
    assert same(packed.loads(data), value)
    if row["Code"] != "-1":
        assert extensions.Ext(int(row["Code"])).name == row["Name"].upper()


def test_the_page_lists_every_extension() -> None:
    listed = {int(row["Code"]) for row in rows("Extension types of msgpack")}
    assert listed == {-1, *map(int, extensions.Ext)}


@pytest.mark.parametrize("row", [pytest.param(row, id=row["JSON"]) for row in rows("Only on the way in")])
def test_what_is_only_understood_is_understood(row: dict[str, str]) -> None:
    value = jsonic.loads(code(row["JSON"]).encode())
    assert same(value, eval(code(row["Python"]), WORLD))
