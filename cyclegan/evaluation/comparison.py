"""What is compared on what, and every figure and picture of a comparison, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from cyclegan.config import DatasetMode, Direction, Domain
from cyclegan.data.choice import find_folder
from cyclegan.data.datasets import DatasetError, Source, Split, domain_folders, find_split
from cyclegan.data.hub_datasets import pinned
from cyclegan.evaluation.metrics import Interval
from cyclegan.facades.labels import Array, label_palette
from cyclegan.images.encodings import Encoding
from cyclegan.images.files import evenly, warn
from cyclegan.runs.run import Run
from cyclegan.runs.scores import CHOSEN_ON

DOMAINS: tuple[Domain, Domain] = ("a", "b")
TRAINING_IMAGES = 100
"""Training images whose mean is taken from features, and that the floor of KID is of, at most."""
FEWEST = 6
"""Images of each domain from which on a split is halved: KID needs three."""


class ComparisonError(ValueError):
    """Runs that cannot be compared as asked: the message says why and what to do."""


@dataclass(frozen=True)
class Gap:
    """In the place of a value that there is not: the reason."""

    reason: str


Value = float | Gap


@dataclass(frozen=True)
class Measure:
    """One column of a comparison."""

    key: str
    title: str
    better: Literal["lower", "higher"]
    form: str
    """How its values are written, as a format specification."""
    interval: bool = False
    """Whether its confidence interval is written beside it: epochs are chosen by it."""


PAIRED = (
    Measure("l1", "L1", "lower", ".3f"),
    Measure("psnr", "PSNR, dB", "higher", ".2f"),
    Measure("ssim", "SSIM", "higher", ".3f"),
    Measure("perceptual", "perceptual (Lite1)", "lower", ".3f"),
)
LABELS = (
    Measure("pixel_accuracy", "pixel accuracy", "higher", ".3f", interval=True),
    Measure("class_accuracy", "class accuracy", "higher", ".3f", interval=True),
    Measure("mean_iou", "mean IoU", "higher", ".3f", interval=True),
)
SETS = (
    Measure("kid_lite1", "KID (Lite1)", "lower", ".2f", interval=True),
    Measure("fid", "FID", "lower", ".1f"),
    Measure("kid", "KID", "lower", ".4f"),
)


@dataclass(frozen=True)
class Target:
    """A direction that is judged: what is translated to what, and how that is measured."""

    direction: Direction
    source: str
    target: str
    count: int
    """Images translated."""
    seen: tuple[Encoding, Encoding]
    """How the runs see what they translate, and what they make: grey ones are judged by grey truths."""
    measures: tuple[Measure, ...]
    read_by: Literal["colour", "segmenter"] | None
    """How classes are read from what is made, to compare them with the label map's: None where there is none."""


@dataclass(frozen=True)
class Strip:
    """Pictures in a row."""

    title: str
    pictures: tuple[Image.Image, ...]


@dataclass(frozen=True)
class Row:
    """A run, or real images, of which there is nothing but values."""

    name: str
    method: str = ""
    options: str = ""
    """What differs from the method's defaults, as on the command line of training."""
    revision: str | None = None
    epoch: int | None = None
    """The epoch that is judged."""
    epochs_trained: int | None = None
    hours: Value = Gap("nothing is trained")
    """Time of training up to that epoch."""
    parameters: int = 0
    """Of all generators."""
    values: Mapping[Direction, Mapping[str, Value]] = field(default_factory=dict)
    """By direction and key of the measure."""
    intervals: Mapping[Direction, Mapping[str, Interval]] = field(default_factory=dict)
    """95 % confidence, over the images, of those values that have it."""
    ranks: bool = True
    """Whether it can be the best: what is given is not."""


@dataclass(frozen=True)
class Comparison:
    """All that a report shows."""

    protocol: tuple[tuple[str, str], ...]
    targets: tuple[Target, ...]
    rows: tuple[Row, ...]
    strips: Mapping[Direction, tuple[Strip, ...]]
    """For each direction the same inputs: themselves, the truth where there is one, each run's translations."""


@dataclass(frozen=True)
class Plan:
    """What is compared on what."""

    runs: tuple[tuple[str, Run, int], ...]
    """Name, run and epoch."""
    dataset: str
    split_name: str
    split: Split
    limit: int | None
    train: Split | None
    targets: tuple[Target, ...]
    palettes: Mapping[Domain, Array | None]
    """The colours of the classes of the domains that are label maps."""

    @property
    def images(self) -> int:
        """Images that are translated by all runs: calls of `on_progress`."""
        return sum(
            target.count * sum(target.direction in run.directions for _, run, _ in self.runs) for target in self.targets
        )

    @property
    def halves(self) -> tuple[slice, slice] | None:
        """The images, by name, that epochs are chosen on, and the others, that figures are reported of.

        None if no epoch is chosen: on another split than val, on a part of it, or on few images.
        """
        count = min(len(self.split.a), len(self.split.b))
        if self.split_name != CHOSEN_ON or self.limit is not None or count < FEWEST:
            return None
        return slice(0, None, 2), slice(1, None, 2)

    def pictures(self, direction: Direction) -> tuple[Sequence[Source], Sequence[Source]]:
        """The images to translate, and those of the target domain."""
        a, b = self.split.a[: self.limit], self.split.b[: self.limit]
        return (a, b) if direction == "ab" else (b, a)

    def training(self, direction: Direction) -> Sequence[Source]:
        """Training images of the target domain, evenly spread; none if the dataset has none."""
        if self.train is None:
            return ()
        return evenly(self.train.b if direction == "ab" else self.train.a, TRAINING_IMAGES)


def plan(
    folders: Sequence[Path],
    *,
    dataset: str | None = None,
    split: str = "val",
    limit: int | None = None,
    epoch: int | None = None,
) -> Plan:
    """Open runs and dataset; the dataset is that of the runs unless given, the epoch the last.

    Raises ComparisonError, RunError, ConfigError, DatasetError, DownloadError or ImageError for what cannot work.
    """
    if not folders:
        raise ComparisonError("there is no run to compare; give the folder of one or more")
    if limit is not None and limit < 1:
        raise ComparisonError(f"limit is {limit}; it must be 1 image or more")
    runs = [Run.open(folder) for folder in folders]
    epochs = [run.check_epoch(epoch) for run in runs]
    named = tuple(zip(_names(folders), runs, epochs, strict=True))
    for name, run, _ in named:
        if not run.translates:
            raise ComparisonError(f"{name} makes {run.domains.b} from noise; there is no truth to measure it by")
    trained_on = sorted({run.config.dataset for run in runs})
    if dataset is None and len(trained_on) > 1:
        raise ComparisonError(
            f"the runs are trained on different datasets, {', '.join(trained_on)}; choose one with --dataset"
        )
    names: dict[str, str] = {}
    for run in runs:
        for letter in "ab":
            if names.setdefault(run.domain(letter), letter) != letter:
                raise ComparisonError(
                    f"what is domain {letter} of {run.folder.name}, {run.domain(letter)}, is the other domain of "
                    "another run: their directions mean different things; compare them apart"
                )
    chosen = pinned(dataset or trained_on[0])  # figures of two commits are not compared
    folder = find_folder(chosen)
    colorizes = {run.encodings["b"] == "chroma" for run in runs}
    if len(colorizes) > 1:
        raise ComparisonError("colorization reads its images otherwise than other runs; compare it apart from them")
    aligned = any(run.config.dataset_mode == "aligned" for run in runs)
    mode: DatasetMode = "colorization" if colorizes == {True} else "aligned" if aligned else "unaligned"
    judged = _find_split(folder, split, mode)
    if judged.layout == "two folders" and judged.paired and not aligned:
        warn(
            f"{judged.a[0].path.parent} and {judged.b[0].path.parent} hold files of the same names, which are measured "
            "as pairs; if they are none, rename the files of one folder"
        )
    targets: list[Target] = []
    palettes = {
        letter: label_palette(sources[0].load()) for letter, sources in zip(DOMAINS, (judged.a, judged.b), strict=True)
    }
    for direction in sorted({direction for run in runs for direction in run.directions}, reverse=True):
        able = [run for run in runs if direction in run.directions]
        first = able[0]
        seen = {(run.encodings[direction[0]], run.encodings[direction[1]]) for run in able}
        if len(seen) > 1:
            raise ComparisonError(
                f"of {first.domain(direction[0])} to {first.domain(direction[1])}, some runs see or make grey images "
                "and some coloured ones: their figures mean different things; compare them apart"
            )
        inputs = judged.a if direction == "ab" else judged.b
        given, made = (palettes[letter] is not None for letter in domains_of(direction))
        reader: Literal["colour", "segmenter"] | None = "colour" if made else "segmenter" if given else None
        read_by = reader if judged.paired else None
        targets.append(
            Target(
                direction,
                first.domain(direction[0]),
                first.domain(direction[1]),
                min(len(inputs), limit or len(inputs)),
                seen.pop(),
                PAIRED + (LABELS if read_by else ()) + SETS,
                read_by,
            )
        )
    try:
        train = find_split(folder, mode=mode)
    except DatasetError:
        train = None
    return Plan(named, chosen, split, judged, limit, train, tuple(targets), palettes)


def domains_of(direction: Direction) -> tuple[Domain, Domain]:
    """What is translated, and what it is translated to."""
    return ("a", "b") if direction == "ab" else ("b", "a")


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, or where two share one their paths."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _find_split(folder: Path, name: str, mode: DatasetMode) -> Split:
    try:
        return find_split(folder, name, mode)
    except DatasetError as error:
        others = []
        for other in ("train", "val", "test"):
            if other != name and ((folder / other).is_dir() or domain_folders(folder, other)):
                others.append(f"--split {other}")
        if not others:
            raise
        raise DatasetError(f"{error}; {' or '.join(others)} is there") from None


def plain(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values as JSON has them; the reasons of those that there are not stand beside them."""
    plain: dict[str, Any] = {}
    reasons = {}
    for key, value in values.items():
        if isinstance(value, Gap):
            plain[key], reasons[key] = None, value.reason
        else:
            plain[key] = value if math.isfinite(value) else str(value)
    return plain | ({"reasons": reasons} if reasons else {})
