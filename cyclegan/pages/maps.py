"""Error maps of two images, and patch maps of a discriminator, as pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Map = NDArray[np.float32]

BRIGHTEST_ERROR = 1.0
"""Error that is shown in the brightest colour: half of the range of a colour, which is 2."""

# matplotlib's inferno at five places: its brightness grows evenly, so that it reads without colours, too.
_INFERNO = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)])
# Orange and blue: told apart by whoever sees no red or no green.
_FAKE_TO_REAL = np.array([(230, 97, 1), (235, 235, 235), (28, 98, 190)])


def error_map(image: Image.Image, back: Image.Image) -> Map:
    """Return |back - image| of every pixel, float32 [H, W] in [0, 2]: the mean over the channels, which are in [-1, 1].

    Its mean is the cycle loss of this image without its weight: Zhu et al. 2017 (arXiv:1703.10593) equation 2.
    Raises ValueError if the sizes differ.
    """
    if image.size != back.size:
        raise ValueError(f"the images are {image.size} and {back.size} pixels; they must have one size")
    difference = np.asarray(back, dtype=np.float32) - np.asarray(image, dtype=np.float32)
    return np.abs(difference).mean(axis=2, dtype=np.float32) / np.float32(127.5)


def render_errors(errors: Map) -> Image.Image:
    """Return an error map in colours from black (no error) to pale yellow (BRIGHTEST_ERROR or more)."""
    return Image.fromarray(_colours(errors / BRIGHTEST_ERROR, _INFERNO).round().astype(np.uint8))


def render_patch_map(image: Image.Image, realness: Map) -> Image.Image:
    """Return the image in orange where it looks fake (0), in blue where it looks real (1); `realness` is [H, W]."""
    light = 0.3 + 0.7 * np.asarray(image.convert("L"), dtype=np.float32)[..., None] / 255
    return Image.fromarray((light * _colours(realness, _FAKE_TO_REAL)).round().astype(np.uint8))


def _colours(values: Map, anchors: NDArray[np.int64]) -> Map:
    """Return values 0..1 [H, W] as colours between evenly spaced anchors, float32 [H, W, 3]."""
    places = np.linspace(0, 1, len(anchors))
    return np.stack([np.interp(values, places, channel) for channel in anchors.T], -1).astype(np.float32)
