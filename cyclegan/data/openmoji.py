"""OpenMoji as pairs of a line drawing and an emoji in colour."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from cyclegan.images.io import open_image

SIZE = 128
MOST_DABS = 6
VAL_EVERY = 20
"""One emoji in this many is held out as val."""

# Fitzpatrick skin tones, flags by their letters or tags, and brands, which have trademarks.
LEFT_OUT = re.compile(r"1F3F[B-F]|1F1[EF][0-9A-F]-|-E007F|^E0[4-7][0-9A-F]$")


def pair_emoji(color: Path, black: Path, folder: Path) -> None:
    """Write side-by-side pairs of 256x128 pixels, the emoji left and its line drawing right, to `folder`/train and
    `folder`/val: each emoji twice, once with a plain drawing and once with one to six dabs of its colours on it.

    `color` and `black` hold the files of OpenMoji's releases, CODE.png. Skin tones, country flags and brands are left
    out. The same files give the same pairs. Raises FileNotFoundError where an emoji has no line drawing.
    """
    codes = sorted(path.stem for path in color.glob("*.png") if not LEFT_OUT.search(path.stem))
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
    for number, code in enumerate(codes):
        emoji, drawing = _load(color / f"{code}.png"), _load(black / f"{code}.png")
        rng = np.random.default_rng(zlib.crc32(code.encode()))
        split = "val" if number % VAL_EVERY == VAL_EVERY // 2 else "train"
        for version, dabs in (("plain", 0), ("dabs", int(rng.integers(1, MOST_DABS + 1)))):
            pair = Image.new("RGB", (2 * SIZE, SIZE))
            pair.paste(emoji, (0, 0))
            pair.paste(add_dabs(drawing, emoji, dabs, rng), (SIZE, 0))
            pair.save(folder / split / f"{code}-{version}.png")


def add_dabs(drawing: Image.Image, emoji: Image.Image, count: int, rng: np.random.Generator) -> Image.Image:
    """Return the line drawing with `count` round dabs, 3 to 7 pixels in radius, under its lines: each at a random place
    that the emoji fills with colour, and of the colour there. An emoji without a filled place gets none."""
    colors, lines = np.asarray(emoji).astype(int), np.asarray(drawing)
    filled = (np.abs(colors - lines).sum(axis=2) > 60) & (lines.min(axis=2) > 200)
    rows, columns = np.nonzero(filled)
    if not len(rows):
        return drawing
    dabs = Image.new("RGB", drawing.size, "white")
    pen = ImageDraw.Draw(dabs)
    for index in rng.choice(len(rows), size=count):
        x, y, radius = int(columns[index]), int(rows[index]), rng.uniform(3, 7)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(colors[y, x]))
    return ImageChops.multiply(dabs, drawing)


def _load(path: Path) -> Image.Image:
    """The image over white, as training sees it."""
    return open_image(path).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
