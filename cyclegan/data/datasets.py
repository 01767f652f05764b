"""Datasets: folders of images, recognised by looking."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from PIL import Image

from cyclegan.config import DatasetMode
from cyclegan.images.io import FORMATS, IMAGE_SUFFIXES, ImageError, open_image

T = TypeVar("T")

Layout = Literal["side-by-side pairs", "two folders", "photos and label maps of the same stem", "images"]

ALL_LOOKED_AT = 10_000
"""Up to this many files all are looked at before a training begins; of more, that many here, and the others as they are
wanted."""


class DatasetError(ValueError):
    """A folder that cannot be trained on: the message names it, says what is wrong and what to do."""


@dataclass(frozen=True)
class Source:
    """Where one image lies: a file, or one half of a side-by-side file."""

    path: Path
    half: Literal["left", "right"] | None = None

    def load(self) -> Image.Image:
        """The image as RGB. Raises ImageError where it cannot be read."""
        return self.cut(open_image(self.path))

    def cut(self, image: Image.Image) -> Image.Image:
        """Its part of the image in the file. Raises ImageError where that is no side-by-side pair, but should be."""
        width, height = image.size
        if self.half and width != 2 * height:
            raise ImageError(f"{self.path.name} is {width}x{height} pixels, no side-by-side pair")
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

    def first(self, count: int | None) -> Split:
        """The split with this many images of each domain at most, the first by name; all for None."""
        return Split(self.layout, self.a[:count], self.b[:count])

    def require_pairs(self) -> None:
        """Raise DatasetError, with counts and names, where the domains are not paired."""
        if self.paired:
            return
        counts = f"{len(self.a)} images in {self.a[0].path.parent}, {len(self.b)} in {self.b[0].path.parent}"
        unmatched = {_pair_name(source) for source in self.a} ^ {_pair_name(source) for source in self.b}
        raise DatasetError(
            f"dataset_mode aligned needs pairs, but found {counts}, of which {len(unmatched)} have no partner of the "
            f"same name: {some(sorted(unmatched))}; give both files of a pair one name, or train CycleGAN unaligned, "
            "which needs no pairs"
        )

    def __str__(self) -> str:
        if self.layout == "two folders":
            return f"two folders, {len(self.a)} images in A and {len(self.b)} in B"
        return f"{len(self.a)} {self.layout}"


def find_split(folder: Path, split: str = "train", mode: DatasetMode = "unaligned") -> Split:
    """The images of a split, by what lies in the folder.

    Recognised, in this order: `{split}A/` and `{split}B/`; then, in `{split}/` or for training in the folder itself,
    photos (.jpg) and label maps (.png) of the same stem, a and b; side-by-side pairs, left half a, right half b.
    The modes of one domain, single and colorization, take every image in `{split}/` or the folder itself, whole, as
    a and as b: colorization shows its lightness as the one and its chroma as the other.
    Raises DatasetError where the folder is missing, empty, or none of these.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; give a known name or the path of a folder of images")
    alone = mode in ("single", "colorization")
    folder_a, folder_b = folder / f"{split}A", folder / f"{split}B"
    if not alone and (folder_a.is_dir() or folder_b.is_dir()):
        return Split("two folders", *(tuple(map(Source, list_images(each))) for each in (folder_a, folder_b)))
    inner = folder / split if (folder / split).is_dir() else folder
    if inner == folder and split != "train":
        raise DatasetError(f"{folder} has no split {split}: neither {split}/ nor {split}A/ and {split}B/ is there")
    paths = list_images(inner)
    if alone:
        whole = tuple(map(Source, paths))
        return Split("images", whole, whole)
    photos = {path.stem: path for path in paths if path.suffix.lower() in (".jpg", ".jpeg")}
    labels = {path.stem: path for path in paths if path.suffix.lower() == ".png"}
    looked_at = evenly(paths, ALL_LOOKED_AT)
    if photos and labels and (photos.keys() & labels.keys() or not all(map(_is_side_by_side, looked_at))):
        unmatched = sorted(photos.keys() ^ labels.keys())
        if unmatched:
            raise DatasetError(
                f"{inner} holds {len(photos)} photos (.jpg) and {len(labels)} label maps (.png), of which "
                f"{len(unmatched)} have no partner of the same name: {some(unmatched)}; add or remove those"
            )
        return Split(
            "photos and label maps of the same stem",
            tuple(Source(path) for path in photos.values()),
            tuple(Source(labels[stem]) for stem in photos),
        )
    for path in looked_at:
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


def load_inputs(sources: Sequence[Source], count: int, size: int) -> list[Image.Image]:
    """`count` of the images, or all if they are fewer, evenly spread, as squares of `size` pixels."""
    return [source.load().resize((size, size), Image.Resampling.BICUBIC) for source in evenly(sources, count)]


def evenly(items: Sequence[T], count: int) -> list[T]:
    """`count` of the items, or all if they are fewer, evenly spread."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def list_images(folder: Path) -> list[Path]:
    """The image files in a folder, 2.jpg before 10.jpg. Raises DatasetError where there are none."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is missing; unpaired datasets need both an A and a B folder")
    paths = _images_in(folder)
    if not paths:
        inside = sorted(each.name for each in folder.iterdir() if each.is_dir() and _images_in(each))
        hint = f", or name one of its folders that hold some: {some(inside)}" if inside else ""
        raise DatasetError(f"{folder} holds no images; put {', '.join(sorted(IMAGE_SUFFIXES))} files there{hint}")
    return sorted(paths, key=_natural)


def _images_in(folder: Path) -> list[Path]:
    suffixes = tuple(IMAGE_SUFFIXES)
    with os.scandir(folder) as entries:  # which says what is a file without asking the disk about each
        named = (entry for entry in entries if entry.name.lower().endswith(suffixes))
        # A link that leads nowhere, or to itself, is one of the files that cannot be read.
        return [folder / entry.name for entry in named if entry.is_symlink() or entry.is_file()]


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by which 2.jpg comes before 10.jpg."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _pair_name(source: Source) -> str:
    """What both images of a pair are called: 1_A.jpg and 1_B.jpg of the published two-folder sets are a pair."""
    return re.sub(r"_[AB]$", "", source.path.stem)


def some(names: Sequence[str], limit: int = 5) -> str:
    """The first few names, for a message."""
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


def _is_side_by_side(path: Path) -> bool:
    width, height = _size(path)
    return width == 2 * height


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size
    except Exception as error:  # decoders raise whatever they meet
        raise DatasetError(
            f"{path} cannot be read as an image ({type(error).__name__}); remove or replace it"
        ) from None
