"""Measure translations of one direction: what a comparison of runs and the evaluation of a run share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from importlib.metadata import version
from statistics import mean
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cyclegan.config import Direction
from cyclegan.data.datasets import Source
from cyclegan.evaluation.comparison import LABELS, PAIRED, SETS, Gap, Plan, Row, Target, Value, domains_of
from cyclegan.evaluation.metrics import (
    RESAMPLES,
    Distance,
    Features,
    Interval,
    MetricError,
    Pixels,
    bootstrap,
    confusion,
    feature_distances,
    inception_features,
    l1,
    label_agreement,
    lpips,
    lpips_network,
    psnr,
    ssim,
)
from cyclegan.evaluation.segmenter import Segmenter, load_segmenter, segment
from cyclegan.facades.labels import CLASSES, class_indices
from cyclegan.images.encodings import as_seen
from cyclegan.networks.storage import WeightsError
from cyclegan.runtime import distributed
from cyclegan.translate.translator import Translator

T = TypeVar("T")

SIZE = 256
"""Side in pixels of the squares that are translated and compared."""
CEILING = "the real images"


@dataclass(frozen=True)
class Instruments:
    """What needs weights of its own, or the reason why it is not there."""

    features: Features | Gap
    perceptual: Distance | Gap
    segmenter: Segmenter | Gap


@dataclass(frozen=True)
class Measured:
    """The values of a direction by key of the measure, and 95 % confidence intervals over the images."""

    values: Mapping[str, Value]
    intervals: Mapping[str, Interval]


def instruments(device: torch.device, *, features: Features | None = None) -> Instruments:
    """Inception v3, or other features in its place, LPIPS's AlexNet and the shipped segmenter."""

    def ready_segmenter() -> Segmenter:
        return load_segmenter().to(device)

    return Instruments(
        _or_gap(lambda: inception_features(device)) if features is None else features,
        _or_gap(lambda: lpips(lpips_network(device))),
        _or_gap(ready_segmenter),
    )


def square(source: Source, resample: Image.Resampling = Image.Resampling.BICUBIC) -> Image.Image:
    return source.load().resize((SIZE, SIZE), resample)


def true_image(source: Source, target: Target) -> Image.Image:
    """What a perfect run would make."""
    return as_seen(square(source), target.seen[1])


def translations(
    plan: Plan, target: Target, translator: Translator, epoch: int, on_progress: Callable[[], object]
) -> Iterator[Image.Image]:
    """What an epoch of a run makes of the images of a direction; of several processes each translates its own."""
    for source in distributed.own_items(plan.pictures(target.direction)[0]):
        yield translator.translate(square(source), to=translator.run.domain(target.direction[1]), epoch=epoch)
        on_progress()


@dataclass(frozen=True)
class Look:
    """What is found of one image, before all are taken together."""

    distances: Mapping[str, float]
    counts: NDArray[np.int64] | None
    features: torch.Tensor | None


class Bench:
    """Everything that images of one direction are measured against, made ready once for all runs and epochs.

    Of several processes each looks at its own images, and all get the figures of all.
    """

    def __init__(self, plan: Plan, target: Target, tools: Instruments) -> None:
        self.target, self.tools = target, tools
        inputs, truths = plan.pictures(target.direction)
        self.truths = distributed.own_items(truths) if plan.split.paired else None
        source, made = (plan.palettes[domain] for domain in domains_of(target.direction))
        self.palette = made
        self.classes: list[NDArray[np.uint8]] = []
        labels, palette = (truths, made) if target.read_by == "colour" else (inputs, source)
        if target.read_by and palette is not None:
            for each in distributed.own_items(labels):  # NEAREST mixes no colours
                self.classes.append(class_indices(square(each, Image.Resampling.NEAREST), palette))
        self.real = torch.empty(0, 0)
        if not isinstance(tools.features, Gap):
            own = [
                tools.features(_batch(np.asarray(true_image(each, target)))) for each in distributed.own_items(truths)
            ]
            self.real = torch.cat(distributed.gathered(own, len(truths)))

    def measure(self, images: Iterable[Image.Image], *, no_sets: Gap | None = None) -> Measured:
        """The measures of these images, in the order of those that are translated; distances between sets unless there
        is a reason for none."""
        extractor = no_sets or self.tools.features
        own = [self._look(index, image, extractor) for index, image in enumerate(images)]
        looks = distributed.gathered(own, self.target.count)
        counts = [look.counts for look in looks if look.counts is not None]
        features = [look.features for look in looks if look.features is not None]
        values = self._gaps() | (_sets(extractor) if isinstance(extractor, Gap) else self._between_sets(features))
        intervals: dict[str, Interval] = {}
        for key in looks[0].distances:
            each = [look.distances[key] for look in looks]
            values[key] = mean(each)
            if np.isfinite(each).all():
                (intervals[key],) = bootstrap(np.array(each) / len(each), lambda total: [float(total)])
        if counts:
            agreement = _agreement(counts)
            values |= agreement.values
            intervals |= agreement.intervals
        return Measured(values, intervals)

    def ceiling(self, on_progress: Callable[[], object] = lambda: None) -> Measured | None:
        """How the segmenter's reading of the real images agrees with their label maps: what perfect ones would get."""
        if self.target.read_by != "segmenter" or self.truths is None:
            return None
        own: list[NDArray[np.int64] | None] = []
        for index, source in enumerate(self.truths):
            own.append(self._confusion(index, true_image(source, self.target)))
            on_progress()
        counts = [each for each in distributed.gathered(own, self.target.count) if each is not None]
        agreement = _agreement(counts) if counts else Measured(self._gaps(), {})
        others = {measure.key for measure in self.target.measures} - {measure.key for measure in LABELS}
        real = dict.fromkeys(others, Gap("these are the real images"))
        return Measured({**agreement.values, **real}, agreement.intervals)

    def _look(self, index: int, image: Image.Image, extractor: Features | Gap) -> Look:
        pixels = np.asarray(image)
        distances: dict[str, float] = {}
        if self.truths is not None:
            truth = np.asarray(true_image(self.truths[index], self.target))
            distances = {key: distance(pixels, truth) for key, distance in self._distances().items()}
        features = None if isinstance(extractor, Gap) else extractor(_batch(pixels))
        return Look(distances, self._confusion(index, image), features)

    def _confusion(self, index: int, image: Image.Image) -> NDArray[np.int64] | None:
        """How the classes of an image's pixels fit the true ones, where both can be told."""
        read = self._read(image) if self.classes else None
        return None if read is None else confusion(read, self.classes[index], len(CLASSES))

    def _distances(self) -> dict[str, Distance]:
        perceptual = self.tools.perceptual
        return {"l1": l1, "psnr": psnr, "ssim": ssim} | ({} if isinstance(perceptual, Gap) else {"lpips": perceptual})

    def _read(self, image: Image.Image) -> NDArray[np.integer] | None:
        """The class of every pixel, where it can be told."""
        if self.palette is not None:
            return class_indices(image, self.palette)
        return None if isinstance(self.tools.segmenter, Gap) else segment(self.tools.segmenter, image)

    def _between_sets(self, features: list[torch.Tensor]) -> dict[str, Value]:
        try:
            fid, kid = feature_distances(self.real, torch.cat(features))
        except MetricError as error:
            return _sets(Gap(str(error)))
        return {"fid": fid, "kid": kid}

    def _gaps(self) -> dict[str, Value]:
        """Why there are no values, of all measures that do not get one."""
        unpaired = Gap("the images are not paired: there is no true image to compare with")
        gaps: dict[str, Value] = dict.fromkeys((measure.key for measure in self.target.measures), unpaired)
        if self.truths is not None:
            for measures, tool in ((LABELS, self.tools.segmenter), (PAIRED, self.tools.perceptual)):
                if isinstance(tool, Gap):
                    gaps |= {measure.key: tool for measure in measures if measure in self.target.measures}
        return gaps


def with_figures(row: Row, measured: Mapping[Direction, Measured]) -> Row:
    """The row with what was measured in each direction."""
    return replace(
        row,
        values={way: each.values for way, each in measured.items()},
        intervals={way: each.intervals for way, each in measured.items()},
    )


def protocol(plan: Plan, tools: Instruments, device: torch.device, dtype: torch.dtype) -> tuple[tuple[str, str], ...]:
    """How the figures come about, by headings."""
    if not plan.targets:
        return (("measures", "none: no run translates images"),)
    images = ", ".join(f"{each.count} {each.source} to {each.target}" for each in plan.targets)
    readers = {each.read_by for each in plan.targets}
    measures = ["means over the images; L1 in [0, 1]"]
    if readers - {None}:
        measures.append("classes over the pixels of all images together")
    if "colour" in readers:
        measures.append("those of label maps by the nearest colour")
    if "segmenter" in readers and not isinstance(tools.segmenter, Gap):
        learned = tools.segmenter.config
        measures.append(
            f"those of photos by a segmenter (U-Net of width {learned.width}, {learned.epochs} epochs of the training "
            f"split of {learned.dataset}, seed {learned.seed})"
        )
    used = ["torch", "torchmetrics", "pillow"]
    if not isinstance(tools.perceptual, Gap):
        measures.append("LPIPS 0.1 by AlexNet")
        used.append("torchvision")
    if not isinstance(tools.features, Gap):
        measures.append("FID and KID between all translations and all real images of the split")
    return (
        ("dataset", f"{plan.dataset}, split {plan.split_name} ({plan.split}), in the order of their names"),
        ("images", images),
        ("size", f"{SIZE}x{SIZE} pixels (bicubic), 8 bits a channel"),
        ("measures", "; ".join(measures)),
        ("intervals", f"95 %, percentiles of a bootstrap over the images, {RESAMPLES} draws, seed 0"),
        ("precision", f"{str(dtype).removeprefix('torch.')} on {device}"),
        ("libraries", ", ".join(f"{name} {version(name)}" for name in used)),
    )


def _agreement(counts: Sequence[NDArray[np.int64]]) -> Measured:
    """What the confusion matrices of images say together."""
    agreement = label_agreement(np.sum(counts, axis=0))
    intervals = bootstrap(np.array(counts), lambda total: astuple(label_agreement(total)))
    return Measured(asdict(agreement), dict(zip(asdict(agreement), intervals, strict=True)))


def _sets(gap: Gap) -> dict[str, Value]:
    return {measure.key: gap for measure in SETS}


def _batch(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]


def _or_gap(make: Callable[[], T]) -> T | Gap:
    try:
        return make()
    except (MetricError, WeightsError) as error:
        return Gap(str(error))
