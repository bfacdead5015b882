"""How modern Python text is written: docstrings, and what stands at the head of a file."""

from __future__ import annotations

import textwrap

WIDTH = 100


def docstring(text: str, indent: int) -> list[str]:
    """A docstring's lines; whatever a comment says can stand in it."""
    space = " " * indent
    text = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text).strip()
    text = text.replace("\\", "\\\\")
    if text.endswith('"'):
        text = text[:-1] + '\\"'
    text = text.replace('"""', '\\"\\"\\"')
    # A word is never cut: half of an escape is none.
    wrapper = textwrap.TextWrapper(WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    lines = [piece for line in text.splitlines() for piece in (wrapper.wrap(line) or [""])]
    if len(lines) <= 1:
        return [f'{space}"""{"".join(lines)}"""']
    body = [f"{space}{line}".rstrip() for line in lines[1:]]
    return [f'{space}"""{lines[0]}', *body, f'{space}"""']


def header(module: str, doc: str) -> str:
    """The docstring of a generated module."""
    first = doc.strip() or f"The module {module}."
    return "\n".join(docstring(f"{first}\n\nMade from {module}.pg by `bascule contract generate`: do not edit.", 0))
