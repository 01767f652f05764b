"""The curves of a training, in words that a newcomer can read: its losses, and its learning rate."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cyclegan.pages.languages import Language, Text
from cyclegan.pages.models import domain_name
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.runs.run import Run, RunError

log = logging.getLogger(__name__)

MOST_POINTS = 2000
"""Points of a curve on a page: a screen shows no more, and a history may have 100 curves."""


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


def history_of(run: Run) -> list[dict[str, Any]]:
    """Return a run's history for a page. A damaged one is logged and counts as empty: pictures need none."""
    try:
        return run.history()
    except RunError as error:
        log.warning("no curves are shown: %s", error)
        return []


def plots_of(run: Run, title: str, language: Language) -> list[Plot]:
    """Return the plots of a run's history, named in a language, without those that would be empty."""
    history = history_of(run)
    shown = history[:: -(-len(history) // MOST_POINTS) or 1]
    losses = Plot(watch_texts.LOSSES.format(title=title).to(language), tuple(curves_of(run, shown, language)))
    name = watch_texts.LEARNING_RATE.to(language)
    rates = tuple((each["epoch"], each["learning_rate"]) for each in shown if "learning_rate" in each)
    rate = Plot(f"{title}: {name}", (Curve(name, rates),) if rates else (), from_zero=True)
    return [plot for plot in (losses, rate) if plot.curves]


def curves_of(run: Run, history: Sequence[dict[str, Any]], language: Language = "en") -> list[Curve]:
    """Return the losses of a run in these records. Those of CycleGAN's directions are shown as their mean, but apart
    where one of them rests for a time: the mean would jump there."""
    domains: dict[str, set[frozenset[str]]] = defaultdict(set)
    for keys in {frozenset(record.get("losses", {})) for record in history}:
        for term in {_term(key) for key in keys}:
            domains[term].add(keys & {term, f"{term}_a", f"{term}_b"})
    resting = {term for term, found in domains.items() if len(found) > 1}
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in history:
        values: dict[str, list[float]] = defaultdict(list)
        for key, value in record.get("losses", {}).items():
            values[key if _term(key) in resting else _term(key)].append(value)
        for name, each in values.items():
            points[name].append((record["epoch"], round(sum(each) / len(each), 4)))
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
