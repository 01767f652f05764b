"""Datasets: folders recognised by looking, images decoded once, batches that depend on nothing but the seed."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cyclegan.config import TranslationConfig
from cyclegan.images import IMAGE_SUFFIXES, ImageError, open_image, to_tensor

log = logging.getLogger(__name__)

Layout = Literal["side-by-side pairs", "two folders", "photos and label maps of the same stem"]
Pixels = NDArray[np.uint8]


class DatasetError(ValueError):
    """A folder that cannot be trained on: the message names it, says what is wrong and what to do."""


class Pair(NamedTuple):
    """A batch of both domains, each [N, 3, H, W] in [-1, 1]; aligned or not, as the method wants. For a plain GAN `a`
    is noise, [N, in_channels]."""

    a: Tensor
    b: Tensor


@dataclass(frozen=True)
class Source:
    """Where one image lies: a file, or one half of a side-by-side file."""

    path: Path
    half: Literal["left", "right"] | None = None

    def load(self) -> Image.Image:
        """The image as RGB. Raises ImageError where it cannot be read."""
        image = open_image(self.path)
        width, height = image.size
        if self.half == "left":
            return image.crop((0, 0, width // 2, height))
        return image.crop((width // 2, 0, width, height)) if self.half == "right" else image


@dataclass(frozen=True)
class Split:
    """The images of both domains of one split; `a[i]` belongs to `b[i]` where `paired`."""

    layout: Layout
    a: tuple[Source, ...]
    b: tuple[Source, ...]

    @property
    def paired(self) -> bool:
        return [_pair_name(source) for source in self.a] == [_pair_name(source) for source in self.b]

    def require_pairs(self) -> None:
        """Raise DatasetError, with counts and names, where the domains are not paired."""
        if self.paired:
            return
        counts = f"{len(self.a)} images in {self.a[0].path.parent}, {len(self.b)} in {self.b[0].path.parent}"
        unmatched = {_pair_name(source) for source in self.a} ^ {_pair_name(source) for source in self.b}
        raise DatasetError(
            f"pix2pix needs pairs, but found {counts}, of which {len(unmatched)} have no partner of the same name: "
            f"{_some(sorted(unmatched))}; give both files of a pair one name, or train CycleGAN, which needs no pairs"
        )

    def __str__(self) -> str:
        if self.layout == "two folders":
            return f"two folders, {len(self.a)} images in A and {len(self.b)} in B"
        return f"{len(self.a)} {self.layout}"


def find_split(folder: Path, split: str = "train") -> Split:
    """The images of a split, by what lies in the folder.

    Recognised, in this order: `{split}A/` and `{split}B/`; then, in `{split}/` or for training in the folder itself,
    photos (.jpg) and label maps (.png) of the same stem, a and b; side-by-side pairs, left half a, right half b.
    Raises DatasetError where the folder is missing, empty, or none of these.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; give a known name or the path of a folder of images")
    folder_a, folder_b = folder / f"{split}A", folder / f"{split}B"
    if folder_a.is_dir() or folder_b.is_dir():
        return Split("two folders", *(tuple(map(Source, list_images(each))) for each in (folder_a, folder_b)))
    inner = folder / split if (folder / split).is_dir() else folder
    if inner == folder and split != "train":
        raise DatasetError(f"{folder} has no split {split}: neither {split}/ nor {split}A/ and {split}B/ is there")
    paths = list_images(inner)
    photos = {path.stem: path for path in paths if path.suffix.lower() in (".jpg", ".jpeg")}
    labels = {path.stem: path for path in paths if path.suffix.lower() == ".png"}
    if photos and labels and (photos.keys() & labels.keys() or not all(map(_is_side_by_side, paths))):
        unmatched = sorted(photos.keys() ^ labels.keys())
        if unmatched:
            raise DatasetError(
                f"{inner} holds {len(photos)} photos (.jpg) and {len(labels)} label maps (.png), of which "
                f"{len(unmatched)} have no partner of the same name: {_some(unmatched)}; add or remove those"
            )
        return Split(
            "photos and label maps of the same stem",
            tuple(Source(path) for path in photos.values()),
            tuple(Source(labels[stem]) for stem in photos),
        )
    for path in paths:
        if not _is_side_by_side(path):
            width, height = _size(path)
            raise DatasetError(
                f"{path} is {width}x{height} pixels, no side-by-side pair: those are twice as wide as high. "
                f"For unpaired images make two folders, {split}A and {split}B"
            )
    return Split(
        "side-by-side pairs",
        tuple(Source(path, "left") for path in paths),
        tuple(Source(path, "right") for path in paths),
    )


class Batches:
    """Training batches as a pure function of (seed, epoch, step): the same for any resume and any number of threads.

    Images are decoded and resized once and kept as uint8, as many as fit in a quarter of the machine's memory;
    the others are read again for each batch. Raises DatasetError, naming the bad files, where any is unreadable
    or smaller than the crop.
    """

    def __init__(self, split: Split, config: TranslationConfig, *, paired: bool) -> None:
        if paired:
            split.require_pairs()
        self.config = config
        self.paired = paired
        self.split = split
        self.images = max(len(split.a), len(split.b))
        self.steps = -(-self.images // config.batch_size)
        self._stored: dict[Source, Pixels] = {}
        self._check_and_store()

    def batch(self, epoch: int, step: int) -> Pair:
        """Batch `step` (from 0) of `epoch` (from 1), on the CPU; the last one of an epoch may be smaller."""
        order = np.random.default_rng([self.config.seed, epoch]).permutation(self.images)
        size = self.config.batch_size
        samples = [self._sample(epoch, int(index)) for index in order[step * size : (step + 1) * size]]
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
        rng = np.random.default_rng([self.config.seed, epoch, index])
        source_a = self.split.a[index % len(self.split.a)]
        place = _Place.draw(rng, self.config)
        if self.paired:
            return self._crop(source_a, place), self._crop(self.split.b[index], place)
        # A random partner for every image, as the reference draws it: no fixed pairs to learn by heart.
        source_b = self.split.b[rng.integers(len(self.split.b))]
        return self._crop(source_a, place), self._crop(source_b, _Place.draw(rng, self.config))

    def _crop(self, source: Source, place: _Place) -> Tensor:
        pixels = self._stored[source] if source in self._stored else self._load(source)
        return to_tensor(place.of(pixels, self.config.crop_size))

    def _load(self, source: Source) -> Pixels:
        image = source.load()
        if self.config.preprocess == "resize_and_crop":
            size = self.config.load_size
            image = image.resize((size, size), Image.Resampling.BICUBIC)
        elif min(image.size) < self.config.crop_size:
            raise ImageError(
                f"{source.path.name} is {image.width}x{image.height} pixels, smaller than the crop of "
                f"{self.config.crop_size}; lower --crop-size, or use --preprocess resize_and_crop"
            )
        return np.asarray(image)

    def _check_and_store(self) -> None:
        limit = _physical_memory() // 4
        total = kept = 0
        problems: set[str] = set()

        def read(source: Source) -> Pixels | ImageError:
            try:
                return self._load(source)
            except ImageError as error:
                return error

        sources = tuple(dict.fromkeys(self.split.a + self.split.b))
        with ThreadPoolExecutor() as executor:
            for source, pixels in zip(sources, executor.map(read, sources), strict=True):
                if isinstance(pixels, ImageError):
                    problems.add(str(pixels))
                    continue
                total += pixels.nbytes
                if total <= limit:
                    self._stored[source] = pixels
                    kept = total
        if problems:
            raise DatasetError(f"{len(problems)} images cannot be used: {'; '.join(sorted(problems)[:10])}")
        log.info("%.0f of %.0f MB of images are kept in memory", kept / 1e6, total / 1e6)


class _Place(NamedTuple):
    """Where to crop, as shares of what is left over, and whether to mirror."""

    x: float
    y: float
    mirror: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, config: TranslationConfig) -> _Place:
        x, y, coin = rng.random(3)
        return cls(x, y, config.flip and bool(coin < 0.5))

    def of(self, pixels: Pixels, size: int) -> Pixels:
        top = int(self.y * (pixels.shape[0] - size + 1))
        left = int(self.x * (pixels.shape[1] - size + 1))
        cropped = pixels[top : top + size, left : left + size]
        return cropped[:, ::-1] if self.mirror else cropped


def load_inputs(sources: Sequence[Source], count: int, size: int) -> list[Image.Image]:
    """`count` of the images, or all if they are fewer, evenly spread, as squares of `size` pixels."""
    count = min(count, len(sources))
    chosen = [sources[index * len(sources) // count] for index in range(count)]
    return [source.load().resize((size, size), Image.Resampling.BICUBIC) for source in chosen]


def list_images(folder: Path) -> list[Path]:
    """The image files in a folder, 2.jpg before 10.jpg. Raises DatasetError where there are none."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is missing; unpaired datasets need both an A and a B folder")
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if not paths:
        raise DatasetError(f"{folder} holds no images; put {', '.join(sorted(IMAGE_SUFFIXES))} files there")
    return sorted(paths, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by which 2.jpg comes before 10.jpg."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _pair_name(source: Source) -> str:
    """What both images of a pair are called: 1_A.jpg and 1_B.jpg of the published two-folder sets are a pair."""
    return re.sub(r"_[AB]$", "", source.path.stem)


def _some(names: list[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


def _is_side_by_side(path: Path) -> bool:
    width, height = _size(path)
    return width == 2 * height


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except Exception as error:  # decoders raise whatever they meet
        raise DatasetError(
            f"{path} cannot be read as an image ({type(error).__name__}); remove or replace it"
        ) from None


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 8 * 2**30
