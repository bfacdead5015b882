"""Lays boxes out in a rectangle, each as large as its weight and none much longer than wide."""

from __future__ import annotations

from dataclasses import dataclass

Placed = tuple["Box", float, float, float, float]


@dataclass(frozen=True)
class Box:
    """What is to be laid out."""

    name: str
    weight: int


def treemap(boxes: list[Box], width: float, height: float) -> list[Placed]:
    """Where each box lies: left, top, width, height. Rows are filled along the shorter side as long as that makes
    the boxes in them squarer.
    """
    waiting = sorted((box for box in boxes if box.weight > 0), key=lambda box: (-box.weight, box.name))
    total = sum(box.weight for box in waiting)
    placed: list[Placed] = []
    left = top = 0.0
    while waiting:
        scale = width * height / total
        side = min(width, height)
        count = 1
        while count < len(waiting) and _worst(waiting[: count + 1], side, scale) <= _worst(
            waiting[:count], side, scale
        ):
            count += 1
        row, waiting = waiting[:count], waiting[count:]
        weight = sum(box.weight for box in row)
        total -= weight
        depth = weight * scale / side
        along = 0.0
        for box in row:
            length = box.weight * scale / depth
            if width >= height:
                placed.append((box, left, top + along, depth, length))
            else:
                placed.append((box, left + along, top, length, depth))
            along += length
        if width >= height:
            left, width = left + depth, width - depth
        else:
            top, height = top + depth, height - depth
    return placed


def _worst(row: list[Box], side: float, scale: float) -> float:
    """The least square box of a row, as a ratio of its sides."""
    depth = sum(box.weight for box in row) * scale / side
    return max(max(length / depth, depth / length) for length in (box.weight * scale / depth for box in row))
