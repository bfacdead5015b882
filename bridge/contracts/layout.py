"""Layout: from lines and columns to the three tokens that hold a module's body together.

`where` opens a block at the column of the token after it. Each later token that is the first of its line says by its
column what it is: in the block's column it begins the next declaration, left of it it ends the block, right of it it
goes on with the declaration before. The end of the file is a token like any other, so a file that does not end with a
line break leaves its last declaration open, and so does a body that does not stand in the first column: Gugugu takes
neither, and what it refuses is refused here too.
"""

from __future__ import annotations

from bascule.bridge.contracts.tokens import Kind, Token, advance


def lay_out(tokens: list[Token], text: str) -> list[Token]:
    """The tokens of one file, with those of its block put in."""
    where = next((index for index, token in enumerate(tokens) if token.kind is Kind.WHERE), None)
    if where is None:
        return tokens
    at = where + 1
    first = tokens[at]
    block = _column(first, text)
    laid = [*tokens[:at], Token(Kind.BLOCK_OPEN, "", first.offset, first.line, 0)]
    for index in [index for index, token in enumerate(tokens) if token.column and index > at]:
        token = tokens[index]
        if token.column > block:
            continue
        closes = token.column < block
        laid += tokens[at:index]
        laid.append(Token(Kind.BLOCK_CLOSE if closes else Kind.BLOCK_NEXT, "", token.offset, token.line, 0))
        at = index
        if closes:
            return laid + tokens[at:]
    end = tokens[-1]
    return [*laid, *tokens[at:-1], Token(Kind.BLOCK_CLOSE, "", end.offset, end.line, 0), end]


def _column(token: Token, text: str) -> int:
    """Of a token that may stand anywhere in its line."""
    start = text.rfind("\n", 0, token.offset) + 1
    return token.column or advance(1, text[start : token.offset])
