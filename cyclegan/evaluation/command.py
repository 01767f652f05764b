"""Measure the epochs of runs: `python -m cyclegan.evaluation RUN --dataset facades`."""

from __future__ import annotations

import io
import math
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from tqdm import tqdm

from cyclegan.config import ConfigError, Direction, Precision
from cyclegan.data.choice import find_folder
from cyclegan.data.datasets import DatasetError, find_split
from cyclegan.data.downloads import DownloadError
from cyclegan.data.hub_datasets import pinned
from cyclegan.evaluation.comparison import Comparison, ComparisonError, Plan, Row, Value, plain, plan
from cyclegan.evaluation.measuring import (
    WHOLE,
    Bench,
    Instruments,
    Measured,
    instruments,
    protocol,
    reference_rows,
    translations,
    with_figures,
)
from cyclegan.evaluation.report import to_markdown
from cyclegan.evaluation.segmenter import SHIPPED, SegmenterConfig, save_segmenter
from cyclegan.evaluation.segmenter_training import agreement, train_segmenter
from cyclegan.images.io import ImageError
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import Run, RunError
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
class Machine:
    """What to compute on."""

    device: str = "auto"
    """auto (CUDA, else Apple's GPU, else CPU), cpu, cuda, cuda:1, mps."""
    precision: Precision = "fp32"
    """fp32, so that the figures are the same everywhere; auto or bf16 are faster on some machines."""


@dataclass(frozen=True)
class Evaluate:
    """Translate a split with every epoch of a run and measure the results: the figures go to metrics.json in the run
    and to the records of its history, tables to standard output as Markdown.

    torchrun --nproc_per_node 8 -m cyclegan.evaluation RUN: the processes share the images among them.

    python -m cyclegan.evaluation train-segmenter --dataset facades: make the segmenter that scores photos of facades.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of the runs."""
    machine: Annotated[Machine, tyro.conf.arg(name="")]
    dataset: str | None = None
    """A named dataset, one of the Hub, hf:owner/name, or the path of a folder; that of the run unless given."""
    split: str = CHOSEN_ON
    """Split of the dataset: val, test, train. On every second image of val the best epoch is chosen, and figures are of
    the others."""
    epochs: Literal["all", "last"] | tuple[int, ...] = "all"
    """Epochs that are measured: all, the last, or those of these numbers."""
    limit: int | None = None
    """Images of the split, the first by name; all of them unless given. Figures of a part are shown, but not kept."""


@dataclass(frozen=True)
class TrainSegmenter:
    """Train the segmenter by which photos of facades are scored, on the training split of photos and label maps."""

    config: Annotated[SegmenterConfig, tyro.conf.arg(name="")]
    machine: Annotated[Machine, tyro.conf.arg(name="")] = field(default_factory=lambda: Machine(precision="auto"))
    out: Path = SHIPPED
    """Folder to write; what is there is replaced."""
    threads: int = 0
    """CPU threads; 0 takes PyTorch's default, all cores."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, 1 where the disk refuses or another process of torchrun is gone,
    2 for a mistake in the input."""
    try:
        if arguments and arguments[0] == "train-segmenter":
            _train(tyro.cli(TrainSegmenter, args=arguments[1:], prog=f"{PROG} train-segmenter"))
        else:
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
    device = pick_device(command.machine.device)
    dtype = distributed.from_first(lambda: choose_precision(device, command.machine.precision))
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
                total=_images(planned, len(epochs)),
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
    run = Run.open(folder)
    if not run.translates:
        raise RunError(f"{folder.name} makes {run.domains.b} from noise; there is no truth to measure it by")
    planned = plan([folder], dataset=command.dataset, split=command.split, limit=command.limit)
    if command.epochs == "all":
        return planned, run.epochs
    return planned, run.epochs[-1:] if command.epochs == "last" else tuple(map(run.check_epoch, command.epochs))


def _images(planned: Plan, epochs: int) -> int:
    """Calls of `on_progress` in this process."""
    return sum(
        len(distributed.own_items(range(target.count))) * (epochs + (target.read_by == "segmenter"))
        for target in planned.targets
    )


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
    found: dict[int, dict[Direction, Measured]] = {epoch: {} for epoch in epochs}
    ceilings: dict[Direction, Measured | None] = {}
    untranslated: dict[Direction, Measured | None] = {}
    directions: dict[Direction, Any] = {}
    chosen_on, part = planned.halves or (None, WHOLE)
    for target in planned.targets:
        way, bench = target.direction, Bench(planned, target, tools)
        ceilings[way], untranslated[way] = bench.ceiling(part, on_progress), bench.untranslated(part)
        figures = {}
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
            "ceiling": _as_json(ceilings[way]),
            "untranslated": _as_json(untranslated[way]),
            "epochs": figures,
        }
    rows = [with_figures(Row(f"epoch {epoch}"), found[epoch]) for epoch in epochs]
    rows += reference_rows(untranslated, ceilings)
    said = protocol(planned, tools, device, dtype, part)
    by_epoch = {
        epoch: {way: _numbers(measured.values) for way, measured in measured_ways.items()}
        for epoch, measured_ways in found.items()
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


def _numbers(values: Mapping[str, Value]) -> dict[str, float]:
    return {key: value for key, value in values.items() if isinstance(value, float) and math.isfinite(value)}


def _as_json(measured: Measured | None) -> Any:
    return measured and {"values": plain(measured.values), "intervals": dict(measured.intervals)}


def _train(command: TrainSegmenter) -> None:
    if command.threads:
        torch.set_num_threads(command.threads)
    device = pick_device(command.machine.device)
    folder = find_folder(command.config.dataset)
    steps = command.config.epochs * -(-len(find_split(folder).a) // command.config.batch_size)
    with tqdm(total=steps, unit="step", dynamic_ncols=True, disable=None) as bar:

        def show(loss: float) -> None:
            bar.set_postfix({"loss": f"{loss:.3f}"}, refresh=False)
            bar.update()

        dtype = choose_precision(device, command.machine.precision)
        segmenter = train_segmenter(command.config, folder, device=device, dtype=dtype, on_progress=show)
    save_segmenter(command.out, segmenter)
    sys.stderr.write(f"{command.out} is written\n")
    try:
        found = agreement(segmenter, find_split(folder, CHOSEN_ON))
    except DatasetError as error:
        sys.stderr.write(f"it is not measured: {error}\n")
        return
    figures = f"{found.pixel_accuracy:.3f} pixel accuracy, {found.class_accuracy:.3f} class accuracy"
    sys.stdout.write(f"on {CHOSEN_ON}: {figures}, {found.mean_iou:.3f} mean IoU\n")
