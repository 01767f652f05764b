"""What a network sees of a picture: its colours, its grey, or its lightness and chroma in CIE Lab."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cyclegan.config import Direction, GeneratorConfig, MethodConfig, Pix2PixConfig
from cyclegan.images.io import to_image, to_tensor

Pixels = NDArray[np.uint8]
Lab = NDArray[np.float32]
Encoding = Literal["rgb", "grey", "lightness", "chroma"]
"""rgb: 3 channels; grey: 1, Pillow's L (ITU-R 601-2 luma); lightness: 1, L / 50 - 1; chroma: 2, a / 110 and b / 110."""

CHROMA_SCALE = 110.0
"""The reference's: sRGB's colours have a within -86..98 and b within -108..94."""

# IEC 61966-2-1: linear sRGB to CIE XYZ under the illuminant D65, in the digits of scikit-image, whose conversion the
# reference trains with.
_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = np.array([0.95047, 1.0, 1.08883])
_TO_RELATIVE_XYZ = (_TO_XYZ / _WHITE[:, None]).astype(np.float32)
_FROM_RELATIVE_XYZ = np.linalg.inv(_TO_XYZ / _WHITE[:, None]).astype(np.float32)
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""Light of each of the 256 levels."""
_BEND = 6 / 29
"""CIE 15: below its cube the cube root of Lab is a straight line."""


def encodings(config: MethodConfig) -> dict[str, Encoding]:
    """How the networks of a training see its domains a and b."""
    return encodings_of(config.direction if isinstance(config, Pix2PixConfig) else "ab", config.generator)


def encodings_of(direction: Direction, generator: GeneratorConfig) -> dict[str, Encoding]:
    """How a generator of this direction sees the domains a and b; colorization alone has 2 channels."""
    if generator.out_channels == 2:
        return {"a": "lightness", "b": "chroma"}
    channels = zip(direction, (generator.in_channels, generator.out_channels), strict=True)
    return {domain: "grey" if count == 1 else "rgb" for domain, count in channels}


def encode(pixels: Pixels | Image.Image, encoding: Encoding) -> Tensor:
    """8-bit RGB of shape [H, W, 3], or an RGB image, as float32 [C, H, W] in [-1, 1]."""
    if encoding == "rgb":
        return to_tensor(pixels)
    array = np.ascontiguousarray(pixels)
    if encoding == "grey":
        return to_tensor(Image.fromarray(array).convert("L"))
    lab = torch.from_numpy(rgb_to_lab(array)).permute(2, 0, 1)
    return lab[:1] / 50 - 1 if encoding == "lightness" else lab[1:] / CHROMA_SCALE


def decode(tensor: Tensor, encoding: Encoding, source: Image.Image) -> Image.Image:
    """A network's [C, H, W] in [-1, 1] as an RGB image; chroma gets the lightness of `source`, RGB of the same size."""
    if encoding != "chroma":
        return to_image(tensor)
    lab = rgb_to_lab(np.asarray(source))
    lab[..., 1:] = CHROMA_SCALE * tensor.float().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(lab_to_rgb(lab))


def as_seen(image: Image.Image, encoding: Encoding) -> Image.Image:
    """An RGB image as a network sees it, or is to make it: grey where it knows grey or lightness alone."""
    return to_image(encode(image, encoding)) if encoding in ("grey", "lightness") else image


def rgb_to_lab(pixels: Pixels) -> Lab:
    """sRGB [..., 3] as CIE L* (0 to 100), a* and b* under D65."""
    relative = _LINEAR[pixels] @ _TO_RELATIVE_XYZ.T
    x, y, z = np.moveaxis(np.where(relative > _BEND**3, np.cbrt(relative), relative / (3 * _BEND**2) + 4 / 29), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def lab_to_rgb(lab: Lab) -> Pixels:
    """The inverse of `rgb_to_lab`, rounded to the nearest level; what sRGB cannot show is clipped."""
    y = (lab[..., 0] + 16) / 116
    roots = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    relative = np.where(roots > _BEND, roots**3, 3 * _BEND**2 * (roots - 4 / 29))
    light = np.clip(relative @ _FROM_RELATIVE_XYZ.T, 0, 1)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(levels * 255).astype(np.uint8)
