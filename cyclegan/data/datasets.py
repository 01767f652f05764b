"""Datasets: folders of images, recognised by looking."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image

from cyclegan.config import DatasetMode
from cyclegan.images.files import SUFFIXES, evenly, holds_images, list_files, some, warn
from cyclegan.images.io import FORMATS, ImageError, open_image

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
        if self.half and not _is_pair(image.size, "aligned"):
            raise ImageError(f"{self.path.name} is {width}x{height} pixels, no side-by-side pair")
        if self.half == "left":
            return image.crop((0, 0, width // 2, height))
        return image.crop((width // 2, 0, width, height)) if self.half == "right" else image


@dataclass(frozen=True)
class Split:
    """The images of both domains of one split; `a[i]` belongs to `b[i]` if `paired`."""

    layout: Layout
    a: tuple[Source, ...]
    b: tuple[Source, ...]
    paired: bool = True

    def first(self, count: int | None) -> Split:
        """The split with this many images of each domain at most, the first by name; all for None."""
        return replace(self, a=self.a[:count], b=self.b[:count])

    def require_pairs(self) -> None:
        """Raise DatasetError, with counts and names, where the domains are not paired."""
        if self.paired:
            return
        counts = f"{len(self.a)} images in {self.a[0].path.parent}, {len(self.b)} in {self.b[0].path.parent}"
        names = [{re.sub(r"_[AB]$", "", source.path.stem) for source in sources} for sources in (self.a, self.b)]
        unmatched = names[0] ^ names[1]
        raise DatasetError(
            f"dataset_mode aligned needs pairs, but found {counts}, of which {len(unmatched)} have no partner of the "
            f"same name: {some(sorted(unmatched))}; give both files of a pair one name, or train CycleGAN unaligned, "
            "which needs no pairs"
        )

    def __str__(self) -> str:
        if self.layout == "two folders":
            return f"two folders, {len(self.a)} images in A and {len(self.b)} in B"
        return f"{len(self.a)} {self.layout}"


def domain_folders(folder: Path, split: str) -> tuple[Path, Path] | None:
    """Return the folders of a and b of a split, as the reference and others lay them out; None if there are none."""
    layouts = [(folder / f"{split}A", folder / f"{split}B")]
    layouts += [(folder / split / "A", folder / split / "B"), (folder / "A" / split, folder / "B" / split)]
    if split == "train":
        layouts.append((folder / "A", folder / "B"))
    there = [pair for pair in layouts if pair[0].is_dir() and pair[1].is_dir()]
    return next(iter(there or [pair for pair in layouts[:1] if pair[0].is_dir() or pair[1].is_dir()]), None)


def find_split(folder: Path, split: str = "train", mode: DatasetMode = "unaligned") -> Split:
    """The images of a split, by what lies in the folder.

    Recognised, in this order: two folders, `{split}A` and `{split}B`, `{split}/A` and `{split}/B`, `A/{split}` and
    `B/{split}`, or for training `A` and `B`, which are paired if their files have the same names; then, in `{split}/`
    or for training in the folder itself, photos (.jpg) and label maps (.png) of the same stem, a and b; side-by-side
    pairs, left half a, right half b: twice as wide as high, or for the mode aligned of any even width above the height.
    The modes of one domain, single and colorization, take every image in `{split}/` or the folder itself, whole, as
    a and as b: colorization shows its lightness as the one and its chroma as the other.
    What is left out is named in a warning. Raises DatasetError where the folder is missing, empty, or none of these.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; give a known name or the path of a folder of images")
    alone = mode in ("single", "colorization")
    folders = None if alone else domain_folders(folder, split)
    if folders:
        return _two_folders(folders, strict=mode == "aligned")
    inner = folder / split if (folder / split).is_dir() else folder
    if inner == folder and split != "train":
        raise DatasetError(f"{folder} has no split {split}: neither {split}/ nor {split}A/ and {split}B/ is there")
    paths = list_images(inner, recursive=inner != folder)
    if alone:
        whole = tuple(map(Source, paths))
        return Split("images", whole, whole)
    photos = _by_name((path for path in paths if path.suffix.lower() in (".jpg", ".jpeg")), inner)
    labels = _by_name((path for path in paths if path.suffix.lower() == ".png"), inner)
    looked_at = evenly(paths, ALL_LOOKED_AT)
    odd = next((path for path in looked_at if not _is_pair(_size(path), mode)), None)
    if photos and labels and (photos.keys() & labels.keys() or odd):
        unmatched = sorted(photos.keys() ^ labels.keys())
        if unmatched:
            raise DatasetError(
                f"{inner} holds {len(photos)} photos (.jpg) and {len(labels)} label maps (.png), of which "
                f"{len(unmatched)} have no partner of the same name: {some(unmatched)}; add or remove those"
            )
        _warn_of_others(paths, [*photos.values(), *labels.values()])
        return Split(
            "photos and label maps of the same stem",
            tuple(map(Source, photos.values())),
            tuple(Source(labels[stem]) for stem in photos),
        )
    if odd:
        raise DatasetError(_explain_shape(odd, inner, split, mode))
    return Split(
        "side-by-side pairs",
        tuple(Source(path, "left") for path in paths),
        tuple(Source(path, "right") for path in paths),
    )


def _two_folders(folders: tuple[Path, Path], *, strict: bool) -> Split:
    """The images of both folders; the partners at the same place if their names agree. Of several files of one name the
    first is the partner if that is to be (`strict`)."""
    a, b = map(list_images, folders)
    for ending in ("", r"_[AB]$"):  # 1_A.jpg and 1_B.jpg of the published two-folder sets are a pair
        named_a, named_b = _by_name(a, folders[0], ending), _by_name(b, folders[1], ending)
        whole = len(named_a) == len(a) and len(named_b) == len(b)
        if named_a.keys() == named_b.keys() and (whole or strict):
            partners = tuple(Source(named_b[name]) for name in named_a)
            _warn_of_others([*a, *b], [*named_a.values(), *named_b.values()])
            return Split("two folders", tuple(map(Source, named_a.values())), partners)
    return Split("two folders", tuple(map(Source, a)), tuple(map(Source, b)), paired=False)


def _by_name(paths: Iterable[Path], root: Path, ending: str = "") -> dict[str, Path]:
    """The first file of each name below `root`, without suffix and, if it has one, this ending."""
    named: dict[str, Path] = {}
    for path in paths:
        name = str(path.relative_to(root).with_suffix(""))
        named.setdefault(re.sub(ending, "", name) if ending else name, path)
    return named


def _warn_of_others(paths: Sequence[Path], used: Sequence[Path]) -> None:
    left_out = sorted(path.name for path in set(paths) - set(used))
    if left_out:
        warn(
            f"{len(left_out)} images are left out, which are no .jpg or .png, or have the name of another: "
            f"{some(left_out)}; rename or remove them"
        )


def _is_pair(size: tuple[int, int], mode: DatasetMode) -> bool:
    """Whether an image of this size can be cut in a side-by-side pair: where no pairs are demanded, only if it cannot
    be an ordinary photo."""
    width, height = size
    return width == 2 * height or (mode == "aligned" and width % 2 == 0 and width > height)


def _explain_shape(path: Path, inner: Path, split: str, mode: DatasetMode) -> str:
    """What to do about a file that is no side-by-side pair."""
    width, height = _size(path)
    folders = f"{split}A and {split}B"
    said = f"{path} is {width}x{height} pixels, no side-by-side pair: "
    if width % 2 and width > height:
        return f"{said}an odd width has no halves; cut or add a column of pixels"
    if height == 2 * width:
        return f"{said}if one image lies above the other, cut them into two folders, {folders}, under the same names"
    said += "those are twice as wide as high, or with --dataset-mode aligned of any even width above the height. "
    domains = _image_folders(inner.parent)
    if inner in domains and len(domains) == 2:
        return f"{said}For unpaired images train on {inner.parent}, after {_renaming(domains, split)}"
    return f"{said}For unpaired images make two folders, {folders}; for pairs as well, with the same names in both"


def _image_folders(folder: Path) -> list[Path]:
    return sorted(
        each for each in folder.iterdir() if each.is_dir() and os.access(each, os.R_OK) and holds_images(each)
    )


def _renaming(domains: Sequence[Path], split: str) -> str:
    """The commands that make two folders those of a and b."""
    pairs = zip(domains, "AB", strict=True)
    return " && ".join(shlex.join(["mv", str(old), str(old.with_name(split + domain))]) for old, domain in pairs)


def load_inputs(sources: Sequence[Source], count: int, size: int) -> list[Image.Image]:
    """`count` of the images, or all if they are fewer, evenly spread, as squares of `size` pixels."""
    return [source.load().resize((size, size), Image.Resampling.BICUBIC) for source in evenly(sources, count)]


def list_images(folder: Path, *, recursive: bool = True) -> list[Path]:
    """The image files in a folder and below, 2.jpg before 10.jpg. Raises DatasetError where there are none."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is missing; unpaired datasets need both an A and a B folder")
    paths = list_files(folder, recursive=recursive)
    inside = [] if paths and recursive else _image_folders(folder)
    others = [each.name for each in inside]
    if not paths:
        hint = f", or name one of its folders that hold some: {some(others)}" if inside else ""
        if len(inside) == 2:
            hint += f"; if these are the two domains: {_renaming(inside, 'train')}"
        raise DatasetError(f"{folder} holds no images; put {', '.join(SUFFIXES)} files there{hint}")
    if unread := sorted(set(others) - {"val", "test"}):
        warn(f"{folder}: images in {some(unread)} are not read; move them into the folder itself to use them")
    return paths


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size
    except Exception as error:  # decoders raise whatever they meet
        raise DatasetError(
            f"{path} cannot be read as an image ({type(error).__name__}); remove or replace it"
        ) from None
