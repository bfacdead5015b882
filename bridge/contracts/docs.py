"""Which comments belong to which definition.

The whole-line comments right above a definition are its documentation; those of a field or a member stand above it too,
or behind it in the same line. Of several in one line, what stands above is the first one's and what stands behind the
last one's; what stands behind a definition of one line is nobody's. A leading `|` or `^`, as
Haddock has them, is left out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from bascule.bridge.contracts.tokens import Comment


class Docs:
    """The comments of one file, by the lines that they stand in."""

    def __init__(self, comments: list[Comment]) -> None:
        self._alone = {each.line: _cleaned(each.text) for each in comments if each.alone}
        self._behind = {each.line: _cleaned(each.text) for each in comments if not each.alone}
        self._lines = [each.line for each in comments]

    def within(self, first: int, last: int) -> bool:
        """Whether there is a comment in any of these lines."""
        return bisect_left(self._lines, first) < bisect_right(self._lines, last)

    def before(self, line: int) -> str:
        """The text of the comments that end in the line above."""
        line -= 1
        if line not in self._alone:
            return ""
        found = []
        while line in self._alone:
            found.append(self._alone[line])
            line -= 1
        return "\n".join(reversed(found)).strip()

    def behind(self, line: int) -> str:
        """The text of the comment that ends a line."""
        return self._behind.get(line, "")


def _cleaned(text: str) -> str:
    text = text.lstrip("-").strip()
    return text[1:].strip() if text[:1] in ("|", "^") else text
