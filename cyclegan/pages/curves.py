"""Loss curves of a run, in words that a newcomer can read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from cyclegan.pages import watch_texts
from cyclegan.pages.languages import Language, Text
from cyclegan.runs import Run


@dataclass(frozen=True)
class Curve:
    """A loss by epoch: (epoch, value) in ascending order."""

    name: str
    points: tuple[tuple[int, float], ...]


def curves_of(run: Run, language: Language = "en") -> list[Curve]:
    """The losses of a run's history, named for readers; those of CycleGAN's two directions are shown as their mean."""
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in run.history():
        terms: dict[str, list[float]] = defaultdict(list)
        for key, value in record.get("losses", {}).items():
            terms[_without_domain(key)].append(float(value))
        for key, values in terms.items():
            points[key].append((int(record["epoch"]), round(sum(values) / len(values), 4)))
    return [Curve(_readable(key).to(language), tuple(values)) for key, values in points.items()]


def _without_domain(key: str) -> str:
    return key[:-2] if key.endswith(("_a", "_b")) else key


def _readable(key: str) -> Text:
    return watch_texts.LOSS_NAMES.get(key) or Text.same(key.replace("_", " ").capitalize())
