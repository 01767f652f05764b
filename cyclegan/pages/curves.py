"""The curves of a training, in words that a newcomer can read: its losses, and its learning rate."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from cyclegan.pages.languages import Language, Text
from cyclegan.pages.models import domain_name
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
    """The losses of a run's history. Those of CycleGAN's directions are shown as their mean, but apart where one of
    them rests for a time: the mean would jump there."""
    history = [(int(record["epoch"]), record.get("losses", {})) for record in run.history()]
    resting = {
        term
        for term in {_term(key) for _, losses in history for key in losses}
        if len({keys for _, losses in history if (keys := frozenset(key for key in losses if _term(key) == term))}) > 1
    }
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for epoch, losses in history:
        values: dict[str, list[float]] = defaultdict(list)
        for key, value in losses.items():
            values[key if _term(key) in resting else _term(key)].append(float(value))
        for name, each in values.items():
            points[name].append((epoch, round(sum(each) / len(each), 4)))
    return [Curve(_readable(name, run).to(language), tuple(each)) for name, each in points.items()]


def _term(key: str) -> str:
    """The key of a loss without its domain."""
    return key[:-2] if key.endswith(("_a", "_b")) else key


def _readable(name: str, run: Run) -> Text:
    term = _term(name)
    text = watch_texts.LOSS_NAMES.get(term) or Text.same(term.replace("_", " ").capitalize())
    if term == name:
        return text
    return watch_texts.OF_DOMAIN.format(loss=text, domain=domain_name(run.domain(name[-1])))
