"""The image pool: translations from earlier steps, shown to a discriminator so that it does not forget them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cyclegan.config import PoolMode
from cyclegan.training import data_parallel


class ImagePool:
    """The last translations of a domain.

    Shrivastava et al. 2017 (arXiv:1612.07828) section 2.3, as CycleGAN's section 4 uses it. Of several processes each
    keeps the same whole pool: for an image of 256x256 they exchange 0.8 MB, for the gradients 113 MB.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.images: list[Tensor] = []
        self.rng = np.random.default_rng(seed)

    def show(self, images: Tensor, mode: PoolMode = "replace") -> list[Tensor]:
        """Remember these images [N, C, H, W]; what a discriminator is shown of them, batches of N images.

        replace, the papers' mode: each image, or with probability 1/2 an older one in its place. both: the images
        themselves, and beside each an older one, drawn evenly; the very first is its own.
        """
        images = images.detach()
        if self.size == 0:
            return [images]
        images = data_parallel.all_rows(images)
        if mode == "replace":
            return [data_parallel.own_rows(self._exchange(images))]
        older = []
        for image in images.split(1):
            older.append(self.images[int(self.rng.integers(len(self.images)))] if self.images else image)
            self._remember(image, int(self.rng.integers(self.size)))
        return [data_parallel.own_rows(batch) for batch in (images, torch.cat(older))]

    def _exchange(self, images: Tensor) -> Tensor:
        chosen = []
        for image in images.split(1):
            shown = image
            if len(self.images) < self.size:
                self._remember(image, 0)
            elif self.rng.random() < 0.5:
                index = int(self.rng.integers(self.size))
                shown = self.images[index]
                self._remember(image, index)
            chosen.append(shown)
        return torch.cat(chosen)

    def _remember(self, image: Tensor, index: int) -> None:
        """Append the image while there is room, then put it at the index."""
        kept = image.clone()  # a view would keep, and a checkpoint save, the whole batch
        if len(self.images) < self.size:
            self.images.append(kept)
        else:
            self.images[index] = kept

    def state_dict(self) -> dict[str, Any]:
        return {"images": self.images, "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.images = state["images"]
        self.rng.bit_generator.state = state["rng"]
