"""Random changes to all that a discriminator sees, real or made, through which gradients reach the generator; and
other colours for made photos that teach.

Zhao et al. 2020 (arXiv:2006.10738): a few hundred images are soon learned by heart; augmenting the real ones alone
would teach the generator the augmentation. The ranges are those of the paper's published code. All but noise, which the
images' device draws, is drawn from PyTorch's random state on the CPU, so that no device is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cyclegan.config import Augmentation
from cyclegan.training.sharing import draw

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


def recolored(photos: Tensor) -> Tensor:
    """Photos of the same things in other colours and another light, drawn for each anew.

    A third is turned negative; gamma; every channel a random mix of all, its mean taken away, and so any tint of the
    whole; contrast and brightness; a shade that differs from place to place; noise of a standard deviation of 0.1.
    The ranges are this project's, so wide that neither a colour nor a faint pattern tells what a thing is.

    Shapes: [N, 3, H, W] in [-1, 1] -> the same, in float32 or wider, and in the same order of memory.
    """
    channels_last = photos.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    with torch.autocast(photos.device.type, enabled=False):
        changed = _recolored(photos.to(torch.promote_types(photos.dtype, torch.float32)))
    return changed.contiguous(memory_format=layout)


def _recolored(photos: Tensor) -> Tensor:
    evenly, normal = (
        draw(len(photos), make).to(photos.device, photos.dtype, non_blocking=True)
        for make in (lambda rows: torch.rand(rows, 7, 1, 1), lambda rows: torch.randn(rows, 9 + 25))
    )
    negative, contrast, brightness, gamma, channels = evenly.split([1, 1, 1, 1, 3], 1)
    mixes, shade = normal.split([9, 25], 1)
    # Not quite black, which no gamma makes lighter.
    light = ((photos + 1) / 2).clamp(0.05, 1)
    light = torch.where(negative < 1 / 3, 1.05 - light, light)
    light = light ** torch.exp(2 * (gamma - 0.5) + (channels - 0.5))
    mix = torch.eye(3, device=mixes.device, dtype=mixes.dtype) + 0.35 * mixes.unflatten(1, (3, 3))
    light = torch.einsum("nij,njhw->nihw", mix / mix.sum(2, keepdim=True).clamp(min=0.3), light)
    light = (light - light.mean((2, 3), keepdim=True)) * torch.exp(1.6 * (contrast - 0.5)) + 0.7 * (brightness - 0.5)
    shades = F.interpolate(0.35 * shade.unflatten(1, (1, 5, 5)), photos.shape[2:], mode="bicubic")
    noise = draw(len(photos), lambda rows: torch.randn(rows, *photos.shape[1:], device=photos.device))
    return (2 * light + shades + 0.1 * noise).clamp(-1, 1)


def _draw_whole(low: int, high: int, count: int) -> list[int]:
    return draw(count, lambda rows: torch.randint(low, high + 1, (rows,))).tolist()
