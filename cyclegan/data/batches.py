"""Batches: images decoded once, cropped, mirrored and changed by nothing but the seed."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from torch import Tensor

from cyclegan.config import (
    SIZE_MULTIPLE,
    SMALLEST_SIZE,
    CycleGANConfig,
    Domain,
    MethodConfig,
    Pix2PixConfig,
)
from cyclegan.data.datasets import ALL_LOOKED_AT, DatasetError, Source, Split
from cyclegan.data.sizes import Size, check_sizes, warn_of_shapes
from cyclegan.images.encodings import Pixels, encode, encodings
from cyclegan.images.files import SAMPLE, evenly, warn_of_dark
from cyclegan.images.io import ImageError, open_image
from cyclegan.runtime import distributed

log = logging.getLogger(__name__)

TRIES = 100
"""Images in a row that may be bad where not all were looked at."""


class Pair(NamedTuple):
    """A batch of both domains, each [N, C, H, W] in [-1, 1]; aligned or not, as `dataset_mode` says."""

    a: Tensor
    b: Tensor


class Batches:
    """Training batches as a pure function of (seed, epoch, step): the same for any resume and any number of threads.

    Images are decoded and resized once and kept as uint8, as many as fit in a quarter of the machine's memory; the
    others are read again for each batch. Several processes share that memory, and each gets its rows of a batch. Raises
    DatasetError, naming the bad files, where any is unreadable, smaller than the crop, or of a size that does not go
    with the others.

    More than ALL_LOOKED_AT files are read as they are wanted, so that training starts at once: a bad one is named in
    the log, and the next one takes its place. DatasetError where that cannot be, since sizes have to fit each other.
    """

    def __init__(self, split: Split, config: CycleGANConfig | Pix2PixConfig) -> None:
        self.config = config
        self.paired = config.dataset_mode != "unaligned"
        if self.paired:
            split.require_pairs()
        self.split = split.first(config.max_images)
        self.encodings = encodings(config)
        self.images = max(len(self.split.a), len(self.split.b))
        self.steps = -(-self.images // config.batch_size)
        self._stored: dict[Source, Pixels] = {}
        self._room = physical_memory() // 4 // distributed.place().local_size
        self._passed_over: set[str] = set()
        self._shapes: dict[Source, Size] = {}
        files: dict[Path, dict[Source, None]] = {}
        for source in (*self.split.a, *self.split.b):
            files.setdefault(source.path, {})[source] = None
        self.waits = len(files) > ALL_LOOKED_AT
        """Whether images are read as they are wanted."""
        if not self.waits:
            check_sizes(self._read(files), self.split, config)
        elif config.batch_size > 1 and not config.crops:
            raise DatasetError(
                f"of more than {ALL_LOOKED_AT} files the sizes are not looked at before, and preprocess "
                f"{config.preprocess} crops none: use --batch-size 1, or --preprocess resize_and_crop"
            )
        else:
            for source in (*evenly(self.split.a, SAMPLE), *evenly(self.split.b, SAMPLE)):
                with suppress(ImageError):  # which is named when its turn comes
                    self._pixels(source)
        warn_of_shapes(self._shapes, self.split if self.paired else None)
        for sources in (self.split.a, self.split.b):
            warn_of_dark([source.path for source in sources])

    @property
    def fingerprint(self) -> str:
        """Changes with the images' names and their order, on which the batches depend."""
        names = "\n".join(f"{source.path.name} {source.half}" for source in (*self.split.a, *self.split.b))
        return hashlib.sha256(f"{len(self.split.a)}\n{names}".encode()).hexdigest()

    def batch(self, epoch: int, step: int) -> Pair:
        """Batch `step` (from 0) of `epoch` (from 1), on the CPU; the last one of an epoch may be smaller."""
        size = self.config.batch_size
        chosen = epoch_order(self.images, self.config, epoch)[step * size : (step + 1) * size]
        samples = [self._sample(epoch, int(index)) for index in chosen[distributed.own_rows(len(chosen))]]
        return Pair(torch.stack([a for a, _ in samples]), torch.stack([b for _, b in samples]))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Pair]:
        """The batches of an epoch from step `start` on, each made by a thread while the one before is trained on."""
        with ThreadPoolExecutor(1) as executor:
            following = executor.submit(self.batch, epoch, start)
            for step in range(start, self.steps):
                current = following
                if step + 1 < self.steps:
                    following = executor.submit(self.batch, epoch, step + 1)
                yield current.result()

    def _sample(self, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        # From index 1: to NumPy a seed that ends in 0 is the one without, and that draws the order.
        rng = np.random.default_rng([self.config.seed, epoch, index + 1])
        a, b = self.split.a, self.split.b
        place = other_place = _Place.draw(rng, self.config)
        if not self.paired:
            # A random partner for every image, as the reference draws it: no fixed pairs to learn by heart.
            partner = index if self.config.serial else int(rng.integers(len(b)))
            other_place = _Place.draw(rng, self.config)
            pixels, other = self._first_good([a], index)[0], self._first_good([b], partner)[0]
        else:
            pixels, other = self._first_good([a, b], index)
        size = self.config.crop_size if self.config.crops else None
        cut: dict[Domain, Pixels] = {"a": place.of(pixels, size), "b": other_place.of(other, size)}
        if isinstance(self.config, Pix2PixConfig) and self.config.color_jitter:
            source: Domain = "a" if self.config.direction == "ab" else "b"
            cut[source] = _in_other_light(cut[source], 1 + self.config.color_jitter * rng.uniform(-1, 1, 3))
        return encode(cut["a"], self.encodings["a"]), encode(cut["b"], self.encodings["b"])

    def _first_good(self, domains: Sequence[Sequence[Source]], index: int) -> list[Pixels]:
        """Return the pixels at this place of each domain; if not all were looked at before, of the next usable ones."""
        for at in range(index, index + TRIES):
            sources = [domain[at % len(domain)] for domain in domains]
            try:
                found = [self._pixels(source) for source in sources]
                if len({each.shape for each in found}) > 1:
                    raise ImageError(f"{' and '.join(source.path.name for source in sources)} are of two sizes")
                return found
            except ImageError as error:
                if not self.waits:
                    raise
                if str(error) not in self._passed_over:
                    self._passed_over.add(str(error))
                    log.warning("%s; it is passed over", error)
        raise DatasetError(f"{TRIES} images one after the other cannot be used, the last of them {sources[0].path}")

    def _pixels(self, source: Source) -> Pixels:
        if source in self._stored:
            return self._stored[source]
        return self._keep(source, self._resize(source, source.load()))

    def _keep(self, source: Source, pixels: Pixels) -> Pixels:
        if pixels.nbytes <= self._room:
            self._room -= pixels.nbytes
            self._stored[source] = pixels
        return pixels

    def _resize(self, source: Source, image: Image.Image) -> Pixels:
        self._shapes[source] = image.size
        size, crop = target_size(image.size, self.config), self.config.crop_size
        if self.config.crops and min(size) < crop:
            scaled = "" if size == image.size else f", scaled {size[0]}x{size[1]}"
            raise ImageError(
                f"{source.path.name} is {image.width}x{image.height} pixels{scaled}, smaller than the crop of {crop}; "
                "lower --crop-size, or use --preprocess resize_and_crop"
            )
        return np.asarray(image if size == image.size else image.resize(size, Image.Resampling.BICUBIC))

    def _read(self, files: Mapping[Path, Iterable[Source]]) -> dict[Source, Size]:
        """Read every file once, and keep what fits in memory. The sizes; raises DatasetError for bad files."""
        sizes: dict[Source, Size] = {}
        problems: set[str] = set()
        total = 0

        def read(path: Path) -> dict[Source, Pixels] | ImageError:
            try:
                image = open_image(path, f"{path.parent.name}/{path.name}")  # trainB may have one of that name, too
                return {source: self._resize(source, source.cut(image)) for source in files[path]}
            except ImageError as error:
                return error

        with ThreadPoolExecutor() as executor:
            for parts in executor.map(read, files):
                if isinstance(parts, ImageError):
                    problems.add(str(parts))
                    continue
                for source, pixels in parts.items():
                    sizes[source] = (pixels.shape[1], pixels.shape[0])
                    total += pixels.nbytes
                    self._keep(source, pixels)
        if problems:
            raise DatasetError(f"{len(problems)} images cannot be used: {'; '.join(sorted(problems)[:10])}")
        kept = sum(pixels.nbytes for pixels in self._stored.values())
        log.info("%.0f of %.0f MB of images are kept in memory", kept / 1e6, total / 1e6)
        return sizes


def epoch_order(images: int, config: MethodConfig, epoch: int) -> NDArray[np.int64]:
    """Return the images in the order of an epoch."""
    return np.arange(images) if config.serial else _shuffled(images, config.seed, epoch)


@lru_cache(2)  # of a million it takes as long as a step on a GPU
def _shuffled(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(images)


class _Place(NamedTuple):
    """Where to crop, as shares of what is left over, by how much to enlarge it, and whether to mirror."""

    x: float
    y: float
    mirror: bool
    zoom: float

    @classmethod
    def draw(cls, rng: np.random.Generator, config: CycleGANConfig | Pix2PixConfig) -> _Place:
        x, y, coin = rng.random(3)
        zoom = config.scale_jitter ** rng.random() if config.scale_jitter > 1 else 1.0
        return cls(x, y, config.flip and bool(coin < 0.5), zoom)

    def of(self, pixels: Pixels, size: int | None) -> Pixels:
        """The square of this side, or everything, mirrored or not."""
        if size is not None:
            side = round(size / self.zoom)
            top = int(self.y * (pixels.shape[0] - side + 1))
            left = int(self.x * (pixels.shape[1] - side + 1))
            pixels = pixels[top : top + side, left : left + side]
            if side < size:
                pixels = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC))
        return pixels[:, ::-1] if self.mirror else pixels


def _in_other_light(pixels: Pixels, factors: NDArray[np.float64]) -> Pixels:
    """The image with its brightness, contrast and saturation multiplied by these."""
    image = Image.fromarray(pixels)
    for kind, factor in zip((ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color), factors, strict=True):
        image = kind(image).enhance(float(factor))
    return np.asarray(image)


def target_size(size: Size, config: CycleGANConfig | Pix2PixConfig) -> Size:
    """Width and height to which `preprocess` resizes an image, before the crop where there is one.

    Without a crop both sides become multiples of what the generator takes, the nearest, as the reference rounds for
    none; it does not for scale_width, whose images its networks then give back in another size.
    """
    width, height = size
    if config.preprocess == "resize_and_crop":
        return config.load_size, config.load_size
    if config.preprocess.startswith("scale_width"):
        width, height = config.load_size, config.load_size * height // width
    if config.crops:
        return width, height
    architecture = config.generator.architecture
    multiple, smallest = SIZE_MULTIPLE[architecture], SMALLEST_SIZE[architecture]
    return max(smallest, round(width / multiple) * multiple), max(smallest, round(height / multiple) * multiple)


def physical_memory() -> int:
    """Bytes that this process may use: the machine's, or what its container is given."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # no container, or one without a limit
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 8 * 2**30
