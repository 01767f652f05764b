"""Compare runs on the same images: `python -m cyclegan.evaluation.compare runs/a runs/b --out report.html`."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from cyclegan.config import ConfigError, Precision
from cyclegan.data.datasets import DatasetError
from cyclegan.data.downloads import DownloadError
from cyclegan.evaluation.comparison import ComparisonError, plan
from cyclegan.evaluation.judging import compare
from cyclegan.evaluation.report import to_html, to_json, to_markdown
from cyclegan.images.io import ImageError
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import RunError
from cyclegan.runtime.devices import choose_precision, pick_device
from cyclegan.runtime.files import write_atomically

PROG = "python -m cyclegan.evaluation.compare"
USAGE_ERRORS = (ComparisonError, ConfigError, DatasetError, DownloadError, ImageError, RunError, WeightsError)


@dataclass(frozen=True)
class Compare:
    """Translate the same images with every run and measure the results: a page with tables, curves and pictures, its
    figures beside it as .json, its tables on standard output as Markdown."""

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
        compared = compare(
            planned, device=device, dtype=choose_precision(device, command.precision), on_progress=bar.update
        )
    write_atomically(page, to_html(compared, line).encode())
    write_atomically(figures, to_json(compared, line).encode())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # arrows and names, whatever the terminal was set to
    sys.stdout.write(to_markdown(compared, line))
    sys.stderr.write(f"{page} and {figures} are written\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
