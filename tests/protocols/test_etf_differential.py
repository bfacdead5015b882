"""Our External Term Format against the real one: random terms and random bytes, one long-lived Erlang node.

Everything goes in batches: a node takes a third of a second to start and no time at all to answer.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.protocols import etf
from bascule.protocols.calls import Style
from bascule.protocols.errors import RemoteProtocolError

RAW = Style.BINARY_AS_BYTES | Style.DICT_AS_MAP
INTERNAL = ("tag 73 ", "tag 75 ")  # atoms as numbers of the node's own, in no documented format: Erlang takes them
TERMS = 100_000
BATCH = 5_000


class Node:
    """The node that runs etf_peer.erl."""

    def __init__(self, folder: Path) -> None:
        source = Path(__file__).with_name("etf_peer.erl")
        subprocess.run(["erlc", "-o", str(folder), str(source)], check=True, timeout=60)
        self.process = subprocess.Popen(
            ["erl", "-noshell", "-noinput", "-pa", str(folder), "-s", "etf_peer", "main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, what: bytes, payload: bytes) -> bytes:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(struct.pack(">I", len(payload) + 1) + what + payload)
        self.process.stdin.flush()
        header = self.process.stdout.read(4)
        assert len(header) == 4, "the Erlang node is gone"
        answer = self.process.stdout.read(*struct.unpack(">I", header))
        assert not answer.startswith(b"! "), answer.decode()
        return answer

    def ask_batch(self, what: bytes, terms: list[bytes]) -> bytes:
        return self.ask(what, b"".join([struct.pack(">I", len(term)) + term for term in terms]))

    def close(self) -> None:
        with self.process:
            assert self.process.stdin
            self.process.stdin.close()
            assert self.process.wait(timeout=30) == 0


def cut(batch: bytes) -> list[bytes]:
    terms, position = [], 0
    while position < len(batch):
        (length,) = struct.unpack_from(">I", batch, position)
        position += 4 + length
        terms.append(batch[position - length : position])
    return terms


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., None]) -> Iterator[Node]:
    needs("erl", "erlc")
    node = Node(tmp_path_factory.mktemp("etf_peer"))
    yield node
    node.close()


def exactly(value: object) -> object:
    """A form in which only what is the same in Erlang is equal: no 1 == True, no 0.0 == -0.0, maps in any order."""
    kind = type(value)
    if kind is dict or kind is etf.Map:
        return "map", sorted(repr((exactly(key), exactly(item))) for key, item in value.items())  # type: ignore[attr-defined]
    if kind is etf.ImproperList:
        return "improper", [exactly(item) for item in value], exactly(value.tail)  # type: ignore[attr-defined]
    if kind in (list, tuple):
        return kind.__name__, [exactly(item) for item in value]  # type: ignore[attr-defined]
    return kind.__name__, repr(value)


class Maker:
    """Random values of what ETF carries faithfully, and how Erlang would write them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.leaves: list[Callable[[], object]] = [
            lambda: self.random.randrange(256),
            lambda: self.random.randrange(-(1 << 33), 1 << 33),
            lambda: self.random.choice((1, -1)) * (1 << self.random.choice((7, 8, 31, 32, 63, 64, 2039, 2040, 2048))),
            lambda: self.random.getrandbits(self.random.randrange(1, 3000)) * self.random.choice((1, -1)),
            self.number,
            self.atom,
            lambda: self.random.choice((True, False, None)),
            lambda: self.random.randbytes(self.random.randrange(40)),
            lambda: etf.BitString(self.random.randbytes(self.random.randrange(1, 9)), self.random.randrange(1, 8)),
            list,
            tuple,
            dict,
        ]

    def number(self) -> float:
        (number,) = struct.unpack(">d", self.random.randbytes(8))
        return number if number - number == 0.0 else self.random.choice((0.0, -0.0, 5e-324, 1.5))

    def atom(self) -> etf.Atom:
        return etf.Atom("".join(self.random.choice("az _'\\é€😀") for _ in range(self.random.randrange(5))))

    def value(self, depth: int) -> object:
        if not depth:
            return self.random.choice(self.leaves)()
        shape = self.random.randrange(8)
        inner = [self.value(depth - 1) for _ in range(self.random.randrange(5))]
        if shape < 2:
            return tuple(inner)
        if shape < 4:
            return inner
        if shape == 4:
            keys = [self.random.choice(self.leaves[:-3])() for _ in inner]
            distinct = {repr(exactly(key)): key for key in keys}
            pairs = list(zip(distinct.values(), inner))
            plain = dict(pairs)
            return plain if len(plain) == len(pairs) else etf.Map(pairs)
        if shape == 5:
            return etf.ImproperList([*inner, 0], self.random.choice(self.leaves[:-3])())
        if shape == 6:
            return [self.number() for _ in range(self.random.randrange(30))]
        return [self.random.randrange(-300, 300) for _ in range(self.random.randrange(80))]


def written(value: object) -> str:
    """A value as Erlang source."""
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, etf.Atom):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        mantissa, e, exponent = repr(value).partition("e")
        return (mantissa if "." in mantissa else mantissa + ".0") + e + exponent
    if isinstance(value, bytes):
        return f"<<{','.join(map(str, value))}>>"
    if isinstance(value, etf.BitString):
        *whole, last = value.data
        return f"<<{','.join([*map(str, whole), f'{last >> 8 - value.bits}:{value.bits}'])}>>"
    if isinstance(value, etf.ImproperList):
        return f"[{','.join(map(written, value))}|{written(value.tail)}]"
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, tuple):
        return "{" + ",".join(map(written, value)) + "}"
    assert isinstance(value, (dict, etf.Map))
    return "#{" + ",".join(f"{written(key)}=>{written(item)}" for key, item in value.items()) + "}"


def test_what_python_writes_comes_back_from_erlang_unchanged(node: Node, soak_factor: int) -> None:
    maker = Maker(seed=1)
    for _ in range(TERMS * soak_factor // BATCH):
        values = [maker.value(maker.random.randrange(3)) for _ in range(BATCH)]
        terms = [etf.dumps(value, style=RAW) for value in values]
        answers = cut(node.ask_batch(b"e", terms))
        assert len(answers) == len(values)
        for value, term, answer in zip(values, terms, answers):
            found = etf.loads(answer, style=RAW)
            # Only a map whose keys Erlang put into its own order is written differently: that takes longer to compare.
            assert etf.dumps(found, style=RAW) == term or exactly(found) == exactly(value)


def test_what_erlang_writes_comes_back_from_python_unchanged(node: Node, soak_factor: int) -> None:
    for batch in range(TERMS * soak_factor // BATCH):
        made = cut(node.ask(b"g", struct.pack(">IQ", BATCH, batch)))
        assert len(made) == BATCH
        back = [etf.dumps(etf.loads(term, style=RAW), style=RAW) for term in made]
        assert node.ask_batch(b"=", back) == b"same"


def test_erlang_understands_what_was_meant(node: Node) -> None:
    maker = Maker(seed=2)
    pairs: list[bytes] = []
    for _ in range(2_000):
        value = maker.value(maker.random.randrange(4))
        pairs += [etf.dumps(value, style=RAW), written(value).encode()]
    assert node.ask_batch(b"p", pairs).decode() == "same"


def test_text_arrives_as_a_charlist_of_its_code_points(node: Node) -> None:
    pick = random.Random(3)
    texts = ["", "a" * 65_535, "a" * 65_536, "é" * 70_000, "€" * 70_000, "\0\x7f\xff"]
    texts += ["".join(pick.choice("abé€😀\0") for _ in range(pick.randrange(50))) for _ in range(1_000)]
    pairs: list[bytes] = []
    for text in texts:
        pairs += [etf.dumps(text), text.encode()]
    assert node.ask_batch(b"u", pairs).decode() == "same"


def test_whatever_bytes_erlang_takes_for_a_term_python_takes_too(node: Node, soak_factor: int) -> None:
    pick = random.Random(4)
    seeds = [seed for seed in cut(node.ask(b"g", struct.pack(">IQ", 3_000, 99))) if len(seed) < 500 and seed[1] != 80]
    refused = wrong = 0
    for _ in range(4 * soak_factor):
        fuzzed = []
        for seed in pick.sample(seeds, 2_000):
            bytes_ = bytearray(seed)
            for _ in range(pick.randrange(1, 3)):
                at = pick.randrange(1, len(bytes_))
                bytes_[at] = pick.choice((0, 1, 255, pick.randrange(256), bytes_[at] ^ 1))
            fuzzed.append(bytes(bytes_))
        verdicts = node.ask_batch(b"f", fuzzed)
        back = []
        for term, verdict in zip(fuzzed, verdicts.decode()):
            try:
                value = etf.loads(term, style=RAW)
            except RemoteProtocolError as error:
                refused += 1
                if verdict == "y":
                    assert str(error).startswith(INTERNAL), term
                    back.append(term)
                continue
            if verdict == "y":
                back.append(etf.dumps(value, style=RAW))
            else:
                wrong += 1
        assert node.ask_batch(b"=", back).decode() == "same"
    assert refused > wrong  # we may be more tolerant than Erlang here and there, but seldom
