"""`bascule contract format`: what it writes means what was there, comments and all."""

from __future__ import annotations

import random

import pytest

from bascule.bridge.contracts import syntax
from bascule.bridge.contracts.formatting import format_text
from bascule.bridge.contracts.parser import parse
from bascule.bridge.contracts.sources import ContractError, Source, errors_in
from bascule.bridge.contracts.tokens import scan

PLAIN = """\
-- head

-- | mod
module A where

-- imports
import B -- why
import C

-- | X doc
-- more
data X -- here
  = X -- con
    { a :: Int32 -- a's
    -- | b's
    , b :: Maybe (List Int32) -- ^ bb
    }

data Y = P | Q -- q
  | R
-- alone

-- | T
data T {-# FOREIGN python a.b #-} -- pragma
  {-# FOREIGN rust c::d #-}
-- | f
f :: X -> IO Y -- tail
-- end
"""
EXTENDED = """\
{-# EXTENDED #-}
-- doc
module A where
import qualified B as C
type P a = List a -- alias
data S = C1 { a :: Int32 = 5 } | C2 -- two
  -- three
  | C3
data R x = R { t :: String = "a\\"b", u :: Bool = True, m :: Maybe Int32 = Nothing, e :: C.E = Red, n :: Double = -1e3 }
g :: R (P Int32) -> IO (Stream S) raises X, Y
"""
STRAWS = ("-- c\n", "-- c", "\n", "\n\n", " ", "  ", "--\n", "---- x\n", "-- | d\n", "-- ^ u\n", "\t", "\r\n")


def meaning(text: str) -> list[object]:
    """All that a file says, without its places; the documentation is a part of it."""
    file, problems = parse(Source("A.pg", text))
    if file is None or errors_in(problems):
        raise ContractError(errors_in(problems))
    return [file.name, file.doc, file.extended, *(each[:2] for each in file.imports), *map(_said, file.declarations)]


def _said(node: object) -> object:
    if isinstance(node, syntax.Data):
        pragmas = [(each.language, each.target) for each in node.pragmas]
        return node.name, node.parameters, pragmas, [_said(each) for each in node.constructors], node.doc
    if isinstance(node, syntax.Alias):
        return node.name, node.parameters, _said(node.type), node.doc
    if isinstance(node, syntax.Function):
        return node.name, *(_said(each) for each in (node.argument, node.codomain, *node.raises)), node.doc
    if isinstance(node, syntax.Constructor):
        return node.name, None if node.fields is None else [_said(each) for each in node.fields], node.doc
    if isinstance(node, syntax.Field):
        return node.name, _said(node.type), None if node.default is None else node.default.value, node.doc
    assert isinstance(node, syntax.Type)
    return node.name, [_said(each) for each in node.arguments]


def comments(text: str) -> list[str]:
    return sorted(each.text.strip() for each in scan(Source("A.pg", text)).comments)


@pytest.mark.parametrize("text", [PLAIN, EXTENDED], ids=["plain", "extended"])
def test_formatting_keeps_what_a_file_says_wherever_comments_and_blanks_fall(text: str, soak_factor: int) -> None:
    chance = random.Random(text)
    kept = 0
    for _ in range(600 * soak_factor):
        changed = text
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(changed) + 1)
            changed = changed[:at] + chance.choice(STRAWS) + changed[at:]
        try:
            said = meaning(changed)
            made = format_text("A.pg", changed)
        except ContractError:
            continue  # no definitions any more, or a comment where it would be lost
        assert meaning(made) == said, changed
        assert comments(made) == comments(changed), changed
        assert format_text("A.pg", made) == made, changed
        kept += 1
    assert kept > 100


def test_a_comment_behind_several_things_is_the_last_ones() -> None:
    text = "module A where\ndata X = X { a :: Int32, b :: Bool -- b's\n  , c :: Bool }\ndata E = P | Q -- nobody's\n"
    file, _ = parse(Source("A.pg", text))
    assert file is not None
    record, enum = file.declarations
    assert isinstance(record, syntax.Data)
    assert isinstance(enum, syntax.Data)
    assert [each.doc for each in record.constructors[0].fields or ()] == ["", "b's", ""]
    assert [each.doc for each in enum.constructors] == ["", ""]
