"""The curves of a training, in words that a newcomer can read: its losses, and its learning rate."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cyclegan.pages.languages import Language, Text
from cyclegan.pages.models import domain_name
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.runs.history import Curve, loss_curves
from cyclegan.runs.run import Run, RunError

log = logging.getLogger(__name__)

MOST_POINTS = 2000
"""Points of a curve on a page: a screen shows no more, and a history may have 100 curves."""


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
    """Return the losses of a run in these records, named in a language; those of CycleGAN's domains apart."""
    return [replace(curve, name=_readable(curve.name, run).to(language)) for curve in loss_curves(history)]


def _readable(key: str, run: Run) -> Text:
    """Return the name of a loss: `gan_b` is the loss `gan` of domain b."""
    term, _, domain = key.rpartition("_")
    if domain not in ("a", "b"):
        term = key
    text = watch_texts.LOSS_NAMES.get(term) or Text.same(term.replace("_", " ").capitalize())
    return text if term == key else watch_texts.OF_DOMAIN.format(loss=text, domain=domain_name(run.domain(domain)))
