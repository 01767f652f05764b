"""Runs that are still being trained: whether one is, and whether its folder has changed since the page last looked."""

from __future__ import annotations

from cyclegan.pages.models import Model, Models
from cyclegan.pages.watch.curves import history_of
from cyclegan.runtime.files import last_change

FOLLOW_SECONDS = 4.0
"""Between two looks at a run that is being trained: an epoch takes longer, and a look is two calls of `stat`."""


Stamps = list[list[int]]
"""For each model, when its files were last written, in nanoseconds; 0 where there is none."""


def stamps(models: Models) -> Stamps:
    """Changes exactly when an epoch has been finished or judged, or a folder gone.

    Training writes an epoch's samples and networks first and its line of history last, so that this line stands for
    all of them.
    """
    return [_stamp(model) for model in models.models]


def newly_gone(models: Models, seen: Stamps) -> list[Model]:
    """The models whose folder was there when these stamps were taken, and is no longer."""
    return [model for model, (run, *_) in zip(models.models, seen, strict=True) if run and not model.is_there]


def is_learning(model: Model) -> bool:
    """Whether a run's training may go on while somebody watches: a published run has left its checkpoint at home, and
    stays as it is."""
    run = model.translator.run
    return ((run.folder / "checkpoint.pt").exists() or not run.epochs) and not has_ended(model)


def has_ended(model: Model) -> bool:
    """Whether there will be no more epochs: all are there, or the folder is gone."""
    run = model.translator.run
    history = history_of(run)
    return not model.is_there or (bool(history) and int(history[-1]["epoch"]) >= run.config.total_epochs)


def _stamp(model: Model) -> list[int]:
    folder = model.translator.run.folder
    run, history, metrics = (last_change(folder / name) for name in ("run.json", "history.jsonl", "metrics.json"))
    return [run if model.is_there else 0, history, metrics]
