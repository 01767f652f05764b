"""Measure the epochs of runs: `python -m cyclegan.evaluation RUN --dataset facades`."""

from __future__ import annotations

import io
import math
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from tqdm import tqdm

from cyclegan.config import ConfigError, Direction, Precision
from cyclegan.data.datasets import DatasetError
from cyclegan.data.downloads import DownloadError
from cyclegan.data.hub_datasets import pinned
from cyclegan.evaluation.comparison import Comparison, ComparisonError, Plan, Row, plain, plan
from cyclegan.evaluation.measuring import (
    CEILING,
    UNTRANSLATED,
    WHOLE,
    Bench,
    Instruments,
    Measured,
    instruments,
    references,
    translations,
    with_figures,
)
from cyclegan.evaluation.report import protocol, to_markdown
from cyclegan.images.io import ImageError
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import RunError
from cyclegan.runs.scores import CHOSEN_ON, ScoresError, merge, read_scores, write_scores
from cyclegan.runtime import distributed
from cyclegan.runtime.devices import choose_precision, pick_device
from cyclegan.training.checkpoint import exclusive
from cyclegan.translate.translator import Translator

PROG = "python -m cyclegan.evaluation"
USAGE_ERRORS = (
    *(ComparisonError, ConfigError, DatasetError, DownloadError, ImageError, RunError, ScoresError, WeightsError),
)


@dataclass(frozen=True)
class Evaluate:
    """Translate a split with every epoch of a run and measure the results: the figures go to metrics.json in the run
    and to the records of its history, tables to standard output as Markdown.

    torchrun --nproc_per_node 8 -m cyclegan.evaluation RUN: the processes share the images among them.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of the runs."""
    dataset: str | None = None
    """A named dataset, one of the Hub, hf:owner/name, or the path of a folder; that of the run unless given."""
    split: str = CHOSEN_ON
    """Split of the dataset: val, test, train. On every second image of val the best epoch is chosen, and figures are of
    the others."""
    epochs: Literal["all", "last"] | tuple[int, ...] = "all"
    """Epochs that are measured: all, the last, or those of these numbers."""
    limit: int | None = None
    """Images of the split, the first by name; all of them unless given. Figures of a part are shown, but not kept."""
    device: str = "auto"
    """auto (CUDA, else Apple's GPU, else CPU), cpu, cuda, cuda:1, mps."""
    precision: Precision = "fp32"
    """fp32, so that the figures are the same everywhere; auto or bf16 are faster on some machines."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, 1 where the disk refuses or another process of torchrun is gone,
    2 for a mistake in the input."""
    try:
        with distributed.joined():
            _evaluate(tyro.cli(Evaluate, args=arguments, prog=PROG), f"{PROG} {shlex.join(arguments)}")
    except USAGE_ERRORS as error:
        sys.stderr.write(f"cyclegan.evaluation: {' '.join(str(error).split())}\n")
        return 2
    except (OSError, distributed.LostError) as error:
        sys.stderr.write(f"cyclegan.evaluation: {error}\n")
        return 1
    return 0


def _evaluate(command: Evaluate, line: str) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # arrows and names, whatever the terminal was set to
    device = pick_device(command.device)
    dtype = distributed.from_first(lambda: choose_precision(device, command.precision))
    if chosen := command.dataset:  # of one commit in all runs and processes
        command = replace(command, dataset=distributed.from_first(lambda: pinned(chosen)))
    with distributed.first_on_machine():  # the dataset and the weights may have to be downloaded
        jobs = [(each, *_chosen(each, command)) for each in command.runs]
        tools = instruments(device)
    first = distributed.is_first()
    for folder, planned, epochs in jobs:
        with (
            exclusive(folder),
            tqdm(
                total=len(epochs) * sum(len(distributed.own_items(range(each.count))) for each in planned.targets),
                unit="img",
                dynamic_ncols=True,
                leave=False,
                disable=None if first else True,  # None: where nobody looks
            ) as bar,
        ):
            found = evaluate(planned, epochs, tools, device=device, dtype=dtype, on_progress=bar.update)
            kept = keep(planned, found) if first and command.limit is None else found.scores
        if not first:
            continue
        sys.stdout.write(to_markdown(found.table, line) + "\n")
        for judged in kept["directions"].values():
            if best := judged["best"]:
                route = f"{judged['source']} → {judged['target']}"
                sys.stdout.write(f"{route}: epoch {best['epoch']} is the best: {best['rule']}.\n\n")
        sys.stderr.write(f"{folder / 'metrics.json'} is {'written' if command.limit is None else 'left as it was'}\n")


def _chosen(folder: Path, command: Evaluate) -> tuple[Plan, tuple[int, ...]]:
    """What is measured of a run."""
    planned = plan([folder], dataset=command.dataset, split=command.split, limit=command.limit)
    ((_, run, _),) = planned.runs
    if command.epochs == "all":
        return planned, run.epochs
    return planned, run.epochs[-1:] if command.epochs == "last" else tuple(map(run.check_epoch, command.epochs))


@dataclass(frozen=True)
class Evaluation:
    """What was found of a run on a split: as `metrics.json` has it, by epoch for the history, and as a table."""

    scores: dict[str, Any]
    by_epoch: dict[int, dict[Direction, dict[str, float]]]
    table: Comparison


def evaluate(
    planned: Plan,
    epochs: Sequence[int],
    tools: Instruments,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    on_progress: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Measure epochs of the run that is planned; nothing is written.

    Raises WeightsError or RunError where the run is damaged, ImageError where an image is.
    """
    ((_, run, _),) = planned.runs
    translator = Translator(run, device=device, dtype=dtype)
    benches = [Bench(planned, target, tools) for target in planned.targets]
    found: dict[int, dict[Direction, Measured]] = {epoch: {} for epoch in epochs}
    directions: dict[Direction, Any] = {}
    chosen_on, part = planned.halves or (None, WHOLE)
    beside = references(benches, part)
    for bench in benches:
        target = bench.target
        way, figures = target.direction, {}
        for epoch in epochs:
            looks = bench.looks(translations(planned, target, translator, epoch, on_progress))
            found[epoch][way] = bench.figures(looks, part)
            figures[str(epoch)] = _as_json(found[epoch][way])
            if chosen_on:
                figures[str(epoch)]["choice"] = _as_json(bench.figures(looks, chosen_on))
        directions[way] = {
            "source": target.source,
            "target": target.target,
            "images": len(range(target.count)[part]),
            "read_by": target.read_by,
            "ceiling": _as_json(beside.get(CEILING, {}).get(way)),
            "untranslated": _as_json(beside.get(UNTRANSLATED, {}).get(way)),
            "epochs": figures,
        }
    rows = [with_figures(Row(f"epoch {epoch}"), measured) for epoch, measured in found.items()]
    rows += [with_figures(Row(name, ranks=False), measured) for name, measured in beside.items()]
    said = protocol(planned, tools, device, dtype, part)
    by_epoch = {
        epoch: {
            way: {key: value for key, value in each.values.items() if isinstance(value, float) and math.isfinite(value)}
            for way, each in measured.items()
        }
        for epoch, measured in found.items()
    }
    scores = merge(None, {"protocol": dict(said), "directions": directions})
    return Evaluation(scores, by_epoch, Comparison(said, planned.targets, tuple(rows), {}))


def keep(planned: Plan, found: Evaluation) -> dict[str, Any]:
    """Write what was found into the run: all of it to metrics.json, values to the history's records of the epochs.

    Epochs that were measured before, and by the same protocol, stay. Returns the figures of the split. Raises
    ScoresError or RunError if what is there is damaged.
    """
    ((_, run, _),) = planned.runs
    split, scores = planned.split_name, read_scores(run.folder)
    merged = merge(scores.get(split), found.scores)
    write_scores(run.folder, scores | {split: merged})
    records = run.history()
    for record in records:
        if values := found.by_epoch.get(record["epoch"]):
            record["metrics"] = record.get("metrics", {}) | {split: values}
    if records:
        run.write_history(records)
    return merged


def _as_json(measured: Measured | None) -> Any:
    return measured and {"values": plain(measured.values), "intervals": dict(measured.intervals)}
