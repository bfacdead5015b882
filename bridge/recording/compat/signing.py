"""Signatures of an api.json, joined as python-record-api does it.

A signature is worked on with every field present (`opened`), and written without the empty ones (`closed`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bascule.bridge.recording.compat.joining import BOTTOM, Told, unify

MOST_UNNAMED_OPTIONAL = 2
FIELDS = (
    *("pos_only_required", "pos_only_optional", "pos_only_optional_ordering"),
    *("pos_or_kw_required", "pos_or_kw_optional", "pos_or_kw_optional_ordering", "var_pos"),
    *("kw_only_required", "kw_only_optional", "var_kw", "metadata"),
)


def opened(told: Told) -> Told:
    """With all fields; what the old tool does not know, results and `static`, is left out."""
    made: Told = {}
    for field in FIELDS:
        given = told.get(field)
        if field in ("var_pos", "var_kw"):
            made[field] = list(given) if given else None
        elif field.endswith("_ordering"):
            made[field] = [list(pair) for pair in given or ()]
        else:
            made[field] = dict(given or {})
    return made


def closed(signature: Told) -> Told:
    """Without what is empty."""
    return {field: signature[field] for field in FIELDS if signature[field]}


def same_content(left: Told, right: Told) -> bool:
    """Whether two differ in their counts alone."""
    return all(left[field] == right[field] for field in FIELDS if field != "metadata")


def join_signature(mine: Told, theirs: Told) -> None:
    """Take in the second, which is used up."""
    _join_positional(mine, theirs)
    _join_either(mine, theirs)
    mine["var_pos"] = _join_rest(mine["var_pos"], theirs["var_pos"])
    _join_keywords(mine, theirs)
    mine["var_kw"] = _join_rest(mine["var_kw"], theirs["var_kw"])
    add_counts(mine["metadata"], theirs["metadata"])
    if mine["var_pos"] or len(mine["pos_only_optional"]) > MOST_UNNAMED_OPTIONAL:
        name, of = mine["var_pos"] or ("_args", BOTTOM)
        mine["var_pos"] = [name, unify([of, *mine["pos_only_optional"].values()])]
        mine["pos_only_optional"], mine["pos_only_optional_ordering"] = {}, []


def add_counts(into: dict[str, int], more: dict[str, int]) -> None:
    """Counts are added, even of one label: an API joined with itself doubles them."""
    for label, count in more.items():
        into[label] = into.get(label, 0) + count


def _join_positional(mine: Told, theirs: Told) -> None:
    """Those by position alone: what both require, in order, stays so; the rest becomes optional."""
    ours, others = list(mine["pos_only_required"].items()), list(theirs["pos_only_required"].items())
    both = min(len(ours), len(others))
    # Where the names differ the old tool fails; the first stays.
    mine["pos_only_required"] = {
        name: unify((left, right)) for (name, left), (_, right) in zip(ours[:both], others[:both], strict=True)
    }
    between = [
        [list(new)[-1], next(iter(old["pos_only_optional"]))]
        for new, old in ((dict(ours[both:]), mine), (dict(others[both:]), theirs))
        if new and old["pos_only_optional"]
    ]
    _unify_into(mine["pos_only_optional"], dict(ours[both:]), theirs["pos_only_optional"], dict(others[both:]))
    _extend(
        mine["pos_only_optional_ordering"],
        theirs["pos_only_optional_ordering"],
        _chain(dict(ours[both:])),
        _chain(dict(others[both:])),
        between,
    )


def _join_either(mine: Told, theirs: Told) -> None:
    ours, others = mine["pos_or_kw_required"], theirs["pos_or_kw_required"]
    our_new = {name: of for name, of in ours.items() if name not in others}
    their_new = {name: of for name, of in others.items() if name not in ours}
    mine["pos_or_kw_required"] = {name: unify((of, others[name])) for name, of in ours.items() if name in others}
    _unify_into(mine["pos_or_kw_optional"], their_new, our_new, theirs["pos_or_kw_optional"])
    _extend(
        mine["pos_or_kw_optional_ordering"],
        theirs["pos_or_kw_optional_ordering"],
        _chain(our_new),
        _chain(their_new),
    )


def _join_keywords(mine: Told, theirs: Told) -> None:
    both = mine["kw_only_required"].keys() & theirs["kw_only_required"].keys()
    for each in (mine, theirs):
        _move(mine["kw_only_optional"], each["kw_only_required"], each["kw_only_required"].keys() - both)
    _unify_into(mine["kw_only_required"], theirs["kw_only_required"])
    _unify_into(mine["kw_only_optional"], theirs["kw_only_optional"])
    for need in ("required", "optional"):  # what can be given by position as well has its place there
        into, source = mine[f"pos_or_kw_{need}"], mine[f"kw_only_{need}"]
        _move(into, source, source.keys() & into.keys())


def _join_rest(left: Any, right: Any) -> Any:
    if not left or not right:
        return left or right
    return [left[0], unify((left[1], right[1]))]


def _unify_into(into: Told, *more: Told) -> None:
    for each in more:
        for name, of in each.items():
            into[name] = unify((into[name], of)) if name in into else of


def _move(into: Told, source: Told, names: Iterable[str]) -> None:
    chosen = set(names)
    for name in [each for each in source if each in chosen]:
        _unify_into(into, {name: source.pop(name)})


def _chain(names: Told) -> list[list[str]]:
    ordered = list(names)
    return [list(pair) for pair in zip(ordered, ordered[1:], strict=False)]


def _extend(into: list[list[str]], *more: list[list[str]]) -> None:
    for each in more:
        into += [pair for pair in each if pair not in into]
