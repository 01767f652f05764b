"""Judge the runs of a comparison: translate, measure, and gather what the report shows."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from importlib.metadata import version
from statistics import mean, median

import numpy as np
import torch
from PIL import Image

from cyclegan.colours import as_seen
from cyclegan.comparison import LABELS, PAIRED, SETS, Comparison, Gap, Plan, Row, Strip, Target, Value, translated
from cyclegan.config import Direction
from cyclegan.datasets import Source
from cyclegan.facades import CLASSES, EXAMPLE_SEEDS, class_indices, draw_facade
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
from cyclegan.pages.curves import curves_of
from cyclegan.recipes import options_of
from cyclegan.runs import Run, RunError
from cyclegan.samples import SAMPLE_SIZE, cut
from cyclegan.translate import Translator

SIZE = 256
"""Side in pixels of the squares that are translated and compared."""
COLUMNS = 6
"""Pictures in a row of the report."""
BASELINE = "the mean training image"


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
    real = {target.direction: _features_of(plan, target, extractor) for target in plan.targets}
    rows, strips = [], {target.direction: _given(plan, target) for target in plan.targets}
    for row, (_, run, epoch) in zip(described, plan.runs, strict=True):
        translator = Translator(run, device=device, dtype=dtype)
        values: dict[Direction, dict[str, Value]] = {}
        for target in plan.targets:
            if target.direction not in translated(run):
                values[target.direction] = _all(target, Gap(_why_not(run)))
                continue
            judge = _Judge(plan, target, extractor, real[target.direction])
            for source in plan.pictures(target.direction)[0]:
                judge.add(translator.translate(_square(source), to=run.domain(target.direction[1]), epoch=epoch))
                on_progress()
            values[target.direction] = judge.values()
            strips[target.direction].append(Strip(f"{row.name}, epoch {epoch}", tuple(judge.shown), ()))
        rows.append(replace(row, values=values))
    if plan.targets and plan.split.paired:
        rows.append(_baseline(plan, on_progress))
    return Comparison(
        _protocol(plan, device, dtype), plan.targets, tuple(rows), {way: tuple(each) for way, each in strips.items()}
    )


def _square(source: Source, resample: Image.Resampling = Image.Resampling.BICUBIC) -> Image.Image:
    return source.load().resize((SIZE, SIZE), resample)


def _true(source: Source, target: Target) -> Image.Image:
    """What a perfect run would make."""
    return as_seen(_square(source), target.seen[1])


def _chosen(count: int) -> list[int]:
    """Indices of the images that the report shows, evenly spread."""
    shown = min(COLUMNS, count)
    return [index * count // shown for index in range(shown)]


def _all(target: Target, gap: Gap) -> dict[str, Value]:
    return {measure.key: gap for measure in target.measures}


def _why_not(run: Run) -> str:
    routes = [f"{run.domain(direction[0])} to {run.domain(direction[1])}" for direction in translated(run)]
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
        truth = np.asarray(_true(source, self.target))
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


def _features_of(plan: Plan, target: Target, extractor: Features | Gap) -> torch.Tensor:
    """Those of the real images of the target domain."""
    if isinstance(extractor, Gap):
        return torch.empty(0, 0)
    return torch.cat(
        [extractor(_batch(np.asarray(_true(source, target)))) for source in plan.pictures(target.direction)[1]]
    )


def _given(plan: Plan, target: Target) -> list[Strip]:
    """The inputs that the report shows, and the truth."""
    inputs, truths = plan.pictures(target.direction)
    chosen = _chosen(target.count)
    given = tuple(as_seen(_square(inputs[index]), target.seen[0]) for index in chosen)
    strips = [Strip(f"{target.source} (input)", given, ())]
    if plan.split.paired:
        strips.append(Strip(f"{target.target} (truth)", tuple(_true(truths[index], target) for index in chosen), ()))
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
            total += np.asarray(_true(source, target))
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
    if not plan.targets:
        return (("measures", "none: no run translates images"),)
    images = ", ".join(f"{each.count} {each.source} to {each.target}" for each in plan.targets)
    labels = any(LABELS[0] in each.measures for each in plan.targets)
    classes = "; classes by the nearest colour, over the pixels of all images together" if labels else ""
    return (
        ("dataset", f"{plan.dataset}, split {plan.split_name} ({plan.split}), in the order of their names"),
        ("images", images),
        ("size", f"{SIZE}x{SIZE} pixels (bicubic), 8 bits a channel"),
        ("measures", "means over the images; L1 in [0, 1]" + classes),
        ("precision", f"{str(dtype).removeprefix('torch.')} on {device}"),
        ("libraries", ", ".join(f"{name} {version(name)}" for name in ("torch", "torchmetrics", "pillow"))),
    )
