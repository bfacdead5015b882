"""Layout: from lines and columns to the tokens that hold a module's body together.

`where` opens a block at the column of the word after it. Each later word that is the first of its line says by its
column what it is: in the block's column it begins the next declaration, left of it it ends the block, right of it it
goes on with the declaration before. The end of the file is a word like any other, so a file that does not end with a
line break leaves its last declaration open, and so does a body that does not stand in the first column: Gugugu takes
neither, and what it refuses is refused here too.
"""

from __future__ import annotations

from itertools import compress
from typing import NamedTuple

from bascule.bridge.contracts.tokens import Kind, Scanned, advance


class Tokens(NamedTuple):
    """The words of a file with the ends of its declarations and of its body among them, as lists of one length.

    Three lists, rather than one of tokens, since a large file has a hundred thousand: the last of each is the file's
    end.
    """

    kinds: list[Kind]
    texts: list[str]
    starts: list[int]


def lay_out(scanned: Scanned, text: str) -> Tokens:
    """The tokens of one file. The lists of `scanned` are used up."""
    kinds, texts, starts = scanned.kinds, scanned.texts, scanned.starts
    firsts = scanned.firsts
    kinds.append(Kind.END)
    texts.append("")
    starts.append(len(text))
    if scanned.end_column:
        firsts.append((len(kinds) - 1, scanned.end_column))
    closed = False
    if Kind.WHERE in kinds:
        where = kinds.index(Kind.WHERE)
        opener = next(at for at in range(where + 1, len(kinds)) if kinds[at] is not None)
        block = advance(1, text[text.rfind("\n", 0, starts[opener]) + 1 : starts[opener]])
        for at, column in firsts:
            if column > block or at <= opener:
                continue
            # Before the first word of a line there is a line break at least, and its place is free.
            closed = column < block
            kinds[at - 1] = Kind.BLOCK_CLOSE if closed else Kind.BLOCK_NEXT
            texts[at - 1] = ""
            starts[at - 1] = starts[at]
            if closed:
                break
        if not closed:
            kinds.insert(-1, Kind.BLOCK_CLOSE)
            texts.insert(-1, "")
            starts.insert(-1, len(text))
    return Tokens(
        [kind for kind in kinds if kind is not None], list(compress(texts, kinds)), list(compress(starts, kinds))
    )
