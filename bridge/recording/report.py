"""`record report`: what is used most, as a table for a terminal or as one page that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bascule.bridge.recording.annotations import Scope
from bascule.bridge.recording.apis import API, Attribute, Function
from bascule.bridge.recording.signatures import Usage
from bascule.bridge.recording.treemap import Box, treemap

_MOST_ON_PAGE = 2000
_WIDTH, _HEIGHT = 1200, 480


@dataclass(frozen=True)
class Use:
    """One function, method or attribute, as the report shows it."""

    module: str
    name: str
    usage: Usage
    parameters: tuple[tuple[str, str], ...]
    gives: str

    @property
    def count(self) -> int:
        """By all labels together."""
        return sum(self.usage.values())


def uses(api: API) -> list[Use]:
    """Everything that was used, most used first."""
    return sorted(_all(api), key=lambda use: (-use.count, use.module, use.name))


def _all(api: API) -> Iterator[Use]:
    for name, module in api.modules.items():
        scope = Scope(name, {each: set(of.classes) for each, of in api.modules.items()}, set())
        for each, function in module.functions.items():
            yield _of_function(scope, name, f"{each}()", function)
        for each, attribute in module.properties.items():
            yield _of_attribute(scope, name, each, attribute)
        for owner, of in module.classes.items():
            if of.constructor is not None:
                yield _of_function(scope, name, f"{owner}()", of.constructor)
            for each, function in [*of.methods.items(), *of.classmethods.items()]:
                yield _of_function(scope, name, f"{owner}.{each}()", function)
            for each, attribute in [*of.properties.items(), *of.classproperties.items()]:
                yield _of_attribute(scope, name, f"{owner}.{each}", attribute)


def _of_function(scope: Scope, module: str, name: str, function: Function) -> Use:
    whole = function.whole
    names = [*whole.ordered("pos_only"), *whole.ordered("pos_or_kw"), *whole.ordered("kw_only")]
    told = [
        (f"{each}{'' if each in whole.required else '?'}", scope.annotate(whole.parameters[each].type))
        for each in names
    ]
    if whole.var_pos is not None:
        told.append((f"*{whole.var_pos[0]}", scope.annotate(whole.var_pos[1])))
    if whole.var_kw is not None:
        told.append((f"**{whole.var_kw[0]}", scope.annotate(whole.var_kw[1])))
    return Use(module, name, whole.usage, tuple(told), scope.annotate(whole.returns))


def _of_attribute(scope: Scope, module: str, name: str, attribute: Attribute) -> Use:
    return Use(module, name, attribute.usage, (), scope.annotate(attribute.type))


def show(api: API, *, top: int, page: Path | None) -> None:
    """Print the table, or write the page."""
    if page is not None:
        page.write_text(as_page(api))
        return
    found = uses(api)
    labels = sorted({label for use in found for label in use.usage})
    table = Table(
        title=f"{len(found)} functions and attributes of {len(api.modules)} modules are used", title_justify="left"
    )
    table.add_column("used", justify="right")
    for label in labels if len(labels) > 1 else ():
        table.add_column(label.removeprefix("usage."), justify="right")
    table.add_column("what", overflow="fold")
    table.add_column("with", overflow="fold")
    for use in found[: max(0, top)]:
        each = [str(use.usage.get(label, "")) for label in labels] if len(labels) > 1 else []
        given = ", ".join(f"{name}: {said}" for name, said in use.parameters)
        table.add_row(str(use.count), *each, f"{use.module}.{use.name}", given)
    Console().print(table)


def as_page(api: API) -> str:
    """One page of HTML with its style, its script and a treemap in it."""
    found = uses(api)
    labels = sorted({label for use in found for label in use.usage})
    by_module: dict[str, int] = {}
    for use in found:
        by_module[use.module] = by_module.get(use.module, 0) + use.count
    boxes = treemap([Box(name, count) for name, count in by_module.items()], _WIDTH, _HEIGHT)
    map_ = "".join(_rectangle(*each) for each in boxes)
    heads = "".join(f"<th>{_text(label.removeprefix('usage.'))}</th>" for label in labels)
    rows = "".join(_row(use, labels) for use in found[:_MOST_ON_PAGE])
    left_out = f"<p>{len(found) - _MOST_ON_PAGE} more are not shown.</p>" if len(found) > _MOST_ON_PAGE else ""
    return (
        "<!doctype html>\n<html lang=en><meta charset=utf-8><title>Which API is used</title>\n"
        f"<style>{_STYLE}</style>\n<h1>Which API is used</h1>\n"
        f"<p>{len(found)} functions and attributes of {len(api.modules)} modules.</p>\n"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role=img aria-label="modules by use">{map_}</svg>\n'
        "<p><input id=wanted placeholder='part of a name' aria-label='part of a name'></p>\n"
        f"<table><thead><tr><th>used</th>{heads}<th>what</th><th>with</th><th>gives</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{left_out}\n<script>{_SCRIPT}</script>\n</html>\n"
    )


def _rectangle(box: Box, left: float, top: float, width: float, height: float) -> str:
    hue = sum(map(ord, box.name)) * 47 % 360
    size = min(18.0, max(8.0, width / max(1, len(box.name)) * 1.6))
    place = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
    label = ""
    if width > 40 and height > 14:
        label = f'<text x="{left + 4:.1f}" y="{top + size + 2:.1f}" font-size="{size:.0f}">{_text(box.name)}</text>'
    title = f"<title>{_text(box.name)}: {box.weight}</title>"
    return f'<g>{title}<rect {place} fill="hsl({hue} 55% 78%)" stroke="white"/>{label}</g>'


def _row(use: Use, labels: list[str]) -> str:
    counts = "".join(f"<td class=n>{use.usage.get(label, '')}</td>" for label in labels)
    given = "<br>".join(f"<b>{_text(name)}</b>: {_text(said)}" for name, said in use.parameters)
    what = f"{use.module}.{use.name}"
    cells = f"<td class=n>{use.count}</td>{counts}<td>{_text(what)}</td><td>{given}</td><td>{_text(use.gives)}</td>"
    return f"<tr>{cells}</tr>\n"


def _text(text: str) -> str:
    return html.escape(text, quote=True)


_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2em;color:#222;background:#fff}svg{width:100%;height:auto}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.25em .6em;border-bottom:1px solid #ddd;"
    "text-align:left;vertical-align:top}td.n{text-align:right}input{font:inherit;padding:.3em;width:20em}"
)
_SCRIPT = (
    "const w=document.getElementById('wanted');w.oninput=()=>{for(const r of document.querySelectorAll('tbody tr'))"
    "r.hidden=!r.textContent.toLowerCase().includes(w.value.toLowerCase())}"
)
