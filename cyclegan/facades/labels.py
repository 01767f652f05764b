"""Facade label maps: their classes and colours, telling them from photos, and drawing new ones.

The classes are those of the CMP Facade Database: Radim Tylecek and Radim Sara, "Spatial Pattern Templates for
Recognition of Objects with Regular Structure", GCPR 2013. The label maps of the pix2pix data set show them in
the colours of `PALETTE`, slightly shifted by JPEG compression; the database's own use `CMP_BASE_PALETTE`.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from cyclegan.config import Palette
from cyclegan.facades.drawing import Label, draw_indices

Array = npt.NDArray[np.uint8]

CLASSES: tuple[str, ...] = tuple(label.name.lower() for label in Label)
"""Class names in the order of their indices; the ids 1..12 in the files of the CMP database are index + 1."""

EXAMPLE_SEEDS: tuple[int, ...] = (1, 25, 28, 30, 35, 51, 72, 86)
"""Seeds for `draw_facade` whose buildings are good examples and unlike each other."""

# Pixels matched with the colours at a time: bounds the memory, and keeps the work in the processor's cache.
_BLOCK_PIXELS = 1 << 14

# JPEG shifts flat colours by a few levels; most colours of the two palettes are 37 levels or more apart.
# The blurred edges are close to no colour, and fill half of a busy map; of a photo, next to nothing is close.
_LABEL_DISTANCE = 30
_LABEL_SHARE = 0.4
_SAMPLE_SIDE = 256


def _palette(*colors: tuple[int, int, int]) -> Array:
    palette = np.array(colors, dtype=np.uint8)
    palette.setflags(write=False)
    return palette


PALETTE: Array = _palette(
    (0, 0, 222), (0, 48, 255), (0, 128, 255), (0, 207, 255), (32, 255, 224), (112, 255, 143),
    (192, 255, 63), (255, 240, 0), (255, 159, 0), (255, 80, 0), (255, 0, 0), (174, 0, 0),
)  # fmt: skip
"""Colours of the pix2pix label maps, uint8 [12, 3], one row of RGB for each of `CLASSES`; read-only."""

CMP_BASE_PALETTE: Array = _palette(
    (0, 0, 170), (0, 0, 255), (0, 85, 255), (0, 170, 255), (0, 255, 255), (85, 255, 170),
    (170, 255, 85), (255, 255, 0), (255, 170, 0), (255, 85, 0), (255, 0, 0), (170, 0, 0),
)  # fmt: skip
"""Colours of the CMP database's own label maps, in the form of `PALETTE`."""

PALETTES: dict[Palette, Array] = {"facades": PALETTE, "cmp_base": CMP_BASE_PALETTE}


def class_indices(image: Image.Image, palette: Array = PALETTE) -> Array:
    """Return the class of every pixel, uint8 [H, W] of 0..11: the index of the nearest colour of `palette`.

    The ids 1..12 in the files of the CMP database are these indices + 1. An image of any mode is read as RGB.
    """
    width, height = image.size
    indices = np.empty((height, width), dtype=np.uint8)
    colors = palette.astype(np.float32)
    offsets = (colors**2).sum(axis=1)
    rows = max(1, _BLOCK_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels = np.asarray(image.crop((0, top, width, bottom)).convert("RGB"), dtype=np.float32)
        # |pixel - color|^2 without |pixel|^2, which all colours share; exact, being integers below 2^24.
        indices[top:bottom] = (offsets - 2 * (pixels @ colors.T)).argmin(axis=2)
    return indices


def colorize(indices: npt.NDArray[np.integer], palette: Array = PALETTE) -> Image.Image:
    """Return the RGB label map of class indices, integers [H, W] of 0..11: the inverse of `class_indices`.

    Raises ValueError if `indices` is not a two-dimensional array of integers or one of them is out of range.
    """
    if indices.ndim != 2:
        raise ValueError(f"class indices must have 2 dimensions (height, width), not {indices.ndim}")
    if not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"class indices must be integers, not {indices.dtype}")
    limit = len(palette) - 1
    for extreme in (indices.min(initial=0), indices.max(initial=0)):
        if not 0 <= extreme <= limit:
            raise ValueError(f"class index {extreme} is outside 0..{limit}")
    return Image.fromarray(palette[indices])


def snap_to_palette(image: Image.Image, palette: Array = PALETTE) -> Image.Image:
    """Return the image in RGB with every pixel set to the nearest colour of `palette`."""
    return colorize(class_indices(image, palette), palette)


def looks_like_labels(image: Image.Image, palette: Array = PALETTE) -> bool:
    """Return whether the image is a label map in the colours of `palette`, and not, say, a photo.

    True if enough of the pixels are close to one of the colours; those at the edges of the areas need not be.
    """
    return _label_share(image, palette) >= _LABEL_SHARE


def label_palette(image: Image.Image) -> Array | None:
    """Return the palette of a label map: `PALETTE`, `CMP_BASE_PALETTE`, or None for an image that is no label map."""
    palette = max((PALETTE, CMP_BASE_PALETTE), key=lambda palette: _label_share(image, palette))
    return palette if looks_like_labels(image, palette) else None


def _label_share(image: Image.Image, palette: Array) -> float:
    """Return which part of the pixels are close to one of the colours."""
    # NEAREST mixes no colours; a sample is enough, and makes a large image as quick as a small one.
    width, height = (min(side, _SAMPLE_SIDE) for side in image.size)
    sample = image.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
    nearest = palette[class_indices(sample, palette)]
    squares = (np.asarray(sample, dtype=np.int32) - nearest) ** 2
    return float((squares.sum(axis=2) <= _LABEL_DISTANCE**2).mean())


def draw_facade(seed: int, *, size: int = 256) -> Image.Image:
    """Return a label map of an invented facade, RGB [size, size] in the colours of `PALETTE` exactly.

    A seed gives the same building each time and at every size. Raises ValueError if `size` is below 1 or
    `seed` below 0.
    """
    if size < 1:
        raise ValueError(f"the size of a facade must be at least 1 pixel, not {size}")
    if seed < 0:
        raise ValueError(f"the seed of a facade must be at least 0, not {seed}")
    return colorize(draw_indices(np.random.default_rng(seed), size))
