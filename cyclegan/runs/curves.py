"""The losses of a run, epoch by epoch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from cyclegan.runs.run import Run


@dataclass(frozen=True)
class Curve:
    """A value by epoch: (epoch, value) in ascending order."""

    name: str
    points: tuple[tuple[int, float], ...]


def loss_curves(run: Run) -> list[Curve]:
    """Return a curve for each loss of the history, named as in the log: `gan_b`, `cycle_a`."""
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in run.history():
        for key, value in record.get("losses", {}).items():
            points[key].append((int(record["epoch"]), round(float(value), 4)))
    return [Curve(key, tuple(each)) for key, each in points.items()]
