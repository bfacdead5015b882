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
    laid: list[Token] = []
    add = laid.append
    block = 0  # the column of the open block
    opening = False
    seen_where = False
    for token in tokens:
        if opening:
            opening = False
            block = _column(token, text)
            add(Token(Kind.BLOCK_OPEN, "", token.offset, token.line, 0))
        elif block and token.column:
            if token.column == block:
                add(Token(Kind.BLOCK_NEXT, "", token.offset, token.line, 0))
            elif token.column < block:
                add(Token(Kind.BLOCK_CLOSE, "", token.offset, token.line, 0))
                block = 0
        if token.kind is Kind.WHERE and not seen_where:
            opening = seen_where = True
        elif token.kind is Kind.END and block:
            add(Token(Kind.BLOCK_CLOSE, "", token.offset, token.line, 0))
        add(token)
    return laid


def _column(token: Token, text: str) -> int:
    """Of a token that may stand anywhere in its line."""
    start = text.rfind("\n", 0, token.offset) + 1
    return token.column or advance(1, text[start : token.offset])
