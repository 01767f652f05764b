"""Sizes of images that meet in a pair or a batch: what cannot be trained on, and what is probably a mistake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from cyclegan.config import CycleGANConfig, Pix2PixConfig, smallest_judged
from cyclegan.data.datasets import DatasetError, Source, Split
from cyclegan.images.files import some, warn

Size = tuple[int, int]


def check_sizes(sizes: Mapping[Source, Size], split: Split, config: CycleGANConfig | Pix2PixConfig) -> None:
    """Raise DatasetError where images that meet in a pair or in a batch differ in size."""
    a, b = split.a, split.b
    smallest = smallest_judged(config.discriminator)
    small = [source.path.name for source, size in sizes.items() if not config.crops and min(size) < smallest]
    if small:
        raise DatasetError(
            f"{len(small)} images are less than {smallest} pixels wide or high after preprocess "
            f"{config.preprocess}, too small for the discriminator: {some(small)}; use --preprocess "
            "resize_and_crop, or --discriminator.architecture pixel"
        )
    said = {source: f"{source.path.name} {width}x{height}" for source, (width, height) in sizes.items()}
    pairs = zip(a, b, strict=True) if config.dataset_mode != "unaligned" else ()
    apart = [f"{said[one]} and {said[other]}" for one, other in pairs if sizes[one] != sizes[other]]
    if apart:
        raise DatasetError(
            f"{len(apart)} pairs have images of two sizes: {some(apart)}; use --preprocess resize_and_crop"
        )
    for sources in (a, b) if config.batch_size > 1 and not config.crops else ():
        usual = Counter(sizes[source] for source in sources).most_common(1)[0][0]
        others = [said[source] for source in sources if sizes[source] != usual]
        if others:
            raise DatasetError(
                f"batches of {config.batch_size} need images of one size, and preprocess {config.preprocess} crops "
                f"none: most are {usual[0]}x{usual[1]} pixels, but {len(others)} of {len(sources)} are not: "
                f"{some(others)}; use --batch-size 1, or --preprocess resize_and_crop"
            )


def warn_of_shapes(sizes: Mapping[Source, Size], pairs: Split | None) -> None:
    """Warn of pairs whose images differ in shape before resizing, by the sizes of those that were looked at."""
    apart, turned, count = [], 0, 0
    for one, other in zip(pairs.a, pairs.b, strict=True) if pairs else ():
        if one not in sizes or other not in sizes:
            continue
        (width, height), (other_width, other_height) = size, other_size = sizes[one], sizes[other]
        count += 1
        if abs(width * other_height - height * other_width) > 0.02 * width * other_height:
            apart.append(f"{one.path.name} {width}x{height} and {other.path.name} {other_width}x{other_height}")
            turned += size == other_size[::-1]
    if apart:
        reason = "a camera's EXIF tag turns one, but not what was drawn on its pixels: save that one without the tag"
        warn(
            f"{len(apart)} of {count} pairs have images of different shapes, which do not lie on each other after "
            f"resizing: {some(apart)}" + (f"; {turned} are turned: {reason}" if turned else "")
        )
