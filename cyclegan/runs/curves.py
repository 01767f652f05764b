"""The losses of a run, epoch by epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Curve:
    """A value by epoch: (epoch, value) in ascending order."""

    name: str
    points: tuple[tuple[int, float], ...]


def loss_curves(history: Sequence[dict[str, Any]]) -> list[Curve]:
    """Return a curve for each loss of a run's history, named as in the log: `gan_b`, `cycle_a`."""
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in history:
        for key, value in record.get("losses", {}).items():
            points[key].append((record["epoch"], round(value, 4)))
    return [Curve(key, tuple(each)) for key, each in points.items()]
