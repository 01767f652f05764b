"""Compare runs on the same images: `python -m cyclegan.evaluation.compare runs/a runs/b --out report.html`."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from PIL import Image
from tqdm import tqdm

from cyclegan.config import ConfigError, Direction, Precision
from cyclegan.data.datasets import DatasetError
from cyclegan.data.downloads import DownloadError
from cyclegan.evaluation.comparison import Comparison, ComparisonError, Gap, Plan, Row, Strip, Target, plan
from cyclegan.evaluation.measuring import (
    Bench,
    Instruments,
    Measured,
    instruments,
    references,
    square,
    translations,
    true_image,
    with_figures,
)
from cyclegan.evaluation.report import protocol, to_html, to_json, to_markdown
from cyclegan.images.encodings import as_seen
from cyclegan.images.io import ImageError
from cyclegan.networks.build import parameter_count
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import Run, RunError
from cyclegan.runs.run_file import options_of
from cyclegan.runtime.devices import choose_precision, pick_device
from cyclegan.runtime.files import write_atomically
from cyclegan.translate.translator import Translator

PROG = "python -m cyclegan.evaluation.compare"
USAGE_ERRORS = (ComparisonError, ConfigError, DatasetError, DownloadError, ImageError, RunError, WeightsError)
COLUMNS = 6
"""Pictures in a row of the report."""


@dataclass(frozen=True)
class Compare:
    """Translate the same images with every run and measure the results: a page with tables and pictures, its figures
    beside it as .json, its tables on standard output as Markdown."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of the runs."""
    out: Path
    """The page to write, .html; an older one is replaced."""
    dataset: str | None = None
    """A named dataset, one of the Hub, hf:owner/name, or the path of a folder; that of the runs unless given."""
    split: str = "val"
    """Split of the dataset: val, test, train."""
    limit: int | None = None
    """Images of the split, the first by name; all of them unless given."""
    epoch: Literal["last"] | int = "last"
    """Epoch that is judged of every run."""
    device: str = "auto"
    """auto (CUDA, else Apple's GPU, else CPU), cpu, cuda, cuda:1, mps."""
    precision: Precision = "fp32"
    """fp32, so that the figures are the same everywhere; auto or bf16 are faster on some machines."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, 1 where the disk refuses, 2 for a mistake in the input."""
    command = tyro.cli(Compare, args=arguments, prog=PROG)
    try:
        _run(command, f"{PROG} {shlex.join(arguments)}")
    except USAGE_ERRORS as error:
        sys.stderr.write(f"cyclegan.evaluation.compare: {' '.join(str(error).split())}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"cyclegan.evaluation.compare: {error}\n")
        return 1
    return 0


def _run(command: Compare, line: str) -> None:
    page, figures = command.out, command.out.with_suffix(".json")
    if page.suffix != ".html" or page.is_dir():
        raise ComparisonError(f"--out {page} is no name for a page; give one that ends in .html, such as report.html")
    device = pick_device(command.device)
    planned = plan(
        command.runs,
        dataset=command.dataset,
        split=command.split,
        limit=command.limit,
        epoch=None if command.epoch == "last" else command.epoch,
    )
    page.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(page.parent, os.W_OK):  # known now, not after the work
        raise ComparisonError(f"{page.parent} cannot be written; choose another place with --out")
    with tqdm(total=planned.images, unit="img", dynamic_ncols=True, leave=False, disable=None) as bar:
        dtype = choose_precision(device, command.precision)
        compared = compare(planned, instruments(device), device=device, dtype=dtype, on_progress=bar.update)
    write_atomically(page, to_html(compared, line).encode())
    write_atomically(figures, to_json(compared, line).encode())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # arrows and names, whatever the terminal was set to
    sys.stdout.write(to_markdown(compared, line))
    sys.stderr.write(f"{page} and {figures} are written\n")


def compare(
    plan: Plan,
    tools: Instruments,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    on_progress: Callable[[], object] = lambda: None,
) -> Comparison:
    """Translate and measure; `on_progress` is called after each image.

    Raises WeightsError or RunError if a run is damaged, before the first translation; ImageError if an image is.
    """
    described = [_describe(name, run, epoch, plan.dataset) for name, run, epoch in plan.runs]
    benches = [Bench(plan, target, tools) for target in plan.targets]
    rows, strips = [], {target.direction: _given(plan, target) for target in plan.targets}
    for row, (name, run, epoch) in zip(described, plan.runs, strict=True):
        translator = Translator(run, device=device, dtype=dtype)
        measured: dict[Direction, Measured] = {}
        for bench in benches:
            target = bench.target
            if target.direction not in run.directions:
                routes = [f"{run.domain(way[0])} to {run.domain(way[1])}" for way in run.directions]
                gap = Gap(f"{run.method} was trained for {' and '.join(routes)} only")
                measured[target.direction] = Measured(dict.fromkeys((each.key for each in target.measures), gap), {})
                continue
            kept: list[Image.Image] = []
            images = _keep(translations(plan, target, translator, epoch, on_progress), _chosen(target.count), kept)
            measured[target.direction] = bench.figures(bench.looks(images))
            strips[target.direction].append(Strip(f"{name}, epoch {epoch}", tuple(kept)))
        rows.append(with_figures(row, measured))
    rows += [with_figures(Row(given, ranks=False), found) for given, found in references(benches).items()]
    return Comparison(
        protocol(plan, tools, device, dtype),
        plan.targets,
        tuple(rows),
        {way: tuple(each) for way, each in strips.items()},
    )


def _keep(images: Iterable[Image.Image], chosen: Sequence[int], kept: list[Image.Image]) -> Iterable[Image.Image]:
    """The images, of which those at the chosen places are kept beside."""
    for index, image in enumerate(images):
        if index in chosen:
            kept.append(image)
        yield image


def _chosen(count: int) -> list[int]:
    """Indices of the images that the report shows, evenly spread."""
    shown = min(COLUMNS, count)
    return [index * count // shown for index in range(shown)]


def _given(plan: Plan, target: Target) -> list[Strip]:
    """The inputs that the report shows, and the truth."""
    inputs, truths = plan.pictures(target.direction)
    chosen = _chosen(target.count)
    strips = [
        Strip(f"{target.source} (input)", tuple(as_seen(square(inputs[index]), target.seen[0]) for index in chosen))
    ]
    if plan.split.paired:
        strips.append(Strip(f"{target.target} (truth)", tuple(true_image(truths[index], target) for index in chosen)))
    return strips


def _describe(name: str, run: Run, epoch: int, judged_on: str) -> Row:
    records = run.history()
    seconds = [float(each["seconds"]) for each in records if int(each["epoch"]) <= epoch and "seconds" in each]
    options = options_of(run.config)
    if run.config.dataset != judged_on:
        options = f"--dataset {shlex.quote(run.config.dataset)} {options}".rstrip()
    if run.unknown:
        options += f" (and of another version: {', '.join(map('.'.join, run.unknown))})"
    return Row(
        name,
        run.method,
        options,
        run.revision,
        epoch,
        max((int(record["epoch"]) for record in records), default=epoch),
        sum(seconds) / 3600 if seconds else Gap("the history does not say"),
        sum(parameter_count(run.load_generator(epoch, direction)) for direction in run.directions),
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
