"""DiffAugment: random changes to all that a discriminator sees, real or fake, through which gradients reach the
generator.

Zhao et al. 2020 (arXiv:2006.10738): a few hundred images are soon learned by heart; augmenting the real ones alone
would teach the generator the augmentation. The ranges are those of the paper's published code. They are drawn
from PyTorch's random state on the CPU, so that no device is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cyclegan.config import Augmentation
from cyclegan.training.data_parallel import draw

Change = Callable[[Tensor], Tensor]
"""The same to every batch of as many images of the same size: [N, C, H, W] -> the same."""


def draw_color(like: Tensor) -> Change:
    """Brightness moved by up to 0.5, saturation times 0 to 2, contrast times 0.5 to 1.5."""
    drawn = draw(len(like), lambda rows: torch.rand(3, rows, 1, 1, 1).transpose(0, 1))
    shift, saturation, contrast = drawn.to(like.device).unbind(1)

    def change(images: Tensor) -> Tensor:
        images = images + (shift - 0.5)
        grey = images.mean(1, keepdim=True)
        images = torch.lerp(grey, images, (2 * saturation).to(images.dtype))
        flat = images.mean((1, 2, 3), keepdim=True)
        return torch.lerp(flat, images, (contrast + 0.5).to(images.dtype))

    return change


def draw_translation(like: Tensor) -> Change:
    """Moved by up to an eighth of the size, and 0 where nothing is left."""
    steps = [_draw_whole(-(side // 8), side // 8, len(like)) for side in like.shape[2:]]
    moves = list(zip(*steps, strict=True))

    def change(images: Tensor) -> Tensor:
        moved = zip(images.split(1), moves, strict=True)
        return torch.cat([F.pad(image, (right, -right, down, -down)) for image, (down, right) in moved])

    return change


def draw_cutout(like: Tensor) -> Change:
    """A rectangle of half the size is 0; its middle is anywhere, its rest may lie outside."""
    kept = torch.ones(len(like), 1, *like.shape[2:])
    places = [_draw_whole(0, side - 1, len(like)) for side in like.shape[2:]]
    for mask, *middle in zip(kept, *places, strict=True):
        rows, columns = (
            slice(max(0, place - side // 4), place - side // 4 + side // 2)
            for place, side in zip(middle, like.shape[2:], strict=True)
        )
        mask[:, rows, columns] = 0
    kept = kept.to(like.device)
    return lambda images: images * kept


DRAWS: dict[Augmentation, Callable[[Tensor], Change]] = {
    "color": draw_color,
    "translation": draw_translation,
    "cutout": draw_cutout,
}
COLORS = frozenset({"color"})
"""Those that would make another input of what an image is translated from."""


class Augment:
    """One draw of each augmentation of a policy, for every image of a batch."""

    def __init__(self, policy: Sequence[Augmentation], like: Tensor) -> None:
        self.changes = [(name, DRAWS[name](like)) for name in policy]

    def image(self, images: Tensor) -> Tensor:
        """What is judged, changed in the order of the policy."""
        for _, change in self.changes:
            images = change(images)
        return images

    def source(self, images: Tensor) -> Tensor:
        """What the image was made from, in the same places, but in its own colours."""
        for name, change in self.changes:
            images = images if name in COLORS else change(images)
        return images


def _draw_whole(low: int, high: int, count: int) -> list[int]:
    return draw(count, lambda rows: torch.randint(low, high + 1, (rows,))).tolist()
