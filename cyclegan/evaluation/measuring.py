"""Measure translations of one direction: what a comparison of runs and the evaluation of a run share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from statistics import mean
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cyclegan.config import Direction
from cyclegan.data.datasets import Source
from cyclegan.evaluation.comparison import LABELS, Gap, Plan, Row, Target, Value, domains_of
from cyclegan.evaluation.metrics import (
    Features,
    Interval,
    MetricError,
    Pixels,
    bootstrap,
    confusion,
    frechet_distance,
    inception_features,
    kernel_distance,
    l1,
    label_agreement,
    perceptual_distance,
    psnr,
    ssim,
)
from cyclegan.evaluation.segmenter import Segmenter, load_segmenter, segment
from cyclegan.facades.labels import CLASSES, class_indices
from cyclegan.images.encodings import Encoding, as_seen
from cyclegan.networks.features import FeatureNetwork, FeaturesError, feature_network
from cyclegan.networks.storage import WeightsError
from cyclegan.runtime import distributed
from cyclegan.translate.translator import Translator

T = TypeVar("T")

SIZE = 256
"""Side in pixels of the squares that are translated and compared."""
CEILING = "the real images"
UNTRANSLATED = "the inputs, untranslated"
WHOLE = slice(None)
SET_DISTANCES: dict[str, tuple[str, Callable[[torch.Tensor, torch.Tensor], tuple[float, Interval] | float]]] = {
    "kid_lite1": ("lite1", kernel_distance),
    "fid": ("inception", frechet_distance),
    "kid": ("inception", kernel_distance),
}
"""Distances between sets of images by key of the measure, and the network whose features they are of."""

DISTANCES: dict[str, Callable[[Pixels, Pixels], float]] = {"l1": l1, "psnr": psnr, "ssim": ssim}
"""Distances of an image to the true one by key of the measure."""

SetFeatures = Mapping[str, torch.Tensor]
"""Features of images [N, D] by network."""


@dataclass(frozen=True)
class Instruments:
    """What needs weights of its own, or the reason why it is not there."""

    inception: Features | Gap
    lite1: FeatureNetwork | Gap
    segmenter: Segmenter | Gap


@dataclass(frozen=True)
class Measured:
    """The values of a direction by key of the measure, and 95 % confidence intervals over the images."""

    values: Mapping[str, Value]
    intervals: Mapping[str, Interval]


def instruments(device: torch.device) -> Instruments:
    """Inception v3, EfficientNet-Lite1 and the shipped segmenter."""

    def ready_segmenter() -> Segmenter:
        return load_segmenter().to(device)

    return Instruments(
        _or_gap(lambda: inception_features(device)),
        _or_gap(lambda: feature_network("lite1", torch.empty(0, device=device))),
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
    features: SetFeatures


class Bench:
    """Everything that images of one direction are measured against, made ready once for all runs and epochs.

    Of several processes each looks at its own images, and all get the figures of all. `part` says of which images, by
    their order in the split: halves of it are measured apart.
    """

    def __init__(self, plan: Plan, target: Target, tools: Instruments) -> None:
        self.plan, self.target, self.tools = plan, target, tools
        inputs, truths = plan.pictures(target.direction)
        self.truths = distributed.own_items(truths) if plan.split.paired else None
        source, made = (plan.palettes[domain] for domain in domains_of(target.direction))
        self.palette = made
        self.classes: list[NDArray[np.uint8]] = []
        labels, palette = (truths, made) if target.read_by == "colour" else (inputs, source)
        if target.read_by and palette is not None:
            for each in distributed.own_items(labels):  # NEAREST mixes no colours
                self.classes.append(class_indices(square(each, Image.Resampling.NEAREST), palette))
        self.real = self._features_of(truths, target.seen[1])
        self.training = self._features_of(plan.training(target.direction), target.seen[1])

    def looks(self, images: Iterable[Image.Image]) -> list[Look]:
        """What is found of each of these images, in the order of those that are translated."""
        own = [self._look(index, image) for index, image in enumerate(images)]
        return distributed.gathered(own, self.target.count)

    def figures(self, looks: Sequence[Look], part: slice = WHOLE) -> Measured:
        """The measures of a part of the images."""
        looks = looks[part]
        sets = self._between_sets(_stacked([look.features for look in looks]), part)
        values, intervals = self._gaps() | dict(sets.values), dict(sets.intervals)
        for key in looks[0].distances:
            each = [look.distances[key] for look in looks]
            values[key] = mean(each)
            if np.isfinite(each).all():
                (intervals[key],) = bootstrap(np.array(each) / len(each), lambda total: [float(total)])
        agreement = _agreement([look.counts for look in looks if look.counts is not None])
        return Measured({**values, **agreement.values}, {**intervals, **agreement.intervals})

    def ceiling(self, part: slice = WHOLE) -> Measured | None:
        """What real images get: of label agreement, as the segmenter reads those of the split; of distances between
        sets, as those of training differ from those of the split."""
        agreement = floor = Measured({}, {})
        if self.target.read_by == "segmenter" and self.truths is not None:
            own = [self._confusion(index, true_image(source, self.target)) for index, source in enumerate(self.truths)]
            counts = distributed.gathered(own, self.target.count)[part]
            agreement = _agreement([each for each in counts if each is not None])
        if self.plan.split_name != "train" and self.plan.training(self.target.direction):
            floor = self._between_sets(self.training, part)
        return self._as_reference(Gap("these are the real images"), agreement, floor)

    def untranslated(self, part: slice = WHOLE) -> Measured | None:
        """The distances of the inputs themselves to the target domain, if the images are not paired."""
        if self.truths is not None:
            return None
        features = self._features_of(self.plan.pictures(self.target.direction)[0], self.target.seen[0])
        inputs = {network: each[part] for network, each in features.items()}
        return self._as_reference(Gap("these are the inputs"), self._between_sets(inputs, part))

    def _as_reference(self, other: Gap, *found: Measured) -> Measured | None:
        """What was found of real images, with a gap for every other measure; None if nothing was."""
        values = {key: value for each in found for key, value in each.values.items()}
        if not any(isinstance(value, float) for value in values.values()):
            return None
        gaps = dict.fromkeys((measure.key for measure in self.target.measures), other)
        return Measured(gaps | values, {key: value for each in found for key, value in each.intervals.items()})

    def _look(self, index: int, image: Image.Image) -> Look:
        pixels = np.asarray(image)
        maps = self._maps(pixels)
        distances: dict[str, float] = {}
        if self.truths is not None:
            truth = np.asarray(true_image(self.truths[index], self.target))
            distances = {key: distance(pixels, truth) for key, distance in DISTANCES.items()}
            if maps:
                distances["perceptual"] = perceptual_distance(maps, self._maps(truth))
        return Look(distances, self._confusion(index, image), self._features(pixels, maps))

    def _confusion(self, index: int, image: Image.Image) -> NDArray[np.int64] | None:
        """How the classes of an image's pixels fit the true ones, where both can be told."""
        read = self._read(image) if self.classes else None
        return None if read is None else confusion(read, self.classes[index], len(CLASSES))

    def _read(self, image: Image.Image) -> NDArray[np.integer] | None:
        """The class of every pixel, where it can be told."""
        if self.palette is not None:
            return class_indices(image, self.palette)
        return None if isinstance(self.tools.segmenter, Gap) else segment(self.tools.segmenter, image)

    def _maps(self, pixels: Pixels) -> list[torch.Tensor]:
        """The feature maps of an image by EfficientNet-Lite1, if it is there."""
        network = self.tools.lite1
        if isinstance(network, Gap):
            return []
        with torch.inference_mode():
            return network(_batch(pixels).to(next(network.parameters())) / 127.5 - 1)

    def _features(self, pixels: Pixels, maps: list[torch.Tensor]) -> SetFeatures:
        """The features of an image that distances between sets are of."""
        features = {}
        if not isinstance(self.tools.lite1, Gap):
            with torch.inference_mode():
                features["lite1"] = self.tools.lite1.pooled(maps).cpu()
        if not isinstance(self.tools.inception, Gap):
            features["inception"] = self.tools.inception(_batch(pixels))
        return features

    def _features_of(self, sources: Sequence[Source], encoding: Encoding) -> SetFeatures:
        """The features of real images."""
        own = []
        for source in distributed.own_items(sources):
            pixels = np.asarray(as_seen(square(source), encoding))
            own.append(self._features(pixels, self._maps(pixels)))
        return _stacked(distributed.gathered(own, len(sources)))

    def _between_sets(self, features: SetFeatures, part: slice) -> Measured:
        """Distances of these images to the real ones of a part."""
        real = {network: each[part] for network, each in self.real.items()}
        values: dict[str, Value] = {}
        intervals: dict[str, Interval] = {}
        for key, (network, distance) in SET_DISTANCES.items():
            if isinstance(tool := getattr(self.tools, network), Gap):
                values[key] = tool
                continue
            try:
                found = distance(self._centered(real, network), self._centered(features, network))
            except MetricError as error:
                values[key] = Gap(str(error))
                continue
            if isinstance(found, tuple):
                values[key], intervals[key] = found
            else:
                values[key] = found
        return Measured(values, intervals)

    def _centered(self, features: SetFeatures, network: str) -> torch.Tensor:
        """The features; Lite1's minus their mean over the training images, or else the real ones.

        The means of its channels lie far from 0, and their cubes would hide the differences between the images.
        """
        real = self.training.get(network, self.real[network])
        return features[network] - real.mean(0) if network == "lite1" else features[network]

    def _gaps(self) -> dict[str, Value]:
        """Why there are no values, of all measures that do not get one."""
        unpaired = Gap("the images are not paired: there is no true image to compare with")
        gaps: dict[str, Value] = dict.fromkeys((measure.key for measure in self.target.measures), unpaired)
        if self.truths is not None:
            tools: dict[str, object] = dict.fromkeys((measure.key for measure in LABELS), self.tools.segmenter)
            tools["perceptual"] = self.tools.lite1
            gaps |= {key: tool for key, tool in tools.items() if key in gaps and isinstance(tool, Gap)}
        return gaps


def with_figures(row: Row, measured: Mapping[Direction, Measured]) -> Row:
    """The row with what was measured in each direction."""
    return replace(
        row,
        values={way: each.values for way, each in measured.items()},
        intervals={way: each.intervals for way, each in measured.items()},
    )


def references(benches: Sequence[Bench], part: slice = WHOLE) -> dict[str, dict[Direction, Measured]]:
    """Return what the figures of runs are to be seen beside, by name, as far as there is something."""
    found: dict[str, dict[Direction, Measured]] = {}
    for name, measure in ((UNTRANSLATED, Bench.untranslated), (CEILING, Bench.ceiling)):
        for bench in benches:
            if measured := measure(bench, part):
                found.setdefault(name, {})[bench.target.direction] = measured
    return found


def _agreement(counts: Sequence[NDArray[np.int64]]) -> Measured:
    """What the confusion matrices of images say together, if there are any."""
    if not counts:
        return Measured({}, {})
    agreement = label_agreement(np.sum(counts, axis=0))
    intervals = bootstrap(np.array(counts), lambda total: astuple(label_agreement(total)))
    return Measured(asdict(agreement), dict(zip(asdict(agreement), intervals, strict=True)))


def _stacked(features: Sequence[SetFeatures]) -> SetFeatures:
    return {network: torch.cat([each[network] for each in features]) for network in (features[0] if features else ())}


def _batch(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]


def _or_gap(make: Callable[[], T]) -> T | Gap:
    try:
        return make()
    except (FeaturesError, MetricError, WeightsError) as error:
        return Gap(str(error))
