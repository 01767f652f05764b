"""Sample images: the same inputs translated after every epoch, so that learning can be watched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from cyclegan.config import Direction, GANConfig
from cyclegan.images.encodings import Encoding, decode, encode
from cyclegan.images.io import to_image
from cyclegan.networks.build import for_translation
from cyclegan.networks.generators import MLP_SIZE
from cyclegan.runtime.devices import to_device

SAMPLE_SIZE = 256
"""Side of each picture of a sample image, in pixels."""

Inputs = Mapping[Direction, Sequence[Image.Image | Tensor]]
"""For each direction what its pictures are made of: an image, or noise [N, C] for a grid of N small ones."""


def draw_noise(config: GANConfig) -> Tensor:
    """Fixed noise [64, in_channels] for as many images as one picture of a sample image holds."""
    count = (SAMPLE_SIZE // MLP_SIZE) ** 2
    rng = np.random.default_rng([config.seed, 0])  # epochs count from 1: no batch is trained on this
    return torch.from_numpy(rng.standard_normal((count, config.generator.in_channels), dtype=np.float32))


def render(
    generators: Mapping[Direction, nn.Module],
    inputs: Inputs,
    encodings: Mapping[str, Encoding],
    device: torch.device,
    dtype: torch.dtype,
) -> Image.Image:
    """What the generators make of the inputs: a row for each direction, a column for each input, as one RGB image."""
    columns = max(len(images) for images in inputs.values())
    sheet = Image.new("RGB", (columns * SAMPLE_SIZE, len(inputs) * SAMPLE_SIZE))
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for row, (direction, images) in enumerate(inputs.items()):
            network = for_translation(generators[direction])
            seen, made = (encodings[domain] for domain in direction)
            for column, given in enumerate(images):
                if isinstance(given, Tensor):
                    picture = to_image(_tile(network(to_device(given, device, dtype))))
                else:
                    x = to_device(encode(given, seen)[None], device, dtype)
                    picture = decode(network(x)[0], made, given)
                sheet.paste(_enlarge(picture), (column * SAMPLE_SIZE, row * SAMPLE_SIZE))
    return sheet


def _enlarge(picture: Image.Image) -> Image.Image:
    """The picture of a run that was trained on small images, at the size of a sample's."""
    size = (SAMPLE_SIZE, SAMPLE_SIZE)
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def _tile(images: Tensor) -> Tensor:
    """Images [side * side, C, H, W] in rows of `side`, as one of three channels: [3, side * H, side * W]."""
    side = math.isqrt(len(images))
    rows = images.unflatten(0, (side, side)).permute(2, 0, 3, 1, 4)
    return rows.flatten(3, 4).flatten(1, 2).expand(3, -1, -1)


def cut(sheet: Image.Image, row: int, column: int) -> Image.Image:
    """One picture of a sample image."""
    left, top = column * SAMPLE_SIZE, row * SAMPLE_SIZE
    return sheet.crop((left, top, left + SAMPLE_SIZE, top + SAMPLE_SIZE))


def spread(epochs: Sequence[int], count: int) -> list[int]:
    """At most `count` of the epochs, which ascend, the first and the last among them, denser where most changes: early.
    All of them where they are no more."""
    if len(epochs) <= count:
        return list(epochs)
    shares = [(index / max(count - 1, 1)) ** 2 for index in range(count)]
    return sorted({epochs[round(share * (len(epochs) - 1))] for share in shares})
