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
    """Return the losses of a run's history; the mean of both directions of a CycleGAN."""
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in run.history():
        values: dict[str, list[float]] = defaultdict(list)
        for key, value in record.get("losses", {}).items():
            values[_term(key)].append(float(value))
        for term, each in values.items():
            points[term].append((int(record["epoch"]), round(sum(each) / len(each), 4)))
    return [Curve(_readable(term).to(language), tuple(each)) for term, each in points.items()]


def _term(key: str) -> str:
    """The key of a loss without its domain."""
    return key[:-2] if key.endswith(("_a", "_b")) else key


def _readable(term: str) -> Text:
    return watch_texts.LOSS_NAMES.get(term) or Text.same(term.replace("_", " ").capitalize())
