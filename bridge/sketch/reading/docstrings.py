"""Docstrings in their parts, where they are written in a known style."""

from __future__ import annotations

import re
from contextlib import suppress

import griffe

from bascule.bridge.sketch.model import Doc, Documented

_RULE = re.compile(r"^([=~*#^-])\1{2,}$", re.MULTILINE)  # under or above a title
_STYLES = (
    ("numpy", re.compile(r"^(?:Parameters|Returns|Raises|Attributes|Yields)\n-{3,}\s*$", re.MULTILINE)),
    ("google", re.compile(r"^(?:Args|Arguments|Parameters|Params|Returns|Raises|Yields|Attributes):[ ]*\n +\S", re.M)),
    ("sphinx", re.compile(r"^\s*:(?:param|parameter|arg|raises?|returns?|rtype)\b", re.MULTILINE)),
)


def read_docstring(text: str) -> Doc:
    """A docstring (without its indentation) in its parts."""
    summary = " ".join(_RULE.sub("", text.partition("\n\n")[0]).split())
    style = next((name for name, pattern in _STYLES if pattern.search(text)), None)
    if style is None:
        return Doc(text, summary)
    parameters: list[Documented] = []
    raises: list[Documented] = []
    returns: str | None = None
    sections: list[griffe.DocstringSection] = []
    with suppress(Exception):  # a docstring is anything at all; its text is told in any case
        options = {} if style == "sphinx" else {"warnings": False}
        sections = griffe.Docstring(text).parse(griffe.Parser(style), **options)
    for section in sections:
        if section.kind in (griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.other_parameters):
            parameters += [_documented(one) for one in section.value]
        elif section.kind is griffe.DocstringSectionKind.raises:
            raises += [Documented(str(one.annotation), one.description.strip()) for one in section.value]
        elif section.kind is griffe.DocstringSectionKind.returns:
            returned = [one.description.strip() or str(one.annotation or "") for one in section.value]
            returns = "\n".join(returned) or None
    return Doc(text, summary, tuple(parameters), returns, tuple(raises))


def _documented(one: griffe.DocstringParameter) -> Documented:
    return Documented(one.name, one.description.strip(), None if one.annotation is None else str(one.annotation))
