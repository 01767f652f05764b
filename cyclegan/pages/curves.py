"""The curves of a training, in words that a newcomer can read: its losses, and its learning rate."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from cyclegan.pages.languages import Language, Text
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.runs.run import Run


@dataclass(frozen=True)
class Curve:
    """A value by epoch: (epoch, value) in ascending order."""

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Plot:
    """Curves with a common axis, which is logarithmic where it can be, or begins at zero."""

    title: str
    curves: tuple[Curve, ...]
    from_zero: bool = False


def plots_of(run: Run, title: str, language: Language) -> list[Plot]:
    """The plots of a run's history, named in a language; without those that would be empty."""
    losses = Plot(watch_texts.LOSSES.format(title=title).to(language), tuple(curves_of(run, language)))
    name = watch_texts.LEARNING_RATE.to(language)
    rates = tuple(
        (int(each["epoch"]), float(each["learning_rate"])) for each in run.history() if "learning_rate" in each
    )
    rate = Plot(f"{title}: {name}", (Curve(name, rates),) if rates else (), from_zero=True)
    return [plot for plot in (losses, rate) if plot.curves]


def curves_of(run: Run, language: Language = "en") -> list[Curve]:
    """The losses of a run's history; those of CycleGAN's directions are shown as their mean."""
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
