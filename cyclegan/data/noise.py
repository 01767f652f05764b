"""What a plain GAN trains on: pictures in memory, and batches of them beside noise."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cyclegan.config import GANConfig
from cyclegan.data.batches import Pair, epoch_order
from cyclegan.data.datasets import DatasetError, list_images
from cyclegan.data.named_datasets import IDX_FILE
from cyclegan.images.encodings import Pixels
from cyclegan.images.io import open_image
from cyclegan.networks.generators import MLP_SIZE
from cyclegan.runtime import distributed

IDX_IMAGES = 0x803
"""How an idx file of bytes in three dimensions begins (LeCun, the MNIST database)."""


def read_pictures(folder: Path, config: GANConfig) -> Tensor:
    """The images of a folder, of an idx file where there is one, as uint8 [N, C, 32, 32].

    Raises DatasetError where there are none, too few, or the file is damaged; ImageError, naming it, for a bad image.
    """
    idx = next((path for path in (folder / IDX_FILE, folder / f"{IDX_FILE}.gz") if path.is_file()), None)
    pictures: Iterator[Image.Image]
    if idx:
        pictures = map(Image.fromarray, read_idx(idx)[: config.max_images])
    else:
        pictures = map(open_image, list_images(folder)[: config.max_images])
    mode = "L" if config.generator.out_channels == 1 else "RGB"
    size = (MLP_SIZE, MLP_SIZE)
    pixels = [np.asarray(picture.convert(mode).resize(size, Image.Resampling.BICUBIC)) for picture in pictures]
    fewest = _fewest(config)
    if len(pixels) < fewest:
        raise DatasetError(f"{idx or folder}: {len(pixels)} images to train on; batches need {fewest} or more")
    return torch.from_numpy(np.stack(pixels)).reshape(len(pixels), MLP_SIZE, MLP_SIZE, -1).permute(0, 3, 1, 2)


def _fewest(config: GANConfig) -> int:
    """Pictures that a batch must have: batch norm has no statistics of one."""
    return 2 if config.generator.norm == "batch" else 1


def read_idx(path: Path) -> Pixels:
    """The images of an idx file, packed as .gz or not: [N, H, W]. Raises DatasetError where it is damaged."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        kind, *shape = struct.unpack(">4I", content[:16])
        if kind != IDX_IMAGES:
            raise ValueError(f"it begins with {kind:#x}, images with {IDX_IMAGES:#x}")
        if 0 in shape[1:]:
            raise ValueError("its images have no pixels")
        return np.frombuffer(content, np.uint8, offset=16).reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise DatasetError(f"{path} is damaged ({error}); remove it, and a named dataset is downloaded again") from None


class NoiseBatches:
    """Batches of noise and pictures as a pure function of (seed, epoch, step), as `Batches` gives pairs.

    With batch norm a last batch of one picture is left out.
    """

    def __init__(self, pictures: Tensor, config: GANConfig) -> None:
        self.config = config
        self.pictures = pictures
        self.images = len(pictures)
        whole, rest = divmod(self.images, config.batch_size)
        self.steps = whole + (rest >= _fewest(config))

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the pictures, on which the batches depend."""
        return hashlib.sha256(self.pictures.numpy().tobytes()).hexdigest()

    def batch(self, epoch: int, step: int) -> Pair:
        """Return batch `step` (from 0) of `epoch` (from 1), on the CPU; the last one of an epoch may be smaller."""
        size = self.config.batch_size
        chosen = epoch_order(self.images, self.config, epoch)[step * size : (step + 1) * size]
        # From step 1: to NumPy a seed that ends in 0 is the one without, and that draws the order.
        rng = np.random.default_rng([self.config.seed, epoch, step + 1])
        noise = rng.standard_normal((len(chosen), self.config.generator.in_channels), dtype=np.float32)
        own = distributed.own_rows(len(chosen))
        return Pair(torch.from_numpy(noise[own]), self.pictures[chosen[own]].float().div_(127.5).sub_(1))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Pair]:
        """Yield the batches of an epoch from step `start` on."""
        for step in range(start, self.steps):
            yield self.batch(epoch, step)
