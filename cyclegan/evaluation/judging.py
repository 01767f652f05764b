"""Judge the runs of a comparison: translate, measure, and gather what the report shows."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from statistics import median

import numpy as np
import torch
from PIL import Image

from cyclegan.config import Direction
from cyclegan.evaluation.comparison import Comparison, Gap, Plan, Row, Strip, Target, translated
from cyclegan.evaluation.measuring import (
    SIZE,
    Bench,
    Measured,
    instruments,
    protocol,
    reference_rows,
    square,
    translations,
    true_image,
    with_figures,
)
from cyclegan.evaluation.metrics import Features
from cyclegan.facades.labels import example_facades
from cyclegan.images.encodings import as_seen
from cyclegan.images.io import ImageError, open_image
from cyclegan.networks.build import build_discriminator, parameter_count
from cyclegan.runs.history import loss_curves
from cyclegan.runs.run import Run, RunError
from cyclegan.runs.run_file import options_of
from cyclegan.runs.samples import cut, spread
from cyclegan.translate.translator import Translator

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
    tools = instruments(device, features=features)
    benches = [Bench(plan, target, tools) for target in plan.targets]
    rows, strips = [], {target.direction: _given(plan, target) for target in plan.targets}
    for row, (name, run, epoch) in zip(described, plan.runs, strict=True):
        translator = Translator(run, device=device, dtype=dtype)
        measured: dict[Direction, Measured] = {}
        for bench in benches:
            target = bench.target
            if target.direction not in translated(run):
                measured[target.direction] = _none(target, _why_not(run))
                continue
            kept: list[Image.Image] = []
            images = _keep(translations(plan, target, translator, epoch, on_progress), _chosen(target.count), kept)
            measured[target.direction] = bench.measure(images)
            strips[target.direction].append(Strip(f"{name}, epoch {epoch}", tuple(kept), ()))
        rows.append(with_figures(row, measured))
    if plan.targets and plan.split.paired:
        rows.append(_baseline(plan, benches, on_progress))
    rows += reference_rows(
        {bench.target.direction: bench.untranslated() for bench in benches},
        {bench.target.direction: bench.ceiling(on_progress=on_progress) for bench in benches},
    )
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


def _none(target: Target, reason: str) -> Measured:
    return Measured({measure.key: Gap(reason) for measure in target.measures}, {})


def _why_not(run: Run) -> str:
    routes = [f"{run.domain(direction[0])} to {run.domain(direction[1])}" for direction in translated(run)]
    return f"{run.method} was trained for {' and '.join(routes)} only" if routes else f"{run.method} translates nothing"


def _given(plan: Plan, target: Target) -> list[Strip]:
    """The inputs that the report shows, and the truth."""
    inputs, truths = plan.pictures(target.direction)
    chosen = _chosen(target.count)
    given = tuple(as_seen(square(inputs[index]), target.seen[0]) for index in chosen)
    strips = [Strip(f"{target.source} (input)", given, ())]
    if plan.split.paired:
        strips.append(
            Strip(f"{target.target} (truth)", tuple(true_image(truths[index], target) for index in chosen), ())
        )
    return strips


def _describe(name: str, run: Run, epoch: int, judged_on: str) -> Row:
    with torch.device("meta"):  # counts without memory
        judges = [build_discriminator(run.discriminator(each), in_channels=seen) for each, seen in run.judged.items()]
    generators = [run.load_generator(epoch, direction) for direction in run.directions]
    parameters = {
        kind: sum(map(parameter_count, networks))
        for kind, networks in (("generators", generators), ("discriminators", judges))
    }
    records = run.history()
    nothing = Gap("the history does not say")
    trained = [record for record in records if int(record["epoch"]) <= epoch]
    seconds = [float(record["seconds"]) for record in trained if "seconds" in record]
    speeds = [float(record["images_per_second"]) for record in trained if "images_per_second" in record]
    rates = tuple((int(each["epoch"]), float(each["learning_rate"])) for each in records if "learning_rate" in each)
    losses = tuple(loss_curves(records))
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
        sum(seconds) / 3600 if seconds else nothing,
        median(speeds) if speeds else nothing,
        parameters,
        losses=losses,
        learning_rate=rates,
        history=tuple(_through_epochs(run)),
    )


def _through_epochs(run: Run) -> Iterable[Strip]:
    """The first sample input after a few epochs."""
    chosen = spread(run.sample_epochs, COLUMNS - 1)  # the input takes the first column
    if not chosen:
        return
    for row, (direction, kind) in enumerate(run.samples.items()):
        pictures = example_facades()[:1] if kind == "drawn" else []
        captions = ["input"] if kind == "drawn" else []
        for epoch in chosen:
            try:
                pictures.append(cut(open_image(run.read_sample(epoch)), row, 0))
            except (ImageError, OSError) as error:
                damaged = f"{run.sample_path(epoch)} is damaged ({error})"
                raise RunError(f"{damaged}; remove it, or copy the run again") from None
            captions.append(f"epoch {epoch}")
        yield Strip(f"to {run.domain(direction[1])}", tuple(pictures), tuple(captions))


def _baseline(plan: Plan, benches: Sequence[Bench], on_progress: Callable[[], object]) -> Row:
    """What the same grey picture for every input gets: a run below it in L1 or PSNR is not worthless, these measures
    favour blur; but what it claims must be shown by the others."""
    measured: dict[Direction, Measured] = {}
    for bench in benches:
        target = bench.target
        total, count = np.zeros((SIZE, SIZE, 3)), 0
        for source in plan.training(target.direction):
            total += np.asarray(true_image(source, target))
            count += 1
        if not count:
            measured[target.direction] = _none(target, "the dataset has no training images")
            continue
        image = Image.fromarray(np.round(total / count).astype(np.uint8))
        same = _counted(repeat(image, target.count), on_progress)
        measured[target.direction] = bench.measure(same, no_sets=Gap("one picture has no distribution"))
    return with_figures(Row(BASELINE), measured)


def _counted(images: Iterable[Image.Image], on_progress: Callable[[], object]) -> Iterable[Image.Image]:
    for image in images:
        yield image
        on_progress()
