"""What runs are worth on the same images: every figure and picture of a comparison, as plain data."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median
from typing import Literal

import numpy as np
import torch
from PIL import Image

from cyclegan.config import DatasetMode, Direction
from cyclegan.datasets import DatasetError, Source, Split, find_split
from cyclegan.downloads import DATASETS, fetch
from cyclegan.facades import (
    CLASSES,
    CMP_BASE_PALETTE,
    EXAMPLE_SEEDS,
    PALETTE,
    Array,
    class_indices,
    draw_facade,
    looks_like_labels,
)
from cyclegan.metrics import (
    Features,
    MetricError,
    Pixels,
    confusion,
    feature_distances,
    inception_features,
    l1,
    label_agreement,
    psnr,
    ssim,
)
from cyclegan.objectives import build_objective
from cyclegan.pages.curves import Curve, curves_of
from cyclegan.recipes import options_of
from cyclegan.runs import Run, RunError
from cyclegan.samples import SAMPLE_SIZE, cut
from cyclegan.translate import Translator

SIZE = 256
"""Side in pixels of the squares that are translated and compared."""
COLUMNS = 6
"""Pictures in a row of the report."""
MEAN_IMAGES = 1000
"""Training images that the mean image is made of, at most."""
BASELINE = "the mean training image"


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


PAIRED = (
    Measure("l1", "L1", "lower", ".3f"),
    Measure("psnr", "PSNR, dB", "higher", ".2f"),
    Measure("ssim", "SSIM", "higher", ".3f"),
)
LABELS = (
    Measure("pixel_accuracy", "pixel accuracy", "higher", ".3f"),
    Measure("class_accuracy", "class accuracy", "higher", ".3f"),
    Measure("mean_iou", "mean IoU", "higher", ".3f"),
)
SETS = (Measure("fid", "FID", "lower", ".1f"), Measure("kid", "KID", "lower", ".4f"))


@dataclass(frozen=True)
class Target:
    """A direction that is judged: what is translated to what, and how that is measured."""

    direction: Direction
    source: str
    target: str
    count: int
    """Images translated."""
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class Strip:
    """Pictures in a row, with a word on each."""

    title: str
    pictures: tuple[Image.Image, ...]
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A run, or the mean training image, of which there is nothing but values."""

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
    images_per_second: Value = Gap("nothing is trained")
    """Median over these epochs."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """Of all generators and of all discriminators."""
    values: Mapping[Direction, Mapping[str, Value]] = field(default_factory=dict)
    """By direction and key of the measure."""
    losses: tuple[Curve, ...] = ()
    learning_rate: tuple[tuple[int, float], ...] = ()
    """(epoch, rate) in ascending order."""
    history: tuple[Strip, ...] = ()
    """A sample input through the epochs, for each direction of which there are samples."""


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
    palettes: Mapping[Direction, Array | None]
    """The colours of the target's classes where it is label maps."""

    @property
    def images(self) -> int:
        """Calls of `on_progress`: images judged, of each run and of the mean image."""
        return sum(
            target.count * sum(target.direction in _directions(run) for _, run, _ in self.runs)
            + target.count * bool(self.mean_sources(target.direction))
            for target in self.targets
        )

    def pictures(self, direction: Direction) -> tuple[Sequence[Source], Sequence[Source]]:
        """The images to translate, and those of the target domain."""
        a, b = self.split.a[: self.limit], self.split.b[: self.limit]
        return (a, b) if direction == "ab" else (b, a)

    def mean_sources(self, direction: Direction) -> Sequence[Source]:
        """Training images of the target domain, evenly spread; none where they or pairs are missing."""
        if self.train is None or not self.split.paired:
            return ()
        sources = self.train.b if direction == "ab" else self.train.a
        count = min(len(sources), MEAN_IMAGES)
        return [sources[index * len(sources) // count] for index in range(count)]


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
    trained_on = sorted({run.config.dataset for run in runs})
    if dataset is None and len(trained_on) > 1:
        raise ComparisonError(
            f"the runs are trained on different datasets, {', '.join(trained_on)}; choose one with --dataset"
        )
    names: dict[str, str] = {}
    for run in runs:
        for letter in "ab" if run.translates else "":
            if names.setdefault(run.domain(letter), letter) != letter:
                raise ComparisonError(
                    f"what is domain {letter} of {run.folder.name}, {run.domain(letter)}, is the other domain of "
                    "another run: their directions mean different things; compare them apart"
                )
    name = dataset or trained_on[0]
    folder = fetch(name) if name in DATASETS else Path(name).expanduser()
    colorizes = {run.config.dataset_mode == "colorization" for run in runs}
    if len(colorizes) > 1:
        raise ComparisonError("colorization reads its images otherwise than other runs; compare it apart from them")
    mode: DatasetMode = "colorization" if colorizes == {True} else "unaligned"
    judged = _find_split(folder, split, mode)
    targets, palettes = [], {}
    for direction in sorted({direction for run in runs for direction in _directions(run)}, reverse=True):
        first = next(run for run in runs if direction in _directions(run))
        inputs, truths = (judged.a, judged.b) if direction == "ab" else (judged.b, judged.a)
        palettes[direction] = _palette(truths[0])
        targets.append(
            Target(
                direction,
                first.domain(direction[0]),
                first.domain(direction[1]),
                min(len(inputs), limit or len(inputs)),
                PAIRED + (LABELS if palettes[direction] is not None and judged.paired else ()) + SETS,
            )
        )
    try:
        train = find_split(folder, mode=mode)
    except DatasetError:
        train = None
    named = tuple(zip(_names(folders), runs, epochs, strict=True))
    return Plan(named, name, split, judged, limit, train, tuple(targets), palettes)


def compare(
    plan: Plan,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    features: Features | None = None,
    on_progress: Callable[[], object] = lambda: None,
) -> Comparison:
    """Translate and measure; `on_progress` is called after each image. Without `features` FID and KID are those of
    Inception v3 where it can be had.

    Raises WeightsError or RunError where a run is damaged, before the first translation; ImageError where an image is.
    """
    described = [_describe(name, run, epoch, plan.dataset) for name, run, epoch in plan.runs]
    extractor: Features | Gap
    try:
        extractor = features or inception_features(device)
    except MetricError as error:
        extractor = Gap(str(error))
    real = {target.direction: _features_of(plan, target.direction, extractor) for target in plan.targets}
    rows, strips = [], {target.direction: _given(plan, target) for target in plan.targets}
    for row, (_, run, epoch) in zip(described, plan.runs, strict=True):
        translator = Translator(run, device=device, dtype=dtype)
        values: dict[Direction, dict[str, Value]] = {}
        for target in plan.targets:
            if target.direction not in _directions(run):
                values[target.direction] = _all(target, Gap(_why_not(run)))
                continue
            judge = _Judge(plan, target, extractor, real[target.direction])
            for source in plan.pictures(target.direction)[0]:
                judge.add(translator.translate(_square(source), to=run.domain(target.direction[1]), epoch=epoch))
                on_progress()
            values[target.direction] = judge.values()
            strips[target.direction].append(Strip(f"{row.name}, epoch {epoch}", tuple(judge.shown), ()))
        rows.append(replace(row, values=values))
    if plan.split.paired:
        rows.append(_baseline(plan, on_progress))
    return Comparison(
        _protocol(plan, device, dtype), plan.targets, tuple(rows), {way: tuple(each) for way, each in strips.items()}
    )


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
            if other != name and ((folder / other).is_dir() or (folder / f"{other}A").is_dir()):
                others.append(f"--split {other}")
        if not others:
            raise
        raise DatasetError(f"{error}; {' or '.join(others)} is there") from None


def _palette(source: Source) -> Array | None:
    image = source.load()
    return next((palette for palette in (PALETTE, CMP_BASE_PALETTE) if looks_like_labels(image, palette)), None)


def _square(source: Source, resample: Image.Resampling = Image.Resampling.BICUBIC) -> Image.Image:
    return source.load().resize((SIZE, SIZE), resample)


def _chosen(count: int) -> list[int]:
    """Indices of the images that the report shows, evenly spread."""
    shown = min(COLUMNS, count)
    return [index * count // shown for index in range(shown)]


def _all(target: Target, gap: Gap) -> dict[str, Value]:
    return {measure.key: gap for measure in target.measures}


def _directions(run: Run) -> tuple[Direction, ...]:
    """The directions it translates in: a plain GAN's generator takes no image."""
    return run.directions if run.translates else ()


def _why_not(run: Run) -> str:
    routes = [f"{run.domain(direction[0])} to {run.domain(direction[1])}" for direction in _directions(run)]
    return f"{run.method} was trained for {' and '.join(routes)} only" if routes else f"{run.method} translates nothing"


class _Judge:
    """Takes the translations in the order of the images, and keeps of them no more than the measures need."""

    def __init__(self, plan: Plan, target: Target, extractor: Features | Gap, real: torch.Tensor) -> None:
        self.target, self.extractor, self.real = target, extractor, real
        self.truths = plan.pictures(target.direction)[1] if plan.split.paired else None
        self.palette = plan.palettes[target.direction]
        self.chosen = set(_chosen(target.count))
        self.sums: dict[str, list[float]] = {measure.key: [] for measure in PAIRED}
        self.counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
        self.features: list[torch.Tensor] = []
        self.shown: list[Image.Image] = []
        self.index = 0

    def add(self, image: Image.Image) -> None:
        pixels = np.asarray(image)
        if self.index in self.chosen:
            self.shown.append(image)
        if self.truths is not None:
            self._add_pair(image, pixels, self.truths[self.index])
        if not isinstance(self.extractor, Gap):
            self.features.append(self.extractor(_batch(pixels)))
        self.index += 1

    def _add_pair(self, image: Image.Image, pixels: Pixels, source: Source) -> None:
        truth = np.asarray(_square(source))
        for key, measure in (("l1", l1), ("psnr", psnr), ("ssim", ssim)):
            self.sums[key].append(measure(pixels, truth))
        if self.palette is not None:
            classes = class_indices(_square(source, Image.Resampling.NEAREST), self.palette)  # mixes no colours
            self.counts += confusion(class_indices(image, self.palette), classes, len(CLASSES))

    def values(self) -> dict[str, Value]:
        values = _all(self.target, Gap("the images are not paired: there is no true image to compare with"))
        if self.truths is not None:
            values |= {key: mean(each) for key, each in self.sums.items()}
            if self.palette is not None:
                values |= asdict(label_agreement(self.counts))
        return values | self._distances()

    def _distances(self) -> dict[str, Value]:
        if isinstance(self.extractor, Gap):
            return {measure.key: self.extractor for measure in SETS}
        try:
            fid, kid = feature_distances(self.real, torch.cat(self.features))
        except MetricError as error:
            return {measure.key: Gap(str(error)) for measure in SETS}
        return {"fid": fid, "kid": kid}


def _batch(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]


def _features_of(plan: Plan, direction: Direction, extractor: Features | Gap) -> torch.Tensor:
    """Those of the real images of the target domain."""
    if isinstance(extractor, Gap):
        return torch.empty(0, 0)
    return torch.cat([extractor(_batch(np.asarray(_square(source)))) for source in plan.pictures(direction)[1]])


def _given(plan: Plan, target: Target) -> list[Strip]:
    """The inputs that the report shows, and the truth."""
    inputs, truths = plan.pictures(target.direction)
    chosen = _chosen(target.count)
    strips = [Strip(f"{target.source} (input)", tuple(_square(inputs[index]) for index in chosen), ())]
    if plan.split.paired:
        strips.append(Strip(f"{target.target} (truth)", tuple(_square(truths[index]) for index in chosen), ()))
    return strips


def _describe(name: str, run: Run, epoch: int, judged_on: str) -> Row:
    with torch.device("meta"):  # counts without memory
        objective = build_objective(run.config)
    for direction in run.directions:
        run.load_generator(epoch, direction)  # so that damaged weights are found now
    parameters = {
        kind: sum(parameter.numel() for parameter in networks.parameters())
        for kind, networks in (("generators", objective.generators), ("discriminators", objective.discriminators))
    }
    records = run.history()
    nothing = Gap("the history does not say")
    try:
        trained = [record for record in records if int(record["epoch"]) <= epoch]
        seconds = [float(record["seconds"]) for record in trained if "seconds" in record]
        speeds = [float(record["images_per_second"]) for record in trained if "images_per_second" in record]
        rates = tuple((int(each["epoch"]), float(each["learning_rate"])) for each in records if "learning_rate" in each)
        losses = tuple(curves_of(run))
    except (AttributeError, TypeError, ValueError) as error:
        raise RunError(f"{run.folder / 'history.jsonl'} is damaged ({error}); copy or train the run again") from None
    options = options_of(run.config)
    if run.config.dataset != judged_on:
        options = f"--dataset {shlex.quote(run.config.dataset)} {options}".rstrip()
    return Row(
        name,
        run.method,
        options,
        run.revision,
        epoch,
        max((int(record["epoch"]) for record in records), default=epoch),
        sum(seconds) / 3600 if seconds else nothing,
        median(speeds) if speeds else nothing,
        parameters,
        losses=losses,
        learning_rate=rates,
        history=tuple(_through_epochs(run)),
    )


def _through_epochs(run: Run) -> Iterable[Strip]:
    """The first sample input after a few epochs, the first ones closer together: they change most."""
    epochs = run.sample_epochs
    if not epochs:
        return
    shown = min(len(epochs), COLUMNS - 1)  # the input takes the first column
    shares = [(step / max(shown - 1, 1)) ** (2 if shown < len(epochs) else 1) for step in range(shown)]
    chosen = sorted({epochs[round(share * (len(epochs) - 1))] for share in shares})
    for row, (direction, kind) in enumerate(run.samples.items()):
        pictures = [draw_facade(EXAMPLE_SEEDS[0], size=SAMPLE_SIZE)] if kind == "drawn" else []
        captions = ["input"] if kind == "drawn" else []
        for epoch in chosen:
            try:
                with Image.open(run.sample_path(epoch)) as sheet:
                    pictures.append(cut(sheet.convert("RGB"), row, 0))
            except (OSError, ValueError, SyntaxError) as error:
                raise RunError(
                    f"{run.sample_path(epoch)} is damaged ({type(error).__name__}); remove it, or copy the run again"
                ) from None
            captions.append(f"epoch {epoch}")
        yield Strip(f"to {run.domain(direction[1])}", tuple(pictures), tuple(captions))


def _baseline(plan: Plan, on_progress: Callable[[], object]) -> Row:
    """What the same grey picture for every input gets: a run below it in L1 or PSNR is not worthless, these measures
    favour blur; but what it claims must be shown by the others."""
    values: dict[Direction, dict[str, Value]] = {}
    for target in plan.targets:
        total, count = np.zeros((SIZE, SIZE, 3)), 0
        for source in plan.mean_sources(target.direction):
            total += np.asarray(_square(source))
            count += 1
        if not count:
            values[target.direction] = _all(target, Gap("the dataset has no training images"))
            continue
        image = Image.fromarray(np.round(total / count).astype(np.uint8))
        judge = _Judge(plan, target, Gap("one picture has no distribution"), torch.empty(0, 0))
        for _ in range(target.count):
            judge.add(image)
            on_progress()
        values[target.direction] = judge.values()
    return Row(BASELINE, values=values)


def _protocol(plan: Plan, device: torch.device, dtype: torch.dtype) -> tuple[tuple[str, str], ...]:
    images = ", ".join(f"{each.count} {each.source} to {each.target}" for each in plan.targets)
    labels = any(LABELS[0] in each.measures for each in plan.targets)
    classes = "; classes by the nearest colour, over the pixels of all images together" if labels else ""
    return (
        ("dataset", f"{plan.dataset}, split {plan.split_name} ({plan.split}), in the order of their names"),
        ("images", images or "none: no run translates"),
        ("size", f"{SIZE}x{SIZE} pixels (bicubic), 8 bits a channel"),
        ("measures", "means over the images; L1 in [0, 1]" + classes),
        ("precision", f"{str(dtype).removeprefix('torch.')} on {device}"),
        ("libraries", ", ".join(f"{name} {version(name)}" for name in ("torch", "torchmetrics", "pillow"))),
    )
