"""The curves of a training, in words that a newcomer can read: its losses, and its learning rate."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cyclegan.pages.languages import Language, Text
from cyclegan.pages.models import domain_name
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.runs.curves import Curve, loss_curves
from cyclegan.runs.run import Run


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
    """Return the losses of a run's history, named in a language; those of the two domains of CycleGAN apart."""
    return [replace(curve, name=_readable(curve.name, run).to(language)) for curve in loss_curves(run)]


def _readable(key: str, run: Run) -> Text:
    """Return the name of a loss: `gan_b` is the loss `gan` of domain b."""
    term, _, domain = key.rpartition("_")
    if domain not in ("a", "b"):
        term = key
    text = watch_texts.LOSS_NAMES.get(term) or Text.same(term.replace("_", " ").capitalize())
    return text if term == key else watch_texts.OF_DOMAIN.format(loss=text, domain=domain_name(run.domain(domain)))
